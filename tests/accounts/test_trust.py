"""Trust follows from facts alone, stays within its bounds, and never falls for what should raise it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.trust import MOST_TRUST, DeviceFacts, trust_in

pytestmark = pytest.mark.spec("issue 4, devices")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ages = st.timedeltas(timedelta(0), timedelta(days=800))
maybe_ages = st.none() | ages


@st.composite
def devices(draw: st.DrawFn) -> DeviceFacts:
    moved, proved = draw(maybe_ages), draw(maybe_ages)
    return DeviceFacts(
        created_at=NOW - draw(ages),
        last_used_at=NOW,
        second_factor_at=None if proved is None else NOW - proved,
        address_changed_at=None if moved is None else NOW - moved,
        address_changes=0 if moved is None else draw(st.integers(1, 2_000)),
    )


def device(age: timedelta, **facts: object) -> DeviceFacts:
    return DeviceFacts(created_at=NOW - age, last_used_at=NOW, **facts)  # type: ignore[arg-type]


@given(devices())
def test_trust_stays_within_its_bounds(found: DeviceFacts) -> None:
    assert 0 <= trust_in(found, NOW) <= MOST_TRUST


@given(devices(), ages)
def test_a_device_that_is_known_for_longer_is_trusted_no_less(found: DeviceFacts, longer: timedelta) -> None:
    assert trust_in(replace(found, created_at=found.created_at - longer), NOW) >= trust_in(found, NOW)


@given(devices(), ages)
def test_a_later_second_factor_is_trusted_no_less_and_any_more_than_none(found: DeviceFacts, since: timedelta) -> None:
    none, early = replace(found, second_factor_at=None), replace(found, second_factor_at=NOW - since)
    late = replace(found, second_factor_at=NOW - since / 2)
    assert trust_in(none, NOW) <= trust_in(early, NOW) <= trust_in(late, NOW)


@given(devices(), ages, st.integers(1, 2_000))
def test_later_and_more_changes_of_address_are_trusted_no_more(found: DeviceFacts, since: timedelta, more: int) -> None:
    still = replace(found, address_changed_at=None, address_changes=0)
    once = replace(found, address_changed_at=NOW - since, address_changes=more)
    later = replace(once, address_changed_at=NOW - since / 2)
    oftener = replace(once, address_changes=more * 2)
    assert trust_in(later, NOW) <= trust_in(once, NOW) <= trust_in(still, NOW)
    assert trust_in(oftener, NOW) <= trust_in(once, NOW)


@given(devices(), st.integers(0, MOST_TRUST))
def test_an_operators_word_takes_the_place_of_the_rules_and_a_removed_device_has_none(
    found: DeviceFacts, word: int
) -> None:
    said = replace(found, operator_trust=word)
    assert trust_in(said, NOW) == word
    assert trust_in(replace(said, removed=True), NOW) == 0


@pytest.mark.parametrize(
    ("found", "trust"),
    [
        (device(timedelta(0)), 10),
        (device(DAY), 20),
        (device(7 * DAY - HOUR), 20),
        (device(7 * DAY), 30),
        (device(30 * DAY), 40),
        (device(90 * DAY), 50),
        (device(timedelta(0), second_factor_at=NOW), 60),
        (device(DAY, second_factor_at=NOW - 12 * HOUR), 70),
        (device(DAY, second_factor_at=NOW - 13 * HOUR), 60),
        (device(90 * DAY, second_factor_at=NOW - 31 * DAY), 75),
        (device(365 * DAY, second_factor_at=NOW - 181 * DAY), 60),
        (device(365 * DAY, second_factor_at=NOW - HOUR), 100),
        (device(DAY, address_changed_at=NOW - DAY, address_changes=1), 5),
        (device(2 * DAY, address_changed_at=NOW - 25 * HOUR, address_changes=1), 15),
        (device(8 * DAY, address_changed_at=NOW - 8 * DAY + HOUR, address_changes=1), 30),
        (device(8 * DAY, address_changed_at=NOW - HOUR, address_changes=9), 5),
        (device(timedelta(0), address_changed_at=NOW, address_changes=40), 0),
    ],
)
def test_the_rules_of_the_table(found: DeviceFacts, trust: int) -> None:
    assert trust_in(found, NOW) == trust


def test_new_without_a_second_factor_is_low_and_old_with_one_is_high() -> None:
    assert trust_in(device(timedelta(0)), NOW) < 20
    assert trust_in(device(100 * DAY, second_factor_at=NOW - 5 * DAY), NOW) >= 90
