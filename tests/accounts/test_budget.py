"""The limits on attempts, as arithmetic."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.budget import (
    ACCOUNT,
    ACCOUNT_AND_ADDRESS,
    ADDRESS,
    DEVICE_ADDRESS,
    USER_CODE_ADDRESS,
    USER_CODE_PERSON,
    Budget,
    after_attempt,
    is_exhausted,
    retry_after,
)

BUDGETS = (ACCOUNT_AND_ADDRESS, ADDRESS, ACCOUNT, USER_CODE_PERSON, USER_CODE_ADDRESS, DEVICE_ADDRESS)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
pytestmark = pytest.mark.spec("ITU-T I.371 Annex A")
budgets = st.builds(
    Budget,
    name=st.just("any"),
    burst=st.integers(1, 50),
    interval=st.timedeltas(timedelta(milliseconds=10), timedelta(hours=1)),
)


def attempts_at(budget: Budget, moments: list[datetime]) -> int:
    """How many of some attempts are allowed."""
    full_at, allowed = None, 0
    for moment in moments:
        after = after_attempt(budget, full_at, moment)
        if after is not None:
            full_at, allowed = after, allowed + 1
    return allowed


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_a_full_bucket_allows_its_burst_and_not_one_more(budget: Budget) -> None:
    assert attempts_at(budget, [NOON] * (budget.burst + 20)) == budget.burst


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_one_attempt_comes_back_after_each_interval(budget: Budget) -> None:
    emptied = [NOON] * budget.burst
    later = [NOON + budget.interval * number for number in range(1, 6)]
    just_before = [moment - timedelta(microseconds=1) for moment in later]
    assert attempts_at(budget, emptied + later) == budget.burst + 5
    assert attempts_at(budget, emptied + just_before[:1]) == budget.burst


@settings(deadline=None)
@given(budgets, st.lists(st.timedeltas(timedelta(0), timedelta(minutes=10)), max_size=200))
def test_no_pattern_of_attempts_gets_more_than_burst_and_refill(budget: Budget, pauses: list[timedelta]) -> None:
    moments, moment = [], NOON
    for pause in pauses:
        moment += pause
        moments.append(moment)
    refilled = (moment - NOON) // budget.interval
    assert attempts_at(budget, moments) <= budget.burst + refilled


@settings(deadline=None)
@given(budgets, st.integers(0, 60), st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_whoever_waits_as_told_is_allowed(budget: Budget, used: int, later: timedelta) -> None:
    full_at = NOON + min(used, budget.burst) * budget.interval
    moment = NOON + later
    if after_attempt(budget, full_at, moment) is None:
        assert is_exhausted(budget, full_at, moment)
        wait = retry_after(budget, full_at, moment)
        assert wait >= timedelta(seconds=1)
        assert after_attempt(budget, full_at, moment + wait) is not None


def test_a_refused_attempt_has_to_wait_a_second_at_least() -> None:
    quick = Budget("quick", burst=1, interval=timedelta(milliseconds=10))
    assert retry_after(quick, NOON + quick.interval, NOON) == timedelta(seconds=1)


def test_one_address_can_not_empty_an_account_for_everybody_else() -> None:
    """The account's bucket refills faster than one address can go on, and outlasts its burst."""
    assert ACCOUNT.burst > ACCOUNT_AND_ADDRESS.burst
    assert ACCOUNT.interval < ACCOUNT_AND_ADDRESS.interval
