"""keys/simulation.py: a ring played forward by the real planner."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import planning
from keys.algorithms import Purpose
from keys.planning import KeyFacts, plan_compromise, succession
from keys.policy import KeyPolicy, faults
from keys.simulation import Course, PlayedRing, Turn, apply, play
from keys.steps import Condemn, Reopen
from keys.timetable import KeyState, Timetable, state_at
from tests.conftest import NOW
from tests.keys.test_policy import AROUND, POLICY

DAY = timedelta(days=1)
YEAR = 365 * DAY
HOUR = timedelta(hours=1)
N = POLICY.propagation
PERIOD = POLICY.rotation_period
EMPTY = PlayedRing((), Purpose.SIGN, POLICY, AROUND)


def of(course: Course, turn: Turn) -> list[datetime]:
    return [event.at for event in course.events if event.turn is turn]


@st.composite
def sound_policies(draw: st.DrawFn) -> KeyPolicy:
    """Any policy that `rotate_keys` accepts, with periods short enough to see many rotations."""
    skew = draw(st.timedeltas(timedelta(seconds=1), timedelta(minutes=10)))
    propagation = AROUND.least_propagation(skew) + draw(st.timedeltas(timedelta(0), 3 * DAY))
    shortest = propagation + AROUND.signer_ttl + skew
    policy = KeyPolicy(
        rotation_period=shortest + draw(st.timedeltas(timedelta(0), 20 * DAY)),
        propagation=propagation,
        max_token_lifetime=draw(st.timedeltas(timedelta(minutes=1), 10 * DAY)),
        clock_skew=skew,
        verifier_leeway=draw(st.timedeltas(timedelta(0), HOUR)),
        patience=draw(st.one_of(st.just(timedelta(0)), st.timedeltas(timedelta(0), 3 * DAY))),
    )
    assert not faults(policy, AROUND)
    return policy


@st.composite
def pasts(draw: st.DrawFn, policy: KeyPolicy) -> PlayedRing:
    """A ring after some weeks: forced or not, with a compromise or without."""
    ring = replace(EMPTY, policy=policy)
    until = NOW - draw(st.timedeltas(timedelta(0), DAY))
    course = play(ring, since=NOW - 20 * DAY, until=until, hurried=draw(st.booleans()))
    keys = list(course.keys)
    present = succession(keys, NOW)
    if present.signer and draw(st.booleans()):
        for step in plan_compromise(keys, [present.signer.kid], NOW):
            keys = apply(keys, step, NOW, new_kid="none is made")
    return replace(ring, keys=tuple(replace(key, kid=f"past-{n}") for n, key in enumerate(keys)))


rings = sound_policies().flatmap(pasts)
retired_rings = rings.map(lambda ring: replace(ring, retired=True))


@pytest.mark.spec("keys.md Rotation: every ring always has a standby")
def test_a_ring_without_keys_makes_two_and_goes_on_by_its_period() -> None:
    course = play(EMPTY, since=NOW, until=NOW + YEAR)
    assert of(course, Turn.TAKES_OVER) == [NOW + n * PERIOD for n in range(5)]
    assert of(course, Turn.PUBLISHED) == [NOW, NOW, *(NOW + n * PERIOD for n in range(1, 5))]
    assert of(course, Turn.STOPS) == of(course, Turn.TAKES_OVER)[1:]
    assert [key.kid for key in course.keys] == [f"to-come-{n}" for n in range(1, 7)]


@pytest.mark.spec("keys.md Rotation: the private half of a deactivated key is wiped by the first run after the lead")
def test_a_private_half_goes_at_the_first_run_after_the_lead() -> None:
    course = play(EMPTY, since=NOW, until=NOW + PERIOD + 2 * DAY, every=HOUR)
    assert of(course, Turn.WIPED) == [NOW + PERIOD + HOUR]


@pytest.mark.spec("keys.md Rotation: a missed cron run delays the next rotation, without a gap")
def test_a_rare_cron_mints_late_and_leaves_no_gap() -> None:
    course = play(EMPTY, since=NOW, until=NOW + YEAR, every=200 * DAY)
    starts = of(course, Turn.TAKES_OVER)
    assert starts == [NOW, NOW + PERIOD, NOW + 200 * DAY + N]
    assert of(course, Turn.STOPS) == starts[1:]


@settings(max_examples=12, deadline=None)
@given(st.one_of(rings, retired_rings), st.sampled_from([HOUR, timedelta(minutes=7), 5 * DAY]), st.booleans())
def test_leaps_leave_out_only_runs_at_which_nothing_happens(ring: PlayedRing, every: timedelta, hurried: bool) -> None:
    span = 5 * DAY if every < HOUR else 40 * DAY
    leapt = play(ring, since=NOW, until=NOW + span, every=every, hurried=hurried)
    assert leapt == play(ring, since=NOW, until=NOW + span, every=every, hurried=hurried, leaping=False)


@settings(max_examples=12, deadline=None)
@given(rings, st.booleans())
def test_at_every_moment_of_a_course_one_key_signs_and_no_signatures_overlap(ring: PlayedRing, hurried: bool) -> None:
    course = play(ring, since=NOW, until=NOW + 90 * DAY, hurried=hurried)
    trusted = [key.times for key in course.keys if key.times.compromised_at is None]
    for before, after in pairwise(trusted):
        if after.activates_at > NOW:
            assert before.deactivates_at == after.activates_at
    for event in course.events:
        signing = [times for times in trusted if state_at(times, event.at) is KeyState.ACTIVE]
        assert len(signing) == 1


def test_the_real_planner_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "plan_rotation", lambda _keys, **_: ())
    assert play(EMPTY, since=NOW, until=NOW + YEAR).events == ()


@pytest.mark.spec("keys.md Rotation: --force changes nothing while one is pending")
def test_a_forced_takeover_that_is_pending_stays_where_it_is() -> None:
    soon = NOW + DAY
    signer = KeyFacts("signer", Timetable(NOW - 9 * DAY, NOW - 9 * DAY, soon, soon + 8 * DAY), 7 * DAY, True)
    standby = KeyFacts("standby", Timetable(soon - N, soon), 7 * DAY, True)
    course = play(replace(EMPTY, keys=(signer, standby)), since=NOW, until=NOW + 30 * DAY)
    assert [(event.at, event.kid) for event in course.events if event.turn is Turn.TAKES_OVER] == [(soon, "standby")]
    assert of(course, Turn.STOPS) == [soon]


@pytest.mark.spec("keys.md compromise_key: the standby signs at once, a new one is minted")
def test_after_a_compromise_the_next_run_mints_a_standby_and_the_lost_key_has_no_turns() -> None:
    keys = list(play(EMPTY, since=NOW - 10 * DAY, until=NOW).keys)
    for step in plan_compromise(keys, ["to-come-1"], NOW):
        keys = apply(keys, step, NOW, new_kid="none")
    named = tuple(replace(key, kid=key.kid.replace("to-come", "past")) for key in keys)
    course = play(replace(EMPTY, keys=named), since=NOW, until=NOW + YEAR)
    assert (course.events[0].kid, course.events[0].turn) == ("to-come-1", Turn.PUBLISHED)
    assert "past-1" not in {event.kid for event in course.events}
    assert next(key for key in course.keys if key.kid == "past-1").times.compromised_at == NOW


def test_a_step_changes_the_key_that_it_names_and_no_other() -> None:
    keys = play(EMPTY, since=NOW, until=NOW).keys
    reopened = apply(keys, Reopen("to-come-1"), NOW, new_kid="none")
    assert reopened[0].times.deactivates_at is None
    assert reopened[1] == keys[1]
    condemned = apply(keys, Condemn("to-come-2"), NOW, new_kid="none")
    assert condemned[0] == keys[0]
    assert (condemned[1].times.compromised_at, condemned[1].has_private) == (NOW, False)


def test_ten_years_of_three_days_each_lose_no_takeover() -> None:
    policy = replace(POLICY, rotation_period=DAY * 3, propagation=2 * DAY)
    course = play(replace(EMPTY, policy=policy), since=NOW, until=NOW + 10 * YEAR)
    assert len(of(course, Turn.TAKES_OVER)) == 10 * 365 // 3 + 1


@pytest.mark.spec("keys.md Retiring a ring: nothing is made, what waits never signs")
def test_a_retired_ring_is_played_to_its_end() -> None:
    keys = tuple(replace(key, kid=f"past-{n}") for n, key in enumerate(play(EMPTY, since=NOW - DAY, until=NOW).keys))
    course = play(replace(EMPTY, keys=keys, retired=True), since=NOW, until=NOW + YEAR)
    lead, retention = POLICY.lead(AROUND.signer_ttl), POLICY.retention(POLICY.max_token_lifetime)
    assert [(event.turn, event.kid, event.at - NOW) for event in course.events] == [
        (Turn.WITHDRAWN, "past-1", timedelta(0)),
        (Turn.STOPS, "past-0", lead),
        (Turn.WIPED, "past-0", HOUR),
        (Turn.UNPUBLISHED, "past-0", lead + retention),
    ]


@pytest.mark.spec("keys.md Waiting for fetchers: the takeover is scheduled at its latest")
def test_a_takeover_that_waits_is_played_at_its_latest() -> None:
    patient = replace(EMPTY, policy=replace(POLICY, patience=3 * DAY))
    course = play(patient, since=NOW, until=NOW + YEAR)
    assert of(course, Turn.TAKES_OVER)[:2] == [NOW, NOW + PERIOD + 3 * DAY]
