"""The published keys of a realm as ready bytes in memory (RFC 7517 §5). Never unseals anything.

The rows are read every few seconds while the database answers; which of them are published is decided
by the clock at each request, so that a key enters and leaves on time. While the database is away the
rows in memory serve on, for a stated time that the propagation of every ring covers.
"""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from django.db import InterfaceError, OperationalError

from keys.conf import periods
from keys.dead_keys import Fate
from keys.dead_keys_file import dead_keys
from keys.errors import DeadKeysUnreadable, PublishedSetUnavailable
from keys.jwk import to_public_key
from keys.models import KeyPair
from keys.policy import JWKS_REFRESH
from keys.selectors import published_rows, timetable_of
from keys.timetable import Timetable, is_published
from realms.selectors import all_realms

logger = logging.getLogger("signet.keys")


@dataclass(frozen=True)
class PublishedKey:
    """One key, as verifiers see it."""

    kid: str
    algorithm: str
    jwk: Mapping[str, str]
    times: Timetable
    skew: timedelta
    retired: bool = False  # its ring signs nothing new

    @cached_property
    def public_key(self) -> PublicKeyTypes:
        """The public key, made from the JWK when it is first needed."""
        return to_public_key(self.jwk)


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """A JWK Set as bytes, and its strong ETag: a hash of these bytes, so that all workers agree."""

    body: bytes
    etag: str
    keys: Mapping[str, PublishedKey]


@dataclass(slots=True)
class _Memory:
    rows: list[PublishedKey]
    read_at: float
    tried_at: float
    latest: PublishedSet | None = None
    refreshing: threading.Lock = field(default_factory=threading.Lock)


class PublishedSets:
    """The memory of one process; safe to use from many threads.

    Arguments:
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._memories: dict[str, _Memory] = {}

    def forget(self) -> None:
        """Drop everything, so that the next use reads the database."""
        self._memories.clear()

    def at(self, slug: str, now: datetime) -> PublishedSet:
        """The set that a realm publishes at a moment.

        Raises:
            PublishedSetUnavailable: the database is away, and the rows in memory are too old or not there.
            UnknownRealm: there is no such realm.
        """
        memory = self._memory(slug, now)
        rows = {row.kid: row for row in memory.rows if is_published(row.times, now, skew=row.skew)}
        latest = memory.latest
        if latest is None or latest.keys.keys() != rows.keys():
            latest = memory.latest = _render(rows)
        return latest

    def _memory(self, slug: str, now: datetime) -> _Memory:
        memory = self._memories.get(slug)
        if memory is None:
            return self._first_reading(slug, now)
        if self._monotonic() - memory.tried_at >= JWKS_REFRESH.total_seconds():
            self._refresh(memory, slug, now)
        if self._too_old(memory):
            with memory.refreshing:  # after a quiet time another request may just be reading them
                pass
        if self._too_old(memory):
            raise PublishedSetUnavailable("The keys in memory are too old to be vouched for.")
        return memory

    def _too_old(self, memory: _Memory) -> bool:
        """Rows that are not due for a reading are never too old, however short the outage that workers bridge."""
        longest = max(periods().jwks_outage, JWKS_REFRESH)
        return self._monotonic() - memory.read_at > longest.total_seconds()

    def _first_reading(self, slug: str, now: datetime) -> _Memory:
        started = self._monotonic()
        try:
            memory = _Memory(_read(slug, now), started, started)
        except (OperationalError, InterfaceError, DeadKeysUnreadable) as error:
            raise PublishedSetUnavailable("The published keys can't be read.") from error
        self._memories[slug] = memory
        return memory

    def _refresh(self, memory: _Memory, slug: str, now: datetime) -> None:
        """Read the rows again; one thread at a time, while the others go on with what is there."""
        if not memory.refreshing.acquire(blocking=False):
            return
        try:
            started = self._monotonic()
            memory.tried_at = started
            rows = _read(slug, now)
            memory.rows, memory.read_at, memory.latest = rows, started, None
        except (OperationalError, InterfaceError):
            logger.warning("jwks.served_from_memory realm=%s", slug)
        finally:
            memory.refreshing.release()


def _read(slug: str, now: datetime) -> list[PublishedKey]:
    dead = dead_keys()
    rows = published_rows(slug, now)
    return [_published(row) for row in rows if dead.fate_of(row.kid, row.public_jwk) is not Fate.COMPROMISED]


def _published(row: KeyPair) -> PublishedKey:
    return PublishedKey(
        row.kid,
        row.ring.algorithm,
        row.public_jwk or {},
        timetable_of(row),
        row.ring.clock_skew,
        retired=row.ring.retired_at is not None,
    )


def _render(rows: Mapping[str, PublishedKey]) -> PublishedSet:
    canonical = {"keys": [rows[kid].jwk for kid in sorted(rows)]}
    body = json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode("ascii")
    return PublishedSet(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', dict(rows))


published_sets = PublishedSets()


def warm(now: datetime) -> None:
    """Read every realm's published keys, so that a worker that has just started can outlive the database.

    Arguments:
        now: the moment, aware.
    """
    try:
        for realm in all_realms():
            published_sets.at(realm.slug, now)
    except (OperationalError, InterfaceError, PublishedSetUnavailable):
        logger.warning("jwks.not_warmed")
