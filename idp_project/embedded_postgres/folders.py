"""Folders and locks that belong to Signet alone: made with tight permissions, or verified, never widened."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class EmbeddedPostgresError(Exception):
    """The bundled PostgreSQL can't run; the message is one sentence for the person at the terminal."""


class AlreadyRunningError(EmbeddedPostgresError):
    """Somebody else holds the lock on the same data."""


def claim_folder(path: Path, *, mode: int, owner: int | None = None) -> None:
    """Make a folder, or verify that an existing one is what we would have made.

    Arguments:
        path: the folder; its parent must exist.
        mode: its permission bits. An existing folder may be tighter, never wider.
        owner: user id of the owner; None for the account that runs this.

    Raises:
        EmbeddedPostgresError: something else has that name: a link, a file, a folder of another account or
            one that is open to others. It is left as it is.
    """
    ours = os.geteuid()
    owner = ours if owner is None else owner
    try:
        path.mkdir(mode=0o700)
        path.chmod(mode)  # a umask may have taken bits away; this folder is seconds old and ours
    except FileExistsError:
        pass
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {ours, owner}:
        raise EmbeddedPostgresError(f"{path} must be a folder made by Signet: remove it or choose another.")
    if stat.S_IMODE(found.st_mode) & ~mode:
        raise EmbeddedPostgresError(f"{path} is open to other accounts: run chmod {mode:o} {path}.")
    if found.st_uid != owner:
        os.chown(path, owner, -1)  # made by us above, or by a run that was killed before this line


def claim_parents(path: Path) -> None:
    """Make a folder that holds only ours, with every missing parent; leave existing ones alone.

    Arguments:
        path: the folder, such as `.data`. What is missing is made with mode 0700.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def hold_lock(path: Path, *, refusal: str) -> Iterator[None]:
    """Hold a file lock; the kernel drops it when this process ends in whatever way.

    Arguments:
        path: the lock file, in a folder that only we can write.
        refusal: what to say when somebody else holds it; `{pid}` stands for their process id.

    Raises:
        AlreadyRunningError: somebody else holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunningError(refusal.replace("{pid}", pid)) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
