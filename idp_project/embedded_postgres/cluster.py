"""Making, starting and stopping a cluster of the bundled PostgreSQL."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from idp_project.embedded_postgres.children import start_child
from idp_project.embedded_postgres.folders import EmbeddedPostgresError, claim_folder, hold_lock
from idp_project.embedded_postgres.places import DATABASE, ROLE, Place, find_place

_SUPERUSER = "postgres"  # owns the system tables; no login may become it, see _write_access_rules
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}  # no secret of ours goes there
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement carries values (hashes, sealed keys): its text and detail stay out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_SETTINGS_OF_THROW_AWAY_DATA = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_GENTLE_TO_HARSH = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)  # fast and immediate shutdown, none
_SECONDS_TO_START, _SECONDS_TO_STOP, _SECONDS_BETWEEN_LOOKS = 60.0, 30.0, 0.02


@contextmanager
def running_cluster(folder: Path, *, durable: bool = True, progress: Callable[[str], None]) -> Iterator[str]:
    """Run the cluster that belongs to a folder for as long as the block lasts; make it the first time.

    Arguments:
        folder: where it lives, such as `.data/postgres`. As root only its path counts, see `places`.
        durable: False trades safety against a power cut for speed, for data that may be thrown away.
        progress: is told, in a few words, what takes long.

    Returns:
        the `DATABASE_URL` to reach it: role `signet`, owner of database `signet`, may create databases.

    Raises:
        AlreadyRunningError: another run uses this cluster.
        EmbeddedPostgresError: it can't be made or started; the message is one sentence.
    """
    place = find_place(folder)
    with _locked(place, folder):
        _stop_leftovers(place.cluster)
        if _remove_stale_files(place) and not durable:
            shutil.rmtree(place.cluster)  # its server never stopped: without fsync what it wrote may be torn
        if not place.cluster.exists():
            progress("making a PostgreSQL cluster (a few seconds)")
            _make_cluster(place, durable=durable)
        _write_access_rules(place)
        server = _start(place, durable=durable)
        try:
            _wait_until_ready(place, server)
            yield place.url
        finally:
            _stop(server)


def set_aside_cluster(folder: Path) -> Path | None:
    """Keep a cluster out of the way whose secrets are gone, so that a new one can be made in its place.

    Arguments:
        folder: as for `running_cluster`.

    Returns:
        where the old cluster is now; None when there was none.

    Raises:
        AlreadyRunningError: another run uses this cluster.
        EmbeddedPostgresError: what an earlier run left behind can't be stopped.
    """
    place = find_place(folder)
    with _locked(place, folder):
        if not place.cluster.exists():
            return None
        _stop_leftovers(place.cluster)
        return place.cluster.rename(place.folder / f"cluster.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")


def _locked(place: Place, folder: Path) -> AbstractContextManager[None]:
    refusal = f"The database in {folder} is in use by another run (process {{pid}})."
    return hold_lock(place.folder / "lock", refusal=refusal)


def _make_cluster(place: Place, *, durable: bool) -> None:
    """initdb, then role and database in single-user mode: no server runs before its access rules do."""
    unfinished = place.folder / "cluster.new"
    _stop_leftovers(unfinished, signals=[signal.SIGKILL])
    if unfinished.exists():
        shutil.rmtree(unfinished)
    claim_folder(unfinished, mode=0o700, owner=place.account.uid if place.account else None)
    options = [
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--lc-messages=C",
        "--data-checksums",
        "--no-instructions",
    ]
    options += ["--auth-local=peer", "--auth-host=reject", *([] if durable else ["--no-sync"])]
    _run(place, "initdb", "--pgdata", str(unfinished), "--username", _SUPERUSER, *options)
    statements = f"CREATE ROLE {ROLE} LOGIN CREATEDB\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n"
    single_user = ["--single", "-D", str(unfinished), "-c", "exit_on_error=on", _SUPERUSER]
    _run(place, "postgres", *single_user, typed=statements)
    unfinished.rename(place.cluster)


def _run(place: Place, program: str, *arguments: str, typed: str = "") -> None:
    """Run a program of the wheel to its end; if we are interrupted, none of its processes stays behind."""
    with tempfile.TemporaryFile() as keyboard, tempfile.TemporaryFile() as output:
        keyboard.write(typed.encode())
        keyboard.seek(0)
        try:
            child = start_child(
                [place.programs / program, *arguments],
                when_parent_dies=signal.SIGKILL,
                account=place.account,
                environment=_ENVIRONMENT,
                typed=keyboard,
                output=output,
                folder="/",
            )
        except OSError as error:
            raise EmbeddedPostgresError(f"{place.programs / program} can't be run here: {error.strerror}.") from error
        try:
            code = child.wait()
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        output.seek(0)
        said = output.read().decode("utf-8", "replace").strip().splitlines()
    if code != 0:
        reasons = [line for line in said if "error:" in line or "FATAL:" in line] or said[-1:]
        raise EmbeddedPostgresError(f"PostgreSQL's {program} failed: {(reasons or [f'exit code {code}'])[0]}")


def _write_access_rules(place: Place) -> None:
    """Who may connect: the account that runs this, as the role `signet`, over the socket. Nobody else.

    Written at every start, beside the cluster and not in it: the server's account can't change them.
    """
    try:
        we = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise EmbeddedPostgresError(
            f"User id {os.geteuid()} has no name on this machine, which PostgreSQL needs: set DATABASE_URL."
        ) from error
    rules = {
        "pg_hba.conf": f"local all {ROLE} peer map=signet\nlocal all all reject\n",
        "pg_ident.conf": f'signet "{we}" {ROLE}\n',
    }
    for name, text in rules.items():
        path = place.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)  # holds no secret; as root, the server's account reads it


def _start(place: Place, *, durable: bool) -> subprocess.Popen[bytes]:
    settings = _SETTINGS | ({} if durable else _SETTINGS_OF_THROW_AWAY_DATA)
    escaped = str(place.socket).replace('"', '""')
    settings |= {
        "unix_socket_directories": f'"{escaped}"',  # a list: quotes keep a comma in the path
        "hba_file": str(place.folder / "pg_hba.conf"),
        "ident_file": str(place.folder / "pg_ident.conf"),
    }
    command: list[str | Path] = [place.programs / "postgres", "-D", place.cluster]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    if place.log.exists():
        place.log.replace(place.log.with_suffix(".previous.log"))
    descriptor = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as log:
        return start_child(
            command,
            when_parent_dies=signal.SIGINT,  # its fast shutdown
            account=place.account,
            environment=_ENVIRONMENT,
            output=log,
            folder="/",
        )


def _wait_until_ready(place: Place, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            said = place.log.read_text(encoding="utf-8", errors="replace").splitlines()
            reasons = [line for line in said if "FATAL:" in line or "PANIC:" in line] or said[-1:]
            reason = reasons[0].partition("FATAL:  ")[2] or reasons[0] if reasons else "it said nothing"
            raise EmbeddedPostgresError(f"PostgreSQL did not start: {reason} (log: {place.log}).")
        status = _postmaster_file(place.cluster)
        if status[:1] == [str(server.pid)] and status[7:8] == ["ready"]:
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    raise EmbeddedPostgresError(f"PostgreSQL was not ready in {_SECONDS_TO_START:.0f} s (log: {place.log}).")


def _postmaster_file(cluster: Path) -> list[str]:
    """Lines of postmaster.pid: the process id first, the status eighth (pg_ctl reads them the same way)."""
    try:
        text = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines()]


def _stop(server: subprocess.Popen[bytes]) -> None:
    for signum in _GENTLE_TO_HARSH:
        if server.poll() is None:
            server.send_signal(signum)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_SECONDS_TO_STOP)
            return


def _stop_leftovers(cluster: Path, *, signals: Sequence[signal.Signals] = _GENTLE_TO_HARSH) -> None:
    """Stop what a run that was killed left behind. We hold the lock, so nothing that lives there is in use."""
    for signum in signals:
        postmaster = _postmaster_file(cluster)[:1]
        for pid in _processes_in(cluster):
            if [str(pid)] == postmaster or signum == signal.SIGKILL:
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)
        deadline = time.monotonic() + _SECONDS_TO_STOP
        while time.monotonic() < deadline:
            if not _processes_in(cluster):
                return
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    raise EmbeddedPostgresError(f"A PostgreSQL that an earlier run left in {cluster} can't be stopped.")


def _remove_stale_files(place: Place) -> bool:
    """Remove the files that name a server which is gone: its number may be another process by now.

    PostgreSQL would refuse to start beside such a process. We know better, for we hold the lock and looked
    for processes in the cluster; where there is no /proc to look into, its own judgement stands.
    """
    stale = [place.cluster / "postmaster.pid", place.socket / ".s.PGSQL.5432.lock"]
    found = [path for path in stale if path.exists()]
    if Path("/proc/self/cwd").exists():
        for path in found:
            path.unlink()
    return bool(found)


def _processes_in(cluster: Path) -> list[int]:
    """Processes that work in the cluster: each PostgreSQL process makes it its working folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile, or another account's
            if (entry / "cwd").readlink() == cluster and _program_of(entry) == "postgres":
                found.append(int(entry.name))
    return found


def _program_of(process: Path) -> str:
    return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
