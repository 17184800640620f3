"""A key's row is a timetable, and its state is where the clock stands on it (NIST SP 800-57 part 1, §7).

The invariant that all of this holds: a verifier whose copy of the JWKS is at most N old verifies
every unexpired token. For each key, (a) published_at + N ≤ activates_at, and (b) every token that it
signed expires before unpublishes_at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class KeyState(StrEnum):
    """Where the clock stands on a key's timetable."""

    PRE_ACTIVE = "pre_active"  # published, waiting
    ACTIVE = "active"  # published, signing
    DEACTIVATED = "deactivated"  # published, verifying only
    ARCHIVED = "archived"  # unpublished, also where it was withdrawn before it ever signed
    COMPROMISED = "compromised"


# The states that a key comes into by the clock alone, in order.
BY_THE_CLOCK = (KeyState.PRE_ACTIVE, KeyState.ACTIVE, KeyState.DEACTIVATED, KeyState.ARCHIVED)


@dataclass(frozen=True, slots=True)
class Timetable:
    """The moments of one key, aware UTC; None where nothing is scheduled."""

    published_at: datetime
    activates_at: datetime
    deactivates_at: datetime | None = None
    unpublishes_at: datetime | None = None
    compromised_at: datetime | None = None
    withdrawn_at: datetime | None = None  # its ring was retired while it waited: it never signs


def state_at(times: Timetable, now: datetime) -> KeyState:
    """The state of a key at a moment.

    Each boundary belongs to the later state: at `activates_at` itself the key is active.
    """
    if times.compromised_at is not None:
        return KeyState.COMPROMISED
    if times.withdrawn_at is not None:
        return KeyState.ARCHIVED
    if times.unpublishes_at is not None and now >= times.unpublishes_at:
        return KeyState.ARCHIVED
    if times.deactivates_at is not None and now >= times.deactivates_at:
        return KeyState.DEACTIVATED
    if now >= times.activates_at:
        return KeyState.ACTIVE
    return KeyState.PRE_ACTIVE


def is_trusted(times: Timetable) -> bool:
    """Whether the timetable still holds: a compromise or a withdrawal ends it, whatever it says."""
    return times.compromised_at is None and times.withdrawn_at is None


def is_published(times: Timetable, now: datetime, *, skew: timedelta) -> bool:
    """Whether the public key belongs into the JWKS.

    Arguments:
        skew: by how much this clock may lag behind the one that wrote the row. A row that says it is
            published is published by a worker with a slow clock too; early harms nobody, late does.
    """
    if not is_trusted(times) or now + skew < times.published_at:
        return False
    return times.unpublishes_at is None or now < times.unpublishes_at


def transitions(times: Timetable, *, since: KeyState, now: datetime) -> Iterator[tuple[KeyState, datetime]]:
    """Which states a key has come into by the clock alone, and when, in order.

    Arguments:
        since: the last one that was noted; what came before it is passed over.
        now: up to which moment, aware.

    Returns:
        Nothing from the moment on at which a key was compromised or withdrawn: that was somebody's doing.
    """
    ends = [moment for moment in (times.compromised_at, times.withdrawn_at) if moment is not None]
    moments = (times.published_at, times.activates_at, times.deactivates_at, times.unpublishes_at)
    come = list(zip(BY_THE_CLOCK, moments, strict=True))
    for state, moment in come[BY_THE_CLOCK.index(since) + 1 :]:
        if moment is None or moment > now or any(moment >= end for end in ends):
            return
        yield state, moment


def signing_key(keys: Iterable[tuple[str, Timetable]], now: datetime, *, skew: timedelta) -> str | None:
    """Which key of a ring signs at a moment.

    Arguments:
        keys: (name, timetable) of the ring's keys, in any order; compromised and withdrawn ones are passed over.
        skew: by how much this clock may lag behind the one that wrote the rows. When the first key, or
            a standby that takes over in a compromise, starts "now" by the database's clock, a worker
            whose clock lags must not stand without a signer: the next key signs for it already.

    Returns:
        The name of the key, or None where none may sign.
    """
    trusted = sorted(
        ((times, name) for name, times in keys if is_trusted(times)),
        key=lambda item: item[0].activates_at,
    )
    for times, name in trusted:
        if state_at(times, now) is KeyState.ACTIVE:
            return name
    return next((name for times, name in trusted if now < times.activates_at <= now + skew), None)
