"""Reading what workers wrote down: how many tokens a key signed, and who holds which JWK Set."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber

from keys.fetchers import COUNTED, coarse
from keys.models import JwksFetcher, KeyPair, SignatureCount, UnseatedFetches

MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Behind:
    """A fetcher that doesn't hold a key.

    Attributes:
        address: its address, or the block of it.
        holds: the ETag of the JWK Set that it holds, and since when that was served.
    """

    address: str
    user_agent: str
    last_seen_at: datetime
    holds: str
    holds_since: datetime

    @property
    def block(self) -> str:
        """The block of the address, for whoever may not see all of it."""
        return coarse(self.address)


@dataclass(frozen=True, slots=True)
class Propagation:
    """How far a key has come.

    Attributes:
        kid: the key.
        fetchers: how many fetchers were seen within 7 days.
        lacking: how many of them don't hold the key.
        behind: some of these, those seen last first.
        unseated: how many fetches, within 7 days, came from others for whom no slot was free.
    """

    kid: str
    fetchers: int
    lacking: int
    behind: Sequence[Behind]
    unseated: int

    @property
    def holding(self) -> int:
        """How many fetchers hold the key."""
        return self.fetchers - self.lacking


def nobody_lacks(kid: str | None, *, realm_id: int, now: datetime) -> bool:
    """Whether every fetcher that was seen within 7 days holds a key; true where none was seen.

    Arguments:
        kid: of the key; None for one that is still to be made.
        realm_id: the realm's primary key.
        now: aware.
    """
    counted = _counted([realm_id], now)
    return not (counted if kid is None else counted.filter(~Q(holds__kids__contains=[kid]))).exists()


def propagation(keys: Iterable[KeyPair], now: datetime) -> dict[UUID, Propagation]:
    """How far some keys have come, in three queries for all of them.

    Arguments:
        keys: such as the standby of each ring.
        now: aware.

    Returns:
        By the primary key of the key.
    """
    wanted = list(keys)
    if not wanted:
        return {}
    realms = {key.realm_id for key in wanted}
    versions = _versions(realms, now)
    late = {
        key.pk: {one.pk: one.fetchers for one in versions if one.realm_id == key.realm_id and key.kid not in one.kids}
        for key in wanted
    }
    named = _named({version for each in late.values() for version in each}, now)
    unseated = _unseated(realms, now)
    return {
        key.pk: Propagation(
            key.kid,
            fetchers=sum(one.fetchers for one in versions if one.realm_id == key.realm_id),
            lacking=sum(late[key.pk].values()),
            behind=[_behind(row) for row in named if row.holds_id in late[key.pk]][:MOST_NAMED],
            unseated=unseated.get(key.realm_id, 0),
        )
        for key in wanted
    }


class _Version(NamedTuple):
    """A version, and how many of the fetchers that count hold it."""

    pk: int
    realm_id: int
    kids: Collection[str]
    fetchers: int


def _versions(realms: Collection[int], now: datetime) -> list[_Version]:
    rows = _counted(realms, now).order_by().values_list("holds", "realm_id", "holds__kids")
    return [_Version(*row) for row in rows.annotate(Count("pk"))]


def _counted(realms: Collection[int], now: datetime) -> QuerySet[JwksFetcher]:
    return JwksFetcher.objects.filter(realm__in=realms, last_seen_at__gt=now - COUNTED)


def _named(versions: Collection[int], now: datetime) -> list[JwksFetcher]:
    """A few fetchers of each of some versions, those seen last first."""
    if not versions:
        return []
    place = Window(RowNumber(), partition_by=F("holds"), order_by=F("last_seen_at").desc())
    rows = JwksFetcher.objects.filter(holds__in=versions, last_seen_at__gt=now - COUNTED).annotate(place=place)
    return list(rows.filter(place__lte=MOST_NAMED).select_related("holds").order_by("-last_seen_at", "slot"))


def _behind(row: JwksFetcher) -> Behind:
    return Behind(row.address, row.user_agent, row.last_seen_at, row.holds.etag, row.holds.first_served_at)


def _unseated(realms: Collection[int], now: datetime) -> dict[int, int]:
    days = UnseatedFetches.objects.filter(realm__in=realms, day__gte=(now - COUNTED).date())
    return dict(days.values_list("realm_id").annotate(Sum("fetches")))


def tokens_signed_since(kids: Iterable[str], moment: datetime, *, realm_id: int | None = None) -> dict[str, int]:
    """How many tokens each of some keys signed, from the hour of a moment on.

    A worker writes its counts down about once a minute, so the last minute may be missing; and a worker that was
    killed takes its last minute with it. What has expired is forgotten.

    Arguments:
        kids: of the keys.
        moment: aware; its whole hour counts.
        realm_id: of their realm; needed only where two realms adopted the same key.

    Returns:
        The count of every one of these keys, nought where nothing is known.
    """
    found = dict.fromkeys(kids, 0)
    rows = SignatureCount.objects.filter(key__kid__in=list(found), hour__gte=_hour(moment))
    if realm_id is not None:
        rows = rows.filter(key__realm_id=realm_id)
    found.update(rows.values_list("key__kid").annotate(Sum("signatures")))
    return found


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
