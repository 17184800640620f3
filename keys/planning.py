"""What a ring needs at a moment: facts and policy in, steps out. Nothing here reads a clock or a row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from keys.algorithms import SIGNING_PURPOSES, Purpose
from keys.policy import KeyPolicy, Periods
from keys.steps import Condemn, Finish, Mint, RaiseLifetime, Reopen, SetEnd, SetStart, Step, Wipe, Withdraw
from keys.timetable import KeyState, Timetable, state_at

OVERDUE_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What the planner knows of a key."""

    kid: str
    times: Timetable
    max_lifetime: timedelta
    has_private: bool
    ends_ring: bool = False  # its ring was retired with it: nobody relieves it


@dataclass(frozen=True, slots=True)
class Succession:
    """The key that signs, and the one that waits."""

    signer: KeyFacts | None
    standby: KeyFacts | None


def succession(keys: Iterable[KeyFacts], now: datetime) -> Succession:
    """Who signs and who waits, compromised keys aside."""
    living = _living(keys, now)
    return Succession(living[0] if living else None, living[1] if len(living) > 1 else None)


def _living(keys: Iterable[KeyFacts], now: datetime) -> list[KeyFacts]:
    """The keys that sign or wait, in the order in which they do; more than two where one was adopted."""
    states = (KeyState.ACTIVE, KeyState.PRE_ACTIVE)
    living = (key for key in keys if state_at(key.times, now) in states)
    return sorted(living, key=lambda key: key.times.activates_at)


def plan_rotation(
    keys: Sequence[KeyFacts],
    *,
    purpose: Purpose,
    policy: KeyPolicy,
    around: Periods,
    now: datetime,
    force: bool = False,
    held: bool = False,
    retired: bool = False,
) -> tuple[Step, ...]:
    """The steps that a ring needs at `now`, in the order in which they are applied; none, if all is well.

    Arguments:
        keys: all keys of the ring.
        purpose: what the ring is for; it decides how long private halves are needed.
        policy: the ring's policy.
        around: the process's periods.
        now: the moment to plan for, aware.
        force: bring the next takeover as near as is safe, without patience.
        held: whether nobody is known to lack the standby; while somebody is, the takeover stands at its latest.
        retired: the ring comes to its end: nothing is made, and what signs stops as soon as is safe.
    """
    present = succession(keys, now)
    wait = timedelta(0) if held else policy.patience
    if retired:
        steps = _retirement(_living(keys, now), policy, around, now)
    elif present.signer is None:
        steps = _first_keys(policy, now, wait)
    elif present.standby is None:
        steps = _mint_standby(present.signer, policy, now, wait, force=force)
    else:
        steps = _adjust(_living(keys, now), policy, around, now, wait, force=force)
    return (*steps, *_wipes(keys, purpose, policy, around, now))


def _first_keys(policy: KeyPolicy, now: datetime, wait: timedelta) -> tuple[Step, ...]:
    """A ring without a signer: a key that signs at once, and its standby."""
    takeover = now + max(policy.rotation_period, policy.propagation) + wait
    lifetime = policy.max_token_lifetime
    first = Timetable(now, now, takeover, takeover + policy.retention(lifetime))
    return Mint(first, lifetime), Mint(Timetable(now, takeover), lifetime)


def _mint_standby(
    signer: KeyFacts, policy: KeyPolicy, now: datetime, wait: timedelta, *, force: bool
) -> tuple[Step, ...]:
    soonest = now + policy.propagation
    takeover = soonest if force else max(signer.times.activates_at + policy.rotation_period, soonest) + wait
    raised, lifetime = _raise(signer, policy)
    return (
        *raised,
        Mint(Timetable(now, takeover), policy.max_token_lifetime),
        SetEnd(signer.kid, takeover, takeover + policy.retention(lifetime)),
    )


def _adjust(
    living: Sequence[KeyFacts],
    policy: KeyPolicy,
    around: Periods,
    now: datetime,
    wait: timedelta,
    *,
    force: bool,
) -> tuple[Step, ...]:
    """Follow a changed policy, or a wish for haste, where the takeover is still far enough ahead.

    The last key's steps come first, so that no row says that a key starts after its end.
    """
    takeovers = [_takeover(living[0], living[1], policy, around, now, wait, force=force)]
    for queued in living[2:]:  # adopted: they keep their moments, unless the one before starts no earlier now
        started, scheduled = takeovers[-1], queued.times.activates_at
        takeovers.append(scheduled if scheduled > started else started + policy.rotation_period)
    steps = [step for key in living for step in _raise(key, policy)[0]]
    for (key, following), takeover in reversed(list(zip(pairwise(living), takeovers, strict=True))):
        steps += _relieve(key, following, takeover, policy)
    return tuple(steps)


def _relieve(key: KeyFacts, following: KeyFacts, takeover: datetime, policy: KeyPolicy) -> list[Step]:
    """Have one key end where the next one starts, and stay published for as long as what it signs lives."""
    steps: list[Step] = []
    if takeover != following.times.activates_at:
        steps.append(SetStart(following.kid, takeover))
    unpublishes_at = takeover + policy.retention(_raise(key, policy)[1])
    if takeover == key.times.deactivates_at and key.times.unpublishes_at is not None:
        unpublishes_at = max(unpublishes_at, key.times.unpublishes_at)
    if (takeover, unpublishes_at) != (key.times.deactivates_at, key.times.unpublishes_at):
        steps.append(SetEnd(key.kid, takeover, unpublishes_at))
    return steps


def _takeover(
    signer: KeyFacts,
    standby: KeyFacts,
    policy: KeyPolicy,
    around: Periods,
    now: datetime,
    wait: timedelta,
    *,
    force: bool,
) -> datetime:
    """When the standby should take over: never before it has propagated, never within the lead.

    A takeover is brought forward but, propagation aside, not put off: one that was forced stays so. Where it
    waits for fetchers it was scheduled at its latest, so a run that never comes keeps nobody waiting longer.
    """
    scheduled = standby.times.activates_at
    earliest_edit = now + policy.lead(around.signer_ttl)
    if scheduled < earliest_edit:
        return scheduled
    propagated = standby.times.published_at + policy.propagation
    regular = max(signer.times.activates_at + policy.rotation_period, propagated)
    wanted = max(propagated if force else regular + wait, earliest_edit)
    return max(min(scheduled, wanted), propagated)


def _retirement(living: Sequence[KeyFacts], policy: KeyPolicy, around: Periods, now: datetime) -> tuple[Step, ...]:
    """The end of a ring: its last key stops once no worker's memory is older, and those behind it never start.

    A standby that takes over within the lead can't be stopped any more, since workers may know of no change: it
    is the last one then.
    """
    earliest_edit = now + policy.lead(around.signer_ttl)
    bound = [key for key in living if key.times.activates_at < earliest_edit]
    steps: list[Step] = []
    if bound and not bound[-1].ends_ring:
        retention = policy.retention(bound[-1].max_lifetime)
        steps.append(Finish(bound[-1].kid, earliest_edit, earliest_edit + retention))
    steps += [Withdraw(key.kid) for key in living[len(bound) :]]
    return tuple(steps)


def _raise(key: KeyFacts, policy: KeyPolicy) -> tuple[tuple[Step, ...], timedelta]:
    if policy.max_token_lifetime > key.max_lifetime:
        return (RaiseLifetime(key.kid, policy.max_token_lifetime),), policy.max_token_lifetime
    return (), key.max_lifetime


def _wipes(
    keys: Iterable[KeyFacts], purpose: Purpose, policy: KeyPolicy, around: Periods, now: datetime
) -> tuple[Step, ...]:
    return tuple(
        Wipe(key.kid)
        for key in keys
        if key.has_private
        and (needless := needless_from(key.times, purpose)) is not None
        and now >= needless + policy.lead(around.signer_ttl)
    )


def needless_from(times: Timetable, purpose: Purpose) -> datetime | None:
    """From when on nothing needs the private half: tags and ciphertexts need it until the very end."""
    if times.compromised_at is not None or times.withdrawn_at is not None:
        return times.compromised_at or times.withdrawn_at
    return times.deactivates_at if purpose in SIGNING_PURPOSES else times.unpublishes_at


def plan_compromise(
    keys: Sequence[KeyFacts], condemned: Iterable[str], now: datetime, *, retired: bool = False
) -> tuple[Step, ...]:
    """The steps that distrust keys at once; making successors is the next rotation's work.

    Arguments:
        keys: all keys of the ring.
        condemned: the kids to distrust.
        now: the moment, aware.
        retired: whether the ring comes to its end: its last key is not reopened.

    Returns:
        The condemned keys; then the next key's start now, where the signer is gone; the end of a key whose
        successor is gone, at the start of the one after it; and an open end for the last.
    """
    gone = frozenset(condemned)
    living = _living(keys, now)
    survivors = [key for key in living if key.kid not in gone]
    steps: list[Step] = [Condemn(key.kid) for key in keys if key.kid in gone]
    if survivors and survivors[0] is not living[0]:
        steps.append(SetStart(survivors[0].kid, now))
    for key, following in pairwise(survivors):
        steps += _relieved_at(key, following.times.activates_at)
    if survivors:
        steps += _end_of_last(survivors[-1], retired=retired)
    return tuple(steps)


def _end_of_last(key: KeyFacts, *, retired: bool) -> tuple[Step, ...]:
    """An open end, unless the ring is retired: then its end stands, and nobody relieves it."""
    times = key.times
    if times.deactivates_at is None or times.unpublishes_at is None or key.ends_ring:
        return ()
    return (Finish(key.kid, times.deactivates_at, times.unpublishes_at) if retired else Reopen(key.kid),)


def _relieved_at(key: KeyFacts, moment: datetime) -> tuple[Step, ...]:
    """The key's end where the next one starts; for how long it stays published afterwards doesn't change."""
    times = key.times
    if times.deactivates_at is None or times.unpublishes_at is None or times.deactivates_at == moment:
        return ()
    return (SetEnd(key.kid, moment, times.unpublishes_at + (moment - times.deactivates_at)),)


def whole_ring(keys: Iterable[KeyFacts], kid: str) -> frozenset[str]:
    """The key itself and every other whose private half still exists: a lost host may have known them."""
    return frozenset(
        key.kid for key in keys if key.times.compromised_at is None and (key.kid == kid or key.has_private)
    )
