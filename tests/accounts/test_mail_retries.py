"""When a mail is tried again: later each time, spread, and no longer than a day."""

from datetime import timedelta

import pytest

from accounts.mail_retries import GIVEN_UP_AFTER, next_attempt
from accounts.retries import PAUSES
from tests.conftest import NOW

pytestmark = pytest.mark.spec("RFC 5321 §4.5.4.1")


@pytest.mark.parametrize("attempts", range(1, 12))
def test_pauses_grow_to_the_longest_and_stay_there(attempts: int) -> None:
    found = next_attempt(attempts=attempts, created_at=NOW, now=NOW, chance=0.5)
    assert found == NOW + PAUSES[min(attempts, len(PAUSES)) - 1]


@pytest.mark.parametrize(("chance", "factor"), [(0, 0.8), (1, 1.2)])
def test_attempts_are_spread(chance: float, factor: float) -> None:
    assert next_attempt(attempts=1, created_at=NOW, now=NOW, chance=chance) == NOW + PAUSES[0] * factor


def test_after_a_day_nobody_tries_any_more() -> None:
    last = NOW + GIVEN_UP_AFTER
    assert next_attempt(attempts=9, created_at=NOW, now=last - timedelta(seconds=1), chance=0.5) is not None
    assert next_attempt(attempts=9, created_at=NOW, now=last, chance=0.5) is None
