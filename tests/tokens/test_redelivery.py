"""What follows from an attempt: delivered, again later, or given up."""

from datetime import timedelta

import pytest

from tokens.redelivery import PAUSES, Delivered, GivenUp, TryAgain, verdict
from tokens.vocabulary import LogoutFailure

pytestmark = pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5, §2.8")


@pytest.mark.parametrize("outcome", ["200", "204"])
@pytest.mark.parametrize("attempts", [1, 50])
def test_a_client_that_took_it_is_told(outcome: str, attempts: int) -> None:
    assert verdict(outcome, attempts=attempts, chance=0.5) == Delivered()


@pytest.mark.parametrize("outcome", ["201", "302", "400", "404", "500", "503", *sorted(set(LogoutFailure))])
def test_nothing_else_is_a_success(outcome: str) -> None:
    assert not isinstance(verdict(outcome, attempts=1, chance=0.5), Delivered)


def test_pauses_grow_and_end_after_about_a_day() -> None:
    found = [verdict("500", attempts=attempts, chance=0.5) for attempts in range(1, len(PAUSES) + 1)]
    assert found == [TryAgain(pause) for pause in PAUSES]
    assert sorted(PAUSES) == list(PAUSES)
    assert PAUSES[0] == timedelta(seconds=5)
    assert timedelta(hours=18) < sum(PAUSES, timedelta()) * 0.8 < sum(PAUSES, timedelta()) * 1.2 < timedelta(hours=30)
    for attempts in (len(PAUSES) + 1, len(PAUSES) + 2, 1_000):
        assert verdict("500", attempts=attempts, chance=0.5) == GivenUp()


def test_chance_spreads_the_next_attempts() -> None:
    assert verdict("500", attempts=1, chance=0) == TryAgain(timedelta(seconds=4))
    assert verdict("500", attempts=1, chance=1) == TryAgain(timedelta(seconds=6))


def test_a_client_that_says_no_is_asked_a_few_times() -> None:
    found = [type(verdict("400", attempts=attempts, chance=0.5)) for attempts in range(1, 7)]
    assert found == [TryAgain] * 4 + [GivenUp] * 2


def test_without_an_address_nobody_waits() -> None:
    assert verdict(LogoutFailure.NO_ADDRESS, attempts=1, chance=0.5) == GivenUp()
