"""keys/due.py: what a ring waits for, and when nobody has done it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keys.algorithms import Purpose
from keys.due import NOUGHT, Due, DueStep, RingFacts, dues, longest_overdue, overdue, time_left
from keys.planning import KeyFacts
from keys.policy import KeyPolicy, Periods
from keys.timetable import Timetable

pytestmark = pytest.mark.spec("issue 5: dead-man")

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
DAY, HOUR, TICK = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
POLICY = KeyPolicy(90 * DAY, 2 * DAY, 7 * DAY, timedelta(minutes=5), timedelta(minutes=5))
AROUND = Periods(timedelta(seconds=5), timedelta(minutes=5), HOUR)
LEAD = POLICY.lead(AROUND.signer_ttl)
TAKEOVER = NOW + 90 * DAY
GONE = TAKEOVER + POLICY.retention(7 * DAY)
SIGNER = KeyFacts("signer", Timetable(NOW, NOW, TAKEOVER, GONE), 7 * DAY, has_private=True)
STANDBY = KeyFacts("standby", Timetable(NOW, TAKEOVER), 7 * DAY, has_private=True)
PAIR = (SIGNER, STANDBY)


def found(
    keys: tuple[KeyFacts, ...],
    at: datetime,
    *,
    policy: KeyPolicy = POLICY,
    purpose: Purpose = Purpose.SIGN,
    run: datetime | None = None,
    retired: bool = False,
) -> tuple[Due, ...]:
    """What a ring waits for; its last run is just over unless said otherwise."""
    ring = RingFacts(purpose, policy, NOW - DAY, run or at, retired)
    return dues(ring, keys, around=AROUND, now=at)


def late(keys: tuple[KeyFacts, ...], at: datetime, **ring: object) -> set[DueStep]:
    """What is overdue."""
    return {due.step for due in overdue(found(keys, at, **ring), at)}  # type: ignore[arg-type]


def test_a_ring_in_order_waits_for_its_takeover() -> None:
    steps = found(PAIR, NOW + 80 * DAY)
    assert late(PAIR, NOW + 80 * DAY) == set()
    assert time_left(steps, NOW + 80 * DAY) == 10 * DAY
    assert longest_overdue(steps, NOW + 80 * DAY) == NOUGHT


def test_a_ring_without_a_key_that_may_sign_has_no_day_to_wait() -> None:
    assert late((), NOW) == {DueStep.SIGNER}
    lost = replace(SIGNER, times=replace(SIGNER.times, compromised_at=NOW))
    assert late((lost,), NOW + TICK) >= {DueStep.SIGNER}
    assert longest_overdue(found((lost,), NOW + HOUR), NOW + HOUR) == HOUR


def test_a_standby_is_missed_a_day_after_the_takeover() -> None:
    wiped = (replace(SIGNER, has_private=False), STANDBY)
    assert late(wiped, TAKEOVER + DAY) == set(), "the regular runs have a day"
    assert late(wiped, TAKEOVER + DAY + TICK) == {DueStep.STANDBY}
    (due,) = overdue(found(wiped, TAKEOVER + 3 * DAY), TAKEOVER + 3 * DAY)
    assert due.sentence().startswith("There is no standby since 2026-04-15 12:00 UTC")


def test_a_standby_that_was_distrusted_is_missed_from_then_on() -> None:
    signer = replace(SIGNER, times=replace(SIGNER.times, deactivates_at=None, unpublishes_at=None))
    standby = replace(STANDBY, times=replace(STANDBY.times, compromised_at=NOW + 40 * DAY), has_private=False)
    assert late((signer, standby), NOW + 41 * DAY) == set()
    assert late((signer, standby), NOW + 41 * DAY + TICK) == {DueStep.STANDBY}


def test_a_private_half_is_to_be_wiped_within_a_day() -> None:
    standby = replace(STANDBY, times=replace(STANDBY.times, deactivates_at=NOW + 300 * DAY))
    assert DueStep.WIPE not in late((SIGNER, standby), TAKEOVER + LEAD + DAY)
    assert DueStep.WIPE in late((SIGNER, standby), TAKEOVER + LEAD + DAY + TICK)
    assert DueStep.WIPE not in late((SIGNER, standby), TAKEOVER + 3 * DAY, purpose=Purpose.MAC), "tags need it longer"
    assert DueStep.WIPE in late((SIGNER, standby), GONE + LEAD + DAY + TICK, purpose=Purpose.MAC)


def test_a_takeover_that_the_policy_wants_sooner_is_missed() -> None:
    shorter = replace(POLICY, rotation_period=30 * DAY)
    assert late(PAIR, NOW + 31 * DAY, policy=shorter) == set()
    assert late(PAIR, NOW + 31 * DAY + TICK, policy=shorter) == {DueStep.TAKEOVER}
    assert late(PAIR, NOW + 31 * DAY + TICK) == set()
    assert late(PAIR, NOW + 36 * DAY, policy=replace(shorter, patience=6 * DAY)) == set(), "it may wait"
    assert late(PAIR, TAKEOVER - LEAD, policy=shorter) == set(), "it comes as soon as an edit may have it come"


def test_a_takeover_that_has_to_propagate_first_is_not_missed() -> None:
    young = (SIGNER, replace(STANDBY, times=replace(STANDBY.times, published_at=NOW + 60 * DAY)))
    shorter = replace(POLICY, rotation_period=30 * DAY)
    assert late(young, NOW + 63 * DAY, policy=shorter) == set()
    assert late(young, NOW + 63 * DAY + TICK, policy=shorter) == {DueStep.TAKEOVER}


def test_a_day_without_a_run_that_ended_well_is_overdue() -> None:
    at = NOW + 10 * DAY
    assert late(PAIR, at, run=at - DAY) == set()
    assert late(PAIR, at, run=at - DAY - TICK) == {DueStep.RUN}
    never = dues(RingFacts(Purpose.SIGN, POLICY, NOW, None), PAIR, around=AROUND, now=NOW + 2 * DAY)
    assert [due.step for due in overdue(never, NOW + 2 * DAY)] == [DueStep.RUN]
    assert time_left(never, NOW + 2 * DAY) == 88 * DAY, "the next run is no step of the timetable"


def test_a_retired_ring_waits_for_nobody_but_for_its_last_wipe() -> None:
    alone = (replace(SIGNER, ends_ring=True),)
    assert late(alone, TAKEOVER + LEAD + DAY, retired=True) == set()
    assert late(alone, TAKEOVER + LEAD + DAY + TICK, retired=True) == {DueStep.WIPE}
    done = found((replace(alone[0], has_private=False),), GONE, retired=True)
    assert time_left(done, GONE) is None
