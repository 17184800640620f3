"""What a browser's cookie session holds of a sign-in with an upstream provider, for minutes, and gives out once.

All of it stays on this server; the browser has the cookie, and `state` in the address.
"""

import hmac
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest

from accounts.upstream.messages import Secrets
from realms.models import Realm

LIFETIME = timedelta(minutes=10)
_MOST = 5  # sign-ins that one browser has under way, one a tab
_DEPARTURES = "signet.upstream_departures"
_ARRIVALS = "signet.upstream_arrivals"  # {realm slug: …}


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """That a browser left for a provider.

    Attributes:
        provider: primary key of its row, as text.
        secrets: what its answer has to match.
        following: where the sign-in leads to in the end, "" for nowhere; checked before.
        at: when, in seconds since 1970.
        max_age: how old the sign-in there may be, in seconds before `at`.
        certainly: whether a provider that doesn't tell when that was is not believed.
    """

    provider: str
    secrets: Secrets
    following: str
    at: float
    max_age: int
    certainly: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlinked:
    """A verified identity at a provider that belongs to nobody here yet.

    Attributes:
        provider: primary key of its row, as text.
        subject: `sub` there.
        email: what the person knows it by; "" where the provider doesn't vouch for one.
        following: as in `Departure`.
        at: when the provider's answer came, in seconds since 1970.
    """

    provider: str
    subject: str
    email: str
    following: str
    at: float

    @property
    def arrived_at(self) -> datetime:
        """When the provider's answer came."""
        return datetime.fromtimestamp(self.at, UTC)


def remember_departure(request: HttpRequest, departure: Departure) -> None:
    """Have the browser hold one more; the oldest make room."""
    kept = [held for held in _departures(request) if departure.at - held["at"] < LIFETIME.total_seconds()]
    request.session[_DEPARTURES] = [*kept[1 - _MOST :], asdict(departure)]


def take_departure(request: HttpRequest, *, state: str, now: datetime) -> Departure | None:
    """The departure that an answer belongs to; it is gone with this, whatever becomes of the answer.

    Arguments:
        state: from the answer; compared in constant time with each.
        now: aware time.

    Returns:
        None where this browser holds none with this state any more.
    """
    held = _departures(request)
    found = [one for one in held if hmac.compare_digest(one["secrets"]["state"].encode(), state.encode())]
    if not found:
        return None
    request.session[_DEPARTURES] = [one for one in held if one not in found]
    request.session.save()  # before anything slow: the same answer may come again meanwhile
    departure = Departure(**{**found[0], "secrets": Secrets(**found[0]["secrets"])})
    return departure if now.timestamp() - departure.at < LIFETIME.total_seconds() else None


def remember_unlinked(request: HttpRequest, realm: Realm, unlinked: Unlinked) -> None:
    """Have the browser hold an identity until somebody who signs in takes it for theirs.

    The cookie's value changes, so that it is none that somebody else put there before.
    """
    request.session.cycle_key()
    request.session[_ARRIVALS] = {**_arrivals(request), realm.slug: asdict(unlinked)}


def unlinked_identity(request: HttpRequest, *, realm: Realm, now: datetime) -> Unlinked | None:
    """The identity that waits in this browser, or None where none does, or for too long.

    Arguments:
        now: aware time.
    """
    found = _arrivals(request).get(realm.slug)
    if found is None or now.timestamp() - found["at"] >= LIFETIME.total_seconds():
        return None
    return Unlinked(**found)


def forget_unlinked(request: HttpRequest, realm: Realm) -> None:
    """Have the browser hold no identity for a realm any more."""
    rest = {slug: held for slug, held in _arrivals(request).items() if slug != realm.slug}
    if rest:
        request.session[_ARRIVALS] = rest
    else:
        request.session.pop(_ARRIVALS, None)


def _departures(request: HttpRequest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = request.session.get(_DEPARTURES, [])
    return found


def _arrivals(request: HttpRequest) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = request.session.get(_ARRIVALS, {})
    return found
