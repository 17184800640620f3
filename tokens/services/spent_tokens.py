"""Ids of tokens that may not be used (again): one insert decides, whichever worker asks (RFC 7523 §3, RFC 7009)."""

import hashlib
from datetime import datetime, timedelta

from django.db import connection

from tokens.models import SpentToken
from tokens.services.purging import delete_in_batches

_SPEND = """
    INSERT INTO tokens_spenttoken (digest, expires_at) VALUES (%s, %s) ON CONFLICT (digest) DO NOTHING
"""
_PURGE = """
    DELETE FROM tokens_spenttoken WHERE digest IN
        (SELECT digest FROM tokens_spenttoken WHERE expires_at < %(before)s LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""
_KEPT_LONGER = timedelta(minutes=5)  # a worker whose clock is behind may still take the token


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def spend(name: str, *, expires_at: datetime) -> bool:
    """Mark a token as spent.

    Arguments:
        name: what it is and whose, and its id; kept as a hash.
        expires_at: aware; from then on it would be refused anyway, and the row may go.

    Returns:
        Whether this was the first time; of several at once exactly one is told so.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SPEND, [_digest(name), expires_at])
        return bool(cursor.rowcount)


def is_spent(name: str) -> bool:
    """Whether a token was marked as spent."""
    return SpentToken.objects.filter(pk=_digest(name)).exists()


def purge_spent_tokens(now: datetime) -> int:
    """Delete the rows of tokens that have expired since, in small batches.

    Returns:
        How many were deleted.
    """
    return delete_in_batches(_PURGE, before=now - _KEPT_LONGER)
