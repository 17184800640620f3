"""Noticing that the database went back in time: its count is behind that of the mark outside it."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import transaction

from audit.services import record
from audit.vocabulary import EventName
from keys.errors import DatabaseRestored
from keys.models import MarkCount
from keys.restore_mark import RestoreMark, path_of_mark, read_mark, write_mark


def restored() -> str:
    """Why tokens from before a restore may still live, in one sentence; "" where all is well.

    Raises:
        DeadKeysUnreadable: the mark can't be read.
    """
    mark = read_mark()
    if mark is None:
        return ""
    epoch = settings.IDP_HANDLE_EPOCH
    if epoch < mark.epoch:
        return f"IDP_HANDLE_EPOCH is {epoch} and was {mark.epoch}, so ended tokens live again: set it to {mark.epoch}."
    if _is_behind(mark) and epoch == mark.epoch:
        return (
            f"The database is older than it was: a dump was restored, and refresh tokens that were used since could be "
            f"used again. Set IDP_HANDLE_EPOCH to {mark.epoch + 1}, restart the workers, and run rotate_keys."
        )
    return ""


def mark_database(now: datetime) -> int:
    """Count up in the database, then in the mark; housekeeping of every `rotate_keys`.

    Returns:
        1 where a restore was noticed and answered by a raised epoch, which is recorded; else 0.

    Raises:
        DatabaseRestored: a restore was noticed, and the epoch isn't raised; nothing is marked until it is.
        DeadKeysUnreadable: the mark can't be read or written.
    """
    if path_of_mark() is None:
        return 0
    if sentence := restored():
        raise DatabaseRestored(sentence)
    mark = read_mark() or RestoreMark(uuid.uuid4(), 0, settings.IDP_HANDLE_EPOCH)
    with transaction.atomic():
        behind = _is_behind(mark)
        row, _ = MarkCount.objects.select_for_update().get_or_create(pk=mark.id, defaults={"count": mark.count})
        row.count = max(row.count, mark.count) + 1
        row.save()
        if behind:
            record(
                EventName.DATABASE_RESTORED, realm="", actor="command:rotate_keys", target="database", now=now,
                details={"epoch": settings.IDP_HANDLE_EPOCH},
            )  # fmt: skip
    write_mark(RestoreMark(mark.id, row.count, settings.IDP_HANDLE_EPOCH))
    return int(behind)


def _is_behind(mark: RestoreMark) -> bool:
    """The database counts first, so only one that went back can have counted less."""
    count = MarkCount.objects.filter(pk=mark.id).values_list("count", flat=True).first()
    return mark.count > 0 and (count is None or count < mark.count)
