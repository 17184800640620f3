"""What a worker notes until it is written down: signatures a key and hour, and who fetched which JWK Set. Bounded."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from keys.fetchers import MOST_FETCHERS, Fetcher, Visit

_HOUR = 3600
MOST_NEWCOMERS = 100  # a realm and round, beside those that have a slot already
_MOST_COUNTS = 10_000


class Served(Protocol):
    """A version of a JWK Set, as `PublishedSet` has it."""

    @property
    def etag(self) -> str: ...
    @property
    def keys(self) -> Mapping[str, object]: ...


class SignatureNotes:
    """How many tokens each key signed in which hour, since they were last taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[UUID, int], int] = {}

    def note(self, key: UUID, at: datetime) -> None:
        """Count one signature.

        Arguments:
            key: the primary key of its row.
            at: when it signed, aware.
        """
        place = key, int(at.timestamp()) // _HOUR
        with self._lock:
            self._counts[place] = self._counts.get(place, 0) + 1

    def take(self) -> dict[tuple[UUID, datetime], int]:
        """All counts, by key and the hour's beginning; from now on they are the caller's."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return {(key, datetime.fromtimestamp(hour * _HOUR, UTC)): count for (key, hour), count in counts.items()}

    def give_back(self, counts: Mapping[tuple[UUID, datetime], int]) -> None:
        """Keep counts that could not be written, as far as there is room for them."""
        with self._lock:
            for (key, hour), count in counts.items():
                place = key, int(hour.timestamp()) // _HOUR
                if place in self._counts or len(self._counts) < _MOST_COUNTS:
                    self._counts[place] = self._counts.get(place, 0) + count

    def __bool__(self) -> bool:
        return bool(self._counts)


@dataclass(slots=True)
class RealmFetches:
    """The fetches of one realm since they were last taken.

    Attributes:
        visits: the latest of each fetcher.
        versions: what was served, by ETag: the kids in it, and since when.
        newcomers: how many of them have no slot yet.
        unseated: how many fetches found no room even here.
    """

    visits: dict[Fetcher, Visit] = field(default_factory=dict)
    versions: dict[str, tuple[tuple[str, ...], datetime]] = field(default_factory=dict)
    newcomers: int = 0
    unseated: int = 0


class FetchNotes:
    """Who fetched which realm's JWK Set, since it was last taken.

    Whoever has a slot is always noted; of the others a fixed number a round, so that no flood of user agents
    fills the memory, or keeps those out of it who come regularly.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._realms: dict[str, RealmFetches] = {}
        self._seated: dict[str, frozenset[Fetcher]] = {}

    def note(self, realm: str, who: Fetcher, served: Served, *, held: tuple[str, ...], at: datetime) -> None:
        """Note one fetch.

        Arguments:
            realm: the realm's slug; of a realm that is there.
            who: who fetched.
            served: what was served; the fetcher holds it from now on.
            held: the entity tags that it sent.
            at: when, aware.
        """
        with self._lock:
            fetches = self._realms.get(realm)
            if fetches is None:
                fetches = self._realms[realm] = RealmFetches()
            if not self._has_room(realm, fetches, who):
                fetches.unseated += 1
                return
            fetches.visits[who] = Visit(at, served.etag, held)
            if served.etag not in fetches.versions:
                fetches.versions[served.etag] = tuple(served.keys), at

    def _has_room(self, realm: str, fetches: RealmFetches, who: Fetcher) -> bool:
        """Whether a visit may be noted; a newcomer is counted as one."""
        if who in fetches.visits or who in self._seated.get(realm, ()):
            return True
        if fetches.newcomers >= MOST_NEWCOMERS:
            return False
        fetches.newcomers += 1
        return True

    def take(self) -> dict[str, RealmFetches]:
        """All notes by the realm's slug; from now on they are the caller's."""
        with self._lock:
            taken, self._realms = self._realms, {}
        return taken

    def give_back(self, realm: str, fetches: RealmFetches) -> None:
        """Keep notes that could not be written; what was noted meanwhile is newer and stays."""
        with self._lock:
            newer = self._realms.setdefault(realm, RealmFetches())
            for who, visit in fetches.visits.items():
                if who not in newer.visits and self._has_room(realm, newer, who):
                    newer.visits[who] = visit
            newer.versions = fetches.versions | newer.versions
            newer.unseated += fetches.unseated

    def seat(self, realm: str, seated: Iterable[Fetcher]) -> None:
        """Know who has a slot, so that these are noted whoever else comes."""
        self._seated[realm] = frozenset(list(seated)[:MOST_FETCHERS])

    def __bool__(self) -> bool:
        return bool(self._realms)
