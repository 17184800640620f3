"""Removing what is dead in small batches, so that no lock lasts."""

from datetime import datetime

from django.db import connection

BATCH = 500


def delete_in_batches(statement: str, *, before: datetime) -> int:
    """Delete rows, batch after batch, each in a statement of its own.

    Arguments:
        statement: deletes at most `%(batch)s` of the rows that were over by `%(before)s`, and passes over those
            that somebody has locked.
        before: aware.

    Returns:
        How many were deleted.
    """
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"before": before, "batch": BATCH})
            batch: int = cursor.rowcount
        deleted += batch
        if batch < BATCH:
            return deleted
