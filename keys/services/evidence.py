"""Writing down what workers noted: signatures a key, and who holds which JWK Set; and forgetting it again."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import F

from keys.models import SignatureCount

# SQL: Django's upsert can set a column to what came, but not add to it. A key that is gone takes its count with it.
_ADD_SIGNATURES = """
    INSERT INTO keys_signaturecount AS count (key_id, hour, signatures)
    SELECT noted.key_id, noted.hour, noted.signatures
    FROM unnest(%s::uuid[], %s::timestamptz[], %s::bigint[]) AS noted (key_id, hour, signatures)
    JOIN keys_keypair ON keys_keypair.id = noted.key_id
    ORDER BY noted.key_id, noted.hour
    ON CONFLICT (key_id, hour) DO UPDATE SET signatures = count.signatures + EXCLUDED.signatures
"""


def add_signatures(counts: Mapping[tuple[UUID, datetime], int]) -> None:
    """Add to the counts of signatures, in one statement.

    Arguments:
        counts: how many, by the key's primary key and the beginning of the hour.
    """
    if not counts:
        return
    # Sorted, so that two workers lock the same rows in the same order.
    rows = [(key, hour, count) for (key, hour), count in sorted(counts.items())]
    with connection.cursor() as cursor:
        cursor.execute(_ADD_SIGNATURES, [list(column) for column in zip(*rows, strict=True)])


def forget_signatures(now: datetime) -> int:
    """Delete the counts of what has expired: older than the longest life of what the key signs.

    Returns:
        How many rows that were.
    """
    expired = SignatureCount.objects.filter(
        hour__lt=now - timedelta(hours=1) - F("key__max_lifetime") - 2 * F("key__ring__clock_skew")
        - F("key__ring__verifier_leeway")
    )  # fmt: skip
    return expired.delete()[0]
