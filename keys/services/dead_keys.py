"""Keeping the file of dead keys: what dies is added once it is committed, and each run adds what is missing."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet

from keys.dead_keys import DeadKey, Fate, name_of
from keys.dead_keys_file import append, configured, dead_keys_for_writing
from keys.errors import DeadKeysUnreadable
from keys.models import KeyPair, KeyRing

logger = logging.getLogger("signet.keys")


def remember_once_committed(ring: KeyRing, kids: Collection[str]) -> None:
    """Add a ring's dead keys to the file when the present transaction is committed, and before it returns.

    A file that can't be written takes nothing back: the log says so, and the next `rotate_keys` adds them.
    """
    if kids and configured() is not None:
        # Asked for now: once it is committed, nothing may stand between that and the file.
        dead = [_dead(key) for key in _dead_rows().filter(ring=ring, kid__in=kids)]
        transaction.on_commit(lambda: _remember(ring.pk, dead))


def _remember(ring_id: int, dead: Sequence[DeadKey]) -> None:
    try:
        append(dead)
    except DeadKeysUnreadable:
        logger.error("dead_keys.not_written ring=%s kids=%s", ring_id, ",".join(key.kid for key in dead))  # noqa: TRY400


def remember_all(now: datetime) -> int:  # noqa: ARG001  (what housekeeping is called with)
    """Add every dead key of the database that the file lacks: it heals what a crash left out.

    Returns:
        How many were missing.

    Raises:
        DeadKeysUnreadable: the file can't be read or written.
    """
    if configured() is None:
        return 0
    fates = dead_keys_for_writing().fates
    dead = [_dead(key) for key in _dead_rows().iterator()]
    missing = [item for item in dead if fates.get(item.key) not in {item.fate, Fate.COMPROMISED}]
    append(missing)
    return len(missing)


def unwritten(now: datetime) -> str:
    """Why the file lacks keys that are dead by the database; "" once it holds them all. It adds what it can."""
    try:
        remember_all(now)
    except (DeadKeysUnreadable, DatabaseError) as error:
        return str(error).strip()
    return ""


def _dead_rows() -> QuerySet[KeyPair]:
    return (
        KeyPair.objects.filter(Q(destroyed_at__isnull=False) | Q(compromised_at__isnull=False))
        .select_related("realm")
        .defer("sealed_private")
    )


def _dead(key: KeyPair) -> DeadKey:
    fate = Fate.COMPROMISED if key.compromised_at else Fate.DESTROYED
    at = key.compromised_at or key.destroyed_at
    assert at is not None  # noqa: S101  (what the query asked for)
    return DeadKey(name_of(key.kid, key.public_jwk), fate, at, key.kid, key.realm.slug)
