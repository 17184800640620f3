"""Files with secrets that commands read and write."""

import os
import stat
from pathlib import Path

from django.core.management.base import CommandError

from keys.dead_keys_file import sync_folder
from keys.management.commands._arguments import WRONG_USAGE


def read_secret_file(path: Path, *, most_bytes: int) -> bytes:
    """What a file with a secret holds; one that every user of the machine may read or write is refused.

    Arguments:
        path: the file.
        most_bytes: what is longer is cut off one byte later, for the caller to refuse.

    Raises:
        CommandError: it can't be read, or is open to others; wrong usage.
    """
    found, is_open = read_file(path, most_bytes=most_bytes)
    if is_open:
        raise open_to_others(path)
    return found


def read_file(path: Path, *, most_bytes: int) -> tuple[bytes, bool]:
    """What a file holds, and whether every user of the machine may read or write it.

    Arguments:
        path: the file.
        most_bytes: what is longer is cut off one byte later, for the caller to refuse.

    Raises:
        CommandError: it can't be read; wrong usage.
    """
    try:
        with path.open("rb") as file:
            is_open = bool(os.fstat(file.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH))
            return file.read(most_bytes + 1), is_open
    except OSError as error:
        raise CommandError(f"The file {path} can't be read: {error.strerror}.", returncode=WRONG_USAGE) from error


def open_to_others(path: Path) -> CommandError:
    """The refusal of a file with a secret that is open to every user of the machine; wrong usage."""
    return CommandError(
        f"The file {path} holds a secret and is open to every user of this machine: run chmod o-rw {path}.",
        returncode=WRONG_USAGE,
    )


def read_passphrase_file(path: Path, *, most_bytes: int = 1024) -> bytes:
    """A passphrase from a file of its own, without the end of its line.

    Raises:
        CommandError: as `read_secret_file`, or it is longer than a passphrase.
    """
    found = read_secret_file(path, most_bytes=most_bytes).rstrip(b"\r\n")
    if len(found) > most_bytes or b"\n" in found:
        raise CommandError(f"The file {path} holds no passphrase of one line.", returncode=WRONG_USAGE)
    return found


def write_secret_file(path: Path, content: bytes) -> None:
    """Write a new file that its owner alone may read, on the disk when this returns. Nothing is overwritten.

    Raises:
        CommandError: there is something already, or it can't be written; wrong usage.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(file, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
        except OSError:
            path.unlink()  # half a file helps nobody, and would be in the way of the next try
            raise
        sync_folder(path)
    except FileExistsError as error:
        raise CommandError(f"{path} is there already, and nothing is overwritten.", returncode=WRONG_USAGE) from error
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}.", returncode=WRONG_USAGE) from error
