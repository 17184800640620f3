"""keys/planning.py: a takeover that waits until all known fetchers hold the standby, up to a limit (ADR 19)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.planning import KeyFacts
from keys.steps import Mint, SetEnd, SetStart, Step
from keys.timetable import Timetable
from tests.conftest import NOW
from tests.keys.test_planning import (
    ALONE,
    DAY,
    LEAD,
    LIFETIME,
    PAIR,
    PERIOD,
    RETENTION,
    SIGNER,
    TAKEOVER,
    TICK,
    N,
    key,
    plan,
)

PATIENCE = 10 * DAY
LATEST = TAKEOVER + PATIENCE
WAITING = (
    key("signer", Timetable(NOW, NOW, LATEST, LATEST + RETENTION)),
    key("standby", Timetable(NOW, LATEST)),
)


def moved_to(moment: object) -> tuple[Step, ...]:
    assert isinstance(moment, type(NOW))
    return (SetStart("standby", moment), SetEnd("signer", moment, moment + RETENTION))


def test_a_standby_is_scheduled_at_its_latest_while_somebody_lacks_it() -> None:
    minted = plan((ALONE,), NOW + DAY, patience=PATIENCE)
    assert minted == (
        Mint(Timetable(NOW + DAY, LATEST), LIFETIME), SetEnd("signer", LATEST, LATEST + RETENTION),
    )  # fmt: skip
    assert plan((), NOW, patience=PATIENCE) == tuple(Mint(each.times, LIFETIME) for each in WAITING)


def test_nobody_to_wait_for_is_nobody_waited_for() -> None:
    assert plan((), NOW, patience=PATIENCE, held=True) == (Mint(SIGNER.times, LIFETIME), Mint(PAIR[1].times, LIFETIME))


@pytest.mark.spec("ADR 4: takeovers only come nearer")
def test_the_first_run_at_which_all_hold_it_brings_the_takeover_to_its_regular_moment() -> None:
    assert plan(WAITING, NOW + DAY, patience=PATIENCE) == ()
    assert plan(WAITING, NOW + DAY, patience=PATIENCE, held=True) == moved_to(TAKEOVER)
    assert plan(PAIR, NOW + DAY, patience=PATIENCE, held=False) == (), "a newcomer puts nothing off again"


def test_after_the_regular_moment_it_takes_over_as_soon_as_workers_can_know_it() -> None:
    late = TAKEOVER + DAY
    assert plan(WAITING, late, patience=PATIENCE) == ()
    assert plan(WAITING, late, patience=PATIENCE, held=True) == moved_to(late + LEAD)


def test_nothing_is_edited_within_the_lead() -> None:
    assert plan(WAITING, LATEST - LEAD + TICK, patience=PATIENCE, held=True) == ()


@pytest.mark.spec("issue 5 point 3: a dead cron never blocks")
def test_without_any_run_it_takes_over_at_the_latest() -> None:
    (minted,) = (step for step in plan(WAITING, LATEST + TICK, patience=PATIENCE) if isinstance(step, Mint))
    assert minted.times.published_at == LATEST + TICK


def test_force_ignores_patience() -> None:
    assert plan(WAITING, NOW + DAY, patience=PATIENCE, force=True) == moved_to(NOW + N)
    minted = plan((ALONE,), NOW + DAY, patience=PATIENCE, force=True)
    assert minted[0] == Mint(Timetable(NOW + DAY, NOW + DAY + N), LIFETIME)


def test_less_patience_brings_the_takeover_forward_and_more_puts_nothing_off() -> None:
    assert plan(WAITING, NOW + DAY, patience=DAY) == moved_to(TAKEOVER + DAY)
    assert plan(WAITING, NOW + DAY, patience=timedelta(0)) == moved_to(TAKEOVER)
    assert plan(WAITING, NOW + DAY, patience=2 * PATIENCE) == ()


@given(
    patience=st.integers(0, 60 * 24).map(lambda hours: timedelta(hours=hours)),
    runs=st.lists(st.tuples(st.integers(1, 20 * 24), st.booleans()), max_size=20),
)
@pytest.mark.spec("ADR 4, ADR 19: within [regular, latest], and it only comes nearer")
def test_whatever_the_evidence_says_the_takeover_comes_nearer_and_stays_within_its_bounds(
    patience: timedelta, runs: list[tuple[int, bool]]
) -> None:
    signer, standby = (step for step in plan((), NOW, patience=patience) if isinstance(step, Mint))
    facts = [KeyFacts("signer", signer.times, LIFETIME, True), KeyFacts("standby", standby.times, LIFETIME, True)]
    now = NOW
    for hours, held in runs:
        now += timedelta(hours=hours)
        before = facts[1].times.activates_at
        if before <= now:
            break
        for step in plan(tuple(facts), now, patience=patience, held=held):
            assert isinstance(step, SetStart | SetEnd)
            if isinstance(step, SetStart):
                facts[1] = replace(facts[1], times=replace(facts[1].times, activates_at=step.activates_at))
            else:
                times = replace(facts[0].times, deactivates_at=step.deactivates_at, unpublishes_at=step.unpublishes_at)
                facts[0] = replace(facts[0], times=times)
        after = facts[1].times.activates_at
        assert NOW + PERIOD <= after <= before <= NOW + PERIOD + patience
        assert facts[0].times.deactivates_at == after
        assert after == before or after >= now + LEAD
