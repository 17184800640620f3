"""A ring played forward: its keys and its policy in, what cron will make of them out.

The planner is the real one, `keys.planning.plan_rotation`, and it is asked at the moments at which cron
would ask it. Nothing here knows what a ring needs; only what a step does to a key is written down once more,
as a value instead of a row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from keys import planning
from keys.algorithms import Purpose
from keys.planning import KeyFacts
from keys.policy import KeyPolicy, Periods
from keys.steps import Condemn, Finish, Mint, RaiseLifetime, Reopen, SetEnd, SetStart, Step, Wipe, Withdraw
from keys.timetable import KeyState, Timetable, is_trusted, state_at

CRON_INTERVAL = timedelta(hours=1)
MADE_LATER = "to-come-"  # a kid is a thumbprint of a key, and this key does not exist


class Turn(StrEnum):
    """What happens to a key at a moment of its timetable."""

    PUBLISHED = "published"
    TAKES_OVER = "takes over"
    STOPS = "stops"
    UNPUBLISHED = "unpublished"
    WITHDRAWN = "withdrawn"
    WIPED = "wiped"


@dataclass(frozen=True, slots=True)
class PlayedRing:
    """What is played.

    Attributes:
        keys: all keys of the ring, in any order.
        around: the process's periods.
        retired: whether the ring comes to its end.
    """

    keys: Sequence[KeyFacts]
    purpose: Purpose
    policy: KeyPolicy
    around: Periods
    retired: bool = False

    def plan(self, keys: Sequence[KeyFacts], now: datetime, *, force: bool) -> tuple[Step, ...]:
        """What the planner asks for; the one place at which the simulator meets it.

        Who will hold which key is not known, so a takeover that waits for fetchers is played at its latest.
        """
        return planning.plan_rotation(
            keys,
            purpose=self.purpose,
            policy=self.policy,
            around=self.around,
            now=now,
            force=force,
            retired=self.retired,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    at: datetime
    kid: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class Course:
    """How a ring went through a span.

    Attributes:
        ring: as it was at `since`.
        keys: as they are at `until`, the ones that were made on the way among them, in the order in which
            they sign.
        events: what happened from `since` to `until`, in order.
    """

    ring: PlayedRing
    since: datetime
    until: datetime
    keys: tuple[KeyFacts, ...]
    events: tuple[Event, ...]


def play(
    ring: PlayedRing,
    *,
    since: datetime,
    until: datetime,
    every: timedelta = CRON_INTERVAL,
    hurried: bool = False,
    leaping: bool = True,
) -> Course:
    """Run cron over a span.

    Arguments:
        since: the first run, aware.
        until: the last moment that is looked at, aware.
        every: how long it is from one run to the next.
        hurried: whether each run is forced, so that every takeover is as near as the policy allows.
        leaping: whether runs are left out at which no moment of any timetable has come since the one before;
            the course is the same without.
    """
    settled: list[KeyFacts] = []
    living = list(ring.keys)
    wipes: list[Event] = []
    made = 0
    now = since
    while now <= until:
        steps = ring.plan(living, now, force=hurried)
        for step in steps:
            made += isinstance(step, Mint)
            living = apply(living, step, now, new_kid=f"{MADE_LATER}{made}")
            if isinstance(step, Wipe):
                wipes.append(Event(now, step.kid, Turn.WIPED))
        settled += [key for key in living if _is_settled(key, now)]
        living = [key for key in living if not _is_settled(key, now)]
        now = _next_run(living, ring, now, every) if leaping and not steps else now + every
    keys = sorted((*settled, *living), key=lambda key: (key.times.activates_at, key.times.published_at, key.kid))
    return Course(ring, since, until, tuple(keys), _events(keys, wipes, since, until))


def apply(keys: Iterable[KeyFacts], step: Step, now: datetime, *, new_kid: str) -> list[KeyFacts]:
    """What a step makes of a ring's keys.

    Arguments:
        new_kid: what a minted key is called.
    """
    if isinstance(step, Mint):
        return [*keys, KeyFacts(new_kid, step.times, step.max_lifetime, has_private=True)]
    return [_changed(key, step, now) if key.kid == step.kid else key for key in keys]


def _changed(
    key: KeyFacts,
    step: SetStart | SetEnd | Reopen | RaiseLifetime | Wipe | Condemn | Finish | Withdraw,
    now: datetime,
) -> KeyFacts:
    times = key.times
    match step:
        case SetStart(activates_at=start):
            times = replace(times, activates_at=start)
        case SetEnd(deactivates_at=end, unpublishes_at=gone) | Finish(deactivates_at=end, unpublishes_at=gone):
            times = replace(times, deactivates_at=end, unpublishes_at=gone)
        case Reopen():
            times = replace(times, deactivates_at=None, unpublishes_at=None)
        case Condemn():
            times = replace(times, compromised_at=now)
        case Withdraw():
            times = replace(times, withdrawn_at=now)
        case RaiseLifetime() | Wipe():
            pass
        case _:
            assert_never(step)
    return replace(
        key,
        times=times,
        max_lifetime=step.max_lifetime if isinstance(step, RaiseLifetime) else key.max_lifetime,
        has_private=key.has_private and not isinstance(step, Wipe | Condemn | Withdraw),
        ends_ring=key.ends_ring or isinstance(step, Finish),
    )


def _is_settled(key: KeyFacts, now: datetime) -> bool:
    """Whether nothing can happen to a key any more."""
    return not key.has_private and state_at(key.times, now) in (KeyState.ARCHIVED, KeyState.COMPROMISED)


def _next_run(keys: Iterable[KeyFacts], ring: PlayedRing, now: datetime, every: timedelta) -> datetime:
    """The first run for which a moment of a timetable has come that had not at this one.

    A run that changed nothing is followed by others that change nothing until then: what the planner compares
    the clock with are these moments, and these moments with the lead before or behind them.
    """
    lead = ring.policy.lead(ring.around.signer_ttl)
    ahead = [
        moment
        for key in keys
        for base in _moments(key.times, ring.policy)
        for moment in (base - lead, base, base + lead)
        if moment > now
    ]
    if not ahead:
        return datetime.max.replace(tzinfo=now.tzinfo)
    return now + -((now - min(ahead)) // every) * every


def _moments(times: Timetable, policy: KeyPolicy) -> list[datetime]:
    found = (
        times.published_at,
        times.published_at + policy.propagation,
        times.activates_at,
        times.activates_at + policy.rotation_period,
        times.deactivates_at,
        times.unpublishes_at,
        times.compromised_at,
        times.withdrawn_at,
    )
    return [moment for moment in found if moment is not None]


def _events(keys: Iterable[KeyFacts], wipes: Iterable[Event], since: datetime, until: datetime) -> tuple[Event, ...]:
    found = list(wipes)
    for key in keys:
        times = key.times
        scheduled = {
            Turn.PUBLISHED: times.published_at,
            Turn.TAKES_OVER: times.activates_at,
            Turn.STOPS: times.deactivates_at,
            Turn.UNPUBLISHED: times.unpublishes_at,
        }
        if not is_trusted(times):  # its timetable holds no longer
            scheduled = {Turn.WITHDRAWN: times.withdrawn_at}
        found += [
            Event(moment, key.kid, turn)
            for turn, moment in scheduled.items()
            if moment is not None and since <= moment <= until
        ]
    order = tuple(Turn)
    return tuple(sorted(found, key=lambda event: (event.at, order.index(event.turn), event.kid)))
