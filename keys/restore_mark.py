"""The mark beside the file of dead keys, by which a database that went back in time is noticed."""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from keys.dead_keys_file import configured, read_regular, sync_folder
from keys.errors import DeadKeysUnreadable

logger = logging.getLogger("signet.keys")

_MOST_BYTES = 1024
_MOST_RUNS = 2**62


@dataclass(frozen=True, slots=True)
class RestoreMark:
    """What the file remembers of the database.

    Attributes:
        id: which file it is.
        count: how often it was marked; the database's count is never behind, unless it was restored.
        epoch: `IDP_HANDLE_EPOCH` at the last time.
    """

    id: UUID
    count: int
    epoch: int


def path_of_mark() -> Path | None:
    """Where the mark is: beside the file of dead keys."""
    path = configured()
    return path.with_name(path.name + ".mark") if path is not None else None


def read_mark() -> RestoreMark | None:
    """The mark; None where nobody keeps one, none was made yet, or it is damaged, which the log says.

    Raises:
        DeadKeysUnreadable: it is there and can't be read.
    """
    path = path_of_mark()
    if path is None:
        return None
    try:
        _, raw = read_regular(path, most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeadKeysUnreadable(f"The mark {path} can't be read: {error.strerror}.") from error
    mark: RestoreMark | None = None
    try:
        found = json.loads(raw)
        mark = RestoreMark(UUID(found["id"]), int(found["count"]), int(found["epoch"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        pass
    if mark is None or not 0 <= mark.count < _MOST_RUNS:
        logger.error("restore_mark.damaged")
        return None
    return mark


def write_mark(mark: RestoreMark) -> None:
    """Put the mark in the place of the one before, whole or not at all.

    Raises:
        DeadKeysUnreadable: it can't be written.
    """
    path = path_of_mark()
    if path is None:
        return
    content = json.dumps({"id": str(mark.id), "count": mark.count, "epoch": mark.epoch}) + "\n"
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(path)
        sync_folder(path)
    except OSError as error:
        raise DeadKeysUnreadable(f"The mark {path} can't be written: {error.strerror}.") from error
