"""Taking places in the buckets of the limits: one conditional upsert a bucket (rules: accounts/budget.py)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts.buckets import bucket_key
from accounts.budget import Budget, is_exhausted, retry_after
from accounts.errors import TooManyAttempts

_TAKE = """
    INSERT INTO accounts_attemptbudget AS bucket (key, full_at) VALUES (%(key)s, %(now)s + %(interval)s)
    ON CONFLICT (key) DO UPDATE SET full_at = GREATEST(bucket.full_at, %(now)s) + %(interval)s
    WHERE GREATEST(bucket.full_at, %(now)s) + %(interval)s <= %(now)s + %(span)s
    RETURNING full_at
"""
_FULL_AT = "SELECT full_at FROM accounts_attemptbudget WHERE key = %s"
_GIVE_BACK = "UPDATE accounts_attemptbudget SET full_at = full_at - %s WHERE key = %s"
_PURGE = """
    DELETE FROM accounts_attemptbudget WHERE key IN
        (SELECT key FROM accounts_attemptbudget WHERE full_at <= %s LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_PURGE_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """A place that an attempt holds: the bucket it came from, and whether it was the last one."""

    budget: Budget
    key: bytes
    was_last: bool


def take_places(buckets: Sequence[tuple[Budget, str]], *, now: datetime) -> Sequence[Place]:
    """A place in each bucket or in none; every attempt takes them in the same order, so that none waits in a circle."""
    with transaction.atomic():
        return [_take(budget, bucket_key(budget, text), now) for budget, text in buckets]


def _take(budget: Budget, key: bytes, now: datetime) -> Place:
    parameters: dict[str, Any] = {"key": key, "now": now, "interval": budget.interval, "span": budget.span}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, parameters)
        row = cursor.fetchone()
        if row is not None:
            return Place(budget, key, is_exhausted(budget, row[0], now))
        cursor.execute(_FULL_AT, [key])
        full_at: datetime = cursor.fetchone()[0]
    raise TooManyAttempts(retry_after(budget, full_at, now))


def give_back(places: Sequence[Place]) -> None:
    """Return the places of an attempt that was no guess: the person is who they said."""
    with connection.cursor() as cursor:
        for place in places:
            parameters: list[Any] = [place.budget.interval, place.key]
            cursor.execute(_GIVE_BACK, parameters)


def purge_full_budgets(now: datetime) -> int:
    """Delete the buckets that are full again, which is what a bucket that isn't there is too.

    Returns:
        How many were deleted.
    """
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_PURGE, [now, _PURGE_BATCH])
            batch: int = cursor.rowcount
        deleted += batch
        if batch < _PURGE_BATCH:
            return deleted
