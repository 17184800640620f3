"""The file of dead keys (`IDP_DEAD_KEYS_FILE`): appended to whole, read again only when it has changed.

A process that could read it once and can't any more goes on with what it read: that was everything up to then,
and the database says what died since. One that never could trusts no key at all. Nothing that a process has read as
dead lives again in it, whatever becomes of the file: while a copy is put in its place it is empty for a moment.
"""

import logging
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from keys.dead_keys import DeadKey, DeadKeys, lines, merged, parse_dead_keys
from keys.errors import DeadKeysUnreadable

logger = logging.getLogger("signet.keys")

MOST_BYTES = 32 * 1024 * 1024  # a hundred thousand keys
_MODE = 0o600
_NOBODY = DeadKeys({})
_Stamp = tuple[int, int, int, int, int]


class _Memory:
    """What this process read last, by path."""

    def __init__(self) -> None:
        self.read: dict[Path, tuple[_Stamp, DeadKeys]] = {}
        self.lock = threading.Lock()


_memory = _Memory()


def configured() -> Path | None:
    """Where the file is; None where nobody keeps one."""
    return Path(settings.IDP_DEAD_KEYS_FILE) if settings.IDP_DEAD_KEYS_FILE else None


def forget() -> None:
    """Drop what was read, as a new process would begin."""
    with _memory.lock:
        _memory.read.clear()


def dead_keys() -> DeadKeys:
    """What the file says; nothing where none is configured. Cheap: it is read only when it has changed.

    Raises:
        DeadKeysUnreadable: it is not there or can't be read, and this process never could.
    """
    path = configured()
    if path is None:
        return _NOBODY
    with _memory.lock:
        known = _memory.read.get(path)
        try:
            stamp = _stamp(path.stat())
            if known is not None and known[0] == stamp:
                return known[1]
            stamp, found = _read(path)
        except OSError as error:
            if known is None:
                raise _unreadable(path, error) from error
            logger.error("dead_keys.unreadable reason=%s", error.strerror)  # noqa: TRY400
            return known[1]
        found = _keep(path, stamp, found)
    if found.garbled:
        logger.warning("dead_keys.garbled lines=%d", found.garbled)
    return found


def dead_keys_for_writing(*, dry_run: bool = False) -> DeadKeys:
    """What the file says, for what writes keys: makes it where it is not there yet, and takes no old memory.

    Arguments:
        dry_run: make nothing; a file that would be made says nothing.

    Raises:
        DeadKeysUnreadable: it can't be made or read now.
    """
    path = configured()
    if path is None:
        return _NOBODY
    try:
        if not path.exists():
            if dry_run:
                return _NOBODY
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE))
            sync_folder(path)
            logger.warning("dead_keys.file_made")
        stamp, found = _read(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    with _memory.lock:
        _keep(path, stamp, found)
    return found


def append(dead: Sequence[DeadKey]) -> None:
    """Add dead keys, in one write that is on the disk when this returns. Nothing where no file is configured.

    Raises:
        DeadKeysUnreadable: it can't be written.
    """
    path = configured()
    if path is None or not dead:
        return
    try:
        new = not path.exists()
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, _MODE)
        try:
            _refuse_irregular(file)
            said = lines(dead)
            if os.write(file, said) != len(said):
                raise OSError(0, "the disk is full")
            os.fsync(file)
        finally:
            os.close(file)
        if new:
            sync_folder(path)
    except OSError as error:
        raise _unreadable(path, error, "written") from error


def _read(path: Path) -> tuple[_Stamp, DeadKeys]:
    found, raw = read_regular(path, most_bytes=MOST_BYTES)
    if len(raw) > MOST_BYTES:
        raise OSError(0, f"it is longer than {MOST_BYTES} bytes")
    return _stamp(found), parse_dead_keys(raw.decode("utf-8", "replace"))


def read_regular(path: Path, *, most_bytes: int) -> tuple[os.stat_result, bytes]:
    """What a file holds, and how it was before it was read.

    A pipe would be waited for for ever, with every request that wants a signature behind it.

    Arguments:
        path: the file.
        most_bytes: what is longer is cut off one byte later.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)) as file:
        return _refuse_irregular(file.fileno()), file.read(most_bytes + 1)


def _refuse_irregular(file: int) -> os.stat_result:
    """Devices and pipes remember nothing: /dev/null would say that no key has died."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is no regular file")
    return found


def _keep(path: Path, stamp: _Stamp, found: DeadKeys) -> DeadKeys:
    """Remember what was read beside what was read before; called with the lock."""
    known = _memory.read.get(path)
    if known is not None and (lost := known[1].fates.keys() - found.fates.keys()):
        logger.error("dead_keys.lines_lost lines=%d", len(lost))
    if known is not None:
        found = merged(known[1], found)
    _memory.read[path] = (stamp, found)
    return found


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def sync_folder(path: Path) -> None:
    """Have the name of a file be on the disk, too."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unreadable(path: Path, error: OSError, verb: str = "read") -> DeadKeysUnreadable:
    return DeadKeysUnreadable(
        f"The file of dead keys {path} can't be {verb}: {error.strerror}. Give the account that runs Signet access "
        f"to it, or run rotate_keys, which makes it where it never was."
    )
