"""Who fetches a JWK Set: who counts as one fetcher, who gets a slot, and what its ETags tell (RFC 9110 §13.1.2)."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

MOST_FETCHERS = 500  # slots a realm; a constraint of the table says so too
LONGEST_ADDRESS = 49  # 2001:db8:1234:… with a length of prefix
LONGEST_USER_AGENT = 120
COUNTED = timedelta(days=7)  # whoever came within this time counts; afterwards the address is coarsened
FORGOTTEN = timedelta(days=30)  # whoever didn't come for this long is deleted
_PASSING_BY = timedelta(days=1)  # who came once alone, and not again for this long, may lose the slot
_AGAIN = timedelta(minutes=10)  # a visit that tells nothing new is written down after this long at the earliest
_MOST_TAGS = 4
_LONGEST_HEADER = 300
_LONGEST_PEER = 64
_IPV4_BLOCK, _IPV6_BLOCK = 24, 48
# RFC 9110 §8.8.3: what stands between the quotes has no quote in it. Ours are hexadecimal.
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e]{1,62}")', re.ASCII)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """What counts as one fetcher.

    Attributes:
        address: an IPv4 or IPv6 address, or a block of them once it is coarsened; "" where none is known.
        user_agent: what the program says that it is, in printable characters.
    """

    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What a fetch tells of a fetcher.

    Attributes:
        at: when it was.
        holds: the ETag of the version that was served; the fetcher holds it from now on.
        held: the ETags of which it said that it held one, as it gave them.
    """

    at: datetime
    holds: str
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seat:
    """A fetcher in its slot, as the row has it."""

    slot: int
    fetcher: Fetcher
    first_seen_at: datetime
    last_seen_at: datetime
    holds: str
    held_before: str | None


@dataclass(frozen=True, slots=True)
class Seating:
    """What to write down: slots that changed, and how many found none."""

    seats: Sequence[Seat]
    unseated: int


@dataclass(frozen=True, slots=True)
class Merging:
    """What becomes of fetchers whose addresses are coarsened: seats that change, and slots that fall free."""

    seats: Sequence[Seat]
    superfluous: Sequence[int]


def fetcher(address: str, user_agent: str) -> Fetcher:
    """Who it was that asked.

    Arguments:
        address: the peer's, as the WSGI application reports it; anything.
        user_agent: the header; anything, and of any length.
    """
    return _fetcher(address[:_LONGEST_PEER], user_agent[:LONGEST_USER_AGENT])


@lru_cache(maxsize=2 * MOST_FETCHERS)
def _fetcher(address: str, user_agent: str) -> Fetcher:
    legible = "".join(sign for sign in user_agent if sign.isprintable())
    return Fetcher(_canonical(address), legible)


def _canonical(address: str) -> str:
    """The address in its one canonical form; "" for what is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def coarse(address: str) -> str:
    """The block that an address lies in: IPv4 /24, IPv6 /48. A block stays as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    block = _IPV4_BLOCK if isinstance(found, ipaddress.IPv4Address) else _IPV6_BLOCK
    return str(ipaddress.ip_network((address, block), strict=False))


def claims_to_hold_any(if_none_match: str) -> bool:
    """Whether the header is `*`: it gets a 304 without ever having got the set, so it tells nothing."""
    return if_none_match.strip() == "*"


def claimed_tags(if_none_match: str) -> tuple[str, ...]:
    """The first few entity tags of `If-None-Match`, weak ones as if they were strong (RFC 9110 §13.1.2).

    Arguments:
        if_none_match: the header; anything, and of any length.
    """
    if not if_none_match:
        return ()
    found = dict.fromkeys(match[1] for match in _TAG.finditer(if_none_match[:_LONGEST_HEADER]))
    return tuple(found)[:_MOST_TAGS]


def seating(
    seats: Iterable[Seat], visits: Mapping[Fetcher, Visit], *, known: frozenset[str], most: int = MOST_FETCHERS
) -> Seating:
    """Give visitors their slots: first come, first seated, and whoever comes regularly keeps the slot.

    Arguments:
        seats: those that are taken.
        visits: the latest visit of each fetcher since the seats were written.
        known: the ETags of the versions that the realm has served; another one tells nothing.
        most: how many slots there are.
    """
    taken = {seat.fetcher: seat for seat in seats}
    written = [
        changed for who, seat in taken.items() if who in visits and (changed := _came_back(seat, visits[who], known))
    ]
    fresh = sorted(
        ((visit.at, who.address, who.user_agent) for who, visit in visits.items() if who not in taken),
    )
    now = max((visit.at for visit in visits.values()), default=None)
    free = _free(taken, visits, now, most) if now and fresh else iter(())
    for slot, (_, address, user_agent) in zip(free, fresh, strict=False):
        who = Fetcher(address, user_agent)
        visit = visits[who]
        written.append(Seat(slot, who, visit.at, visit.at, visit.holds, _known_tag(visit, known)))
    return Seating(written, max(0, len(fresh) - sum(seat.fetcher not in taken for seat in written)))


def _came_back(seat: Seat, visit: Visit, known: frozenset[str]) -> Seat | None:
    """The seat after a visit; None where that told nothing new, or is older than what is written."""
    held = _known_tag(visit, known)
    told = (seat.holds, seat.held_before) != (visit.holds, held)
    if visit.at <= seat.last_seen_at or not (told or visit.at - seat.last_seen_at >= _AGAIN):
        return None
    return replace(seat, last_seen_at=visit.at, holds=visit.holds, held_before=held)


def _known_tag(visit: Visit, known: frozenset[str]) -> str | None:
    return next((tag for tag in visit.held if tag in known), None)


def _free(taken: Mapping[Fetcher, Seat], visits: Mapping[Fetcher, Visit], now: datetime, most: int) -> Iterator[int]:
    """Slots for newcomers: empty ones, then those that may be lost, the one not used for longest first."""
    occupied = {seat.slot for seat in taken.values()}
    yield from (slot for slot in range(most) if slot not in occupied)
    gone = (seat for who, seat in taken.items() if who not in visits and _may_lose_the_slot(seat, now))
    yield from (seat.slot for seat in sorted(gone, key=lambda seat: seat.last_seen_at) if seat.slot < most)


def _may_lose_the_slot(seat: Seat, now: datetime) -> bool:
    away = now - seat.last_seen_at
    return away >= COUNTED or (seat.first_seen_at == seat.last_seen_at and away >= _PASSING_BY)


def merging(seats: Iterable[Seat]) -> Merging:
    """Keep the block of each address alone. Of those that are the same then the one seen last stays.

    Arguments:
        seats: of one realm; some may be coarse already.
    """
    blocks: dict[Fetcher, list[Seat]] = {}
    for seat in sorted(seats, key=lambda seat: seat.last_seen_at, reverse=True):
        blocks.setdefault(Fetcher(coarse(seat.fetcher.address), seat.fetcher.user_agent), []).append(seat)
    kept = {
        together[0]: replace(together[0], fetcher=who, first_seen_at=min(seat.first_seen_at for seat in together))
        for who, together in blocks.items()
    }
    return Merging(
        [after for before, after in kept.items() if after != before],
        [seat.slot for _, *others in blocks.values() for seat in others],
    )
