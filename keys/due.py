"""What a ring waits for, and whether it came: the dead-man's switch. Nothing here reads a clock or a row.

Every step of a ring has a moment at which it is due. The regular runs have `OVERDUE_AFTER` to do it; what is still
undone then is overdue, and that is said wherever somebody may look: an operator whose cron died never hears of it
otherwise, since the provider signs on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keys.algorithms import Purpose
from keys.planning import OVERDUE_AFTER, KeyFacts, needless_from, succession
from keys.policy import KeyPolicy, Periods

NOUGHT = timedelta(0)


class DueStep(StrEnum):
    """What may be due."""

    SIGNER = "signer"  # a key that may sign
    STANDBY = "standby"  # a successor
    TAKEOVER = "takeover"  # the successor signs
    WIPE = "wipe"  # a private half that nothing needs is destroyed
    RUN = "run"  # rotate_keys looks after the ring


_WORDS = {
    DueStep.SIGNER: "No key of this ring may sign since {at}: run rotate_keys.",
    DueStep.STANDBY: "There is no standby since {at}: is rotate_keys run by cron?",
    DueStep.TAKEOVER: "The standby should sign since {at}, as the policy is now: run rotate_keys.",
    DueStep.WIPE: "The private half of a key that no longer signs is not wiped, due since {at}: is rotate_keys run?",
    DueStep.RUN: "rotate_keys has not looked after this ring since {at}: is it run by cron, and what does it say?",
}


@dataclass(frozen=True, slots=True)
class Due:
    """One step and its moment.

    Attributes:
        step: what is due.
        at: since when, or from when on; aware.
        patience: how long it may stay undone.
    """

    step: DueStep
    at: datetime
    patience: timedelta = OVERDUE_AFTER

    def overdue_for(self, now: datetime) -> timedelta:
        """How long it has been due, once the patience is over; nought before."""
        late = now - self.at
        return late if late > self.patience else NOUGHT

    def sentence(self) -> str:
        """Why somebody should look, once it is overdue."""
        return _WORDS[self.step].format(at=f"{self.at:%Y-%m-%d %H:%M} UTC")


@dataclass(frozen=True, slots=True)
class RingFacts:
    """What is known of a ring.

    Attributes:
        purpose: what it is for.
        policy: its policy.
        made_at: since when it is there.
        looked_after_at: when a rotation of it last ended well; None: never.
        retired: whether nothing is made for it any more.
    """

    purpose: Purpose
    policy: KeyPolicy
    made_at: datetime
    looked_after_at: datetime | None
    retired: bool = False


def dues(ring: RingFacts, keys: Sequence[KeyFacts], *, around: Periods, now: datetime) -> tuple[Due, ...]:
    """Every step that a ring waits for, the nearest first; those in the past are undone.

    Arguments:
        ring: the ring.
        keys: all its keys.
        around: the process's periods.
        now: the moment to look at, aware.
    """
    found = [*_wipes(ring, keys, around), Due(DueStep.RUN, ring.looked_after_at or ring.made_at)]
    if not ring.retired:
        found += _succession(ring, keys, around, now)
    return tuple(sorted(found, key=lambda due: due.at))


def overdue(found: Sequence[Due], now: datetime) -> tuple[Due, ...]:
    """Those of some steps that are overdue at a moment."""
    return tuple(due for due in found if due.overdue_for(now))


def time_left(found: Sequence[Due], now: datetime) -> timedelta | None:
    """How long it is to the nearest step of the timetable; nought where one is due, None where none will be.

    The next regular run isn't counted, or there would never be more than an hour left.
    """
    moments = [due.at for due in found if due.step is not DueStep.RUN]
    return max(min(moments) - now, NOUGHT) if moments else None


def longest_overdue(found: Sequence[Due], now: datetime) -> timedelta:
    """For how long the step has been due that is overdue the longest; nought where none is."""
    return max((due.overdue_for(now) for due in found), default=NOUGHT)


def _succession(ring: RingFacts, keys: Sequence[KeyFacts], around: Periods, now: datetime) -> Iterator[Due]:
    present = succession(keys, now)
    if present.signer is None:
        yield Due(DueStep.SIGNER, _ended_at(ring, keys, now), patience=NOUGHT)
        return
    signer = present.signer.times
    if present.standby is None:
        gone = [key.times.compromised_at for key in keys if key.times.compromised_at is not None]
        yield Due(DueStep.STANDBY, max([signer.activates_at, *gone]))
        return
    standby = present.standby.times
    wanted = max(signer.activates_at + ring.policy.rotation_period, standby.published_at + ring.policy.propagation)
    wanted += ring.policy.patience
    near = standby.activates_at <= now + ring.policy.lead(around.signer_ttl)
    yield Due(DueStep.TAKEOVER, standby.activates_at if near else min(wanted, standby.activates_at))


def _ended_at(ring: RingFacts, keys: Sequence[KeyFacts], now: datetime) -> datetime:
    """Since when nobody signs: the last end or distrust that is past."""
    ends = [
        moment
        for key in keys
        for moment in (key.times.deactivates_at, key.times.compromised_at)
        if moment is not None and moment <= now
    ]
    return max([ring.made_at, *ends])


def _wipes(ring: RingFacts, keys: Sequence[KeyFacts], around: Periods) -> Iterator[Due]:
    lead = ring.policy.lead(around.signer_ttl)
    for key in keys:
        needless = needless_from(key.times, ring.purpose)
        if key.has_private and needless is not None:
            yield Due(DueStep.WIPE, needless + lead)
