"""keys/timetable.py: the state of a key is where the clock stands on its row."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.timetable import KeyState, Timetable, is_published, signing_key, state_at
from tests.conftest import NOW

TICK = timedelta(microseconds=1)
SKEW = timedelta(minutes=5)
HOUR = timedelta(hours=1)
TIMES = Timetable(NOW, NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR)
OPEN = Timetable(NOW, NOW + HOUR)


@pytest.mark.spec("keys.md Rows (NIST SP 800-57 part 1 §7)")
@pytest.mark.parametrize(
    ("now", "state"),
    [
        (NOW - HOUR, KeyState.PRE_ACTIVE),
        (NOW, KeyState.PRE_ACTIVE),
        (NOW + HOUR - TICK, KeyState.PRE_ACTIVE),
        (NOW + HOUR, KeyState.ACTIVE),
        (NOW + 2 * HOUR - TICK, KeyState.ACTIVE),
        (NOW + 2 * HOUR, KeyState.DEACTIVATED),
        (NOW + 3 * HOUR - TICK, KeyState.DEACTIVATED),
        (NOW + 3 * HOUR, KeyState.ARCHIVED),
        (NOW + 999 * HOUR, KeyState.ARCHIVED),
    ],
)
def test_each_boundary_belongs_to_the_later_state(now: datetime, state: KeyState) -> None:
    assert state_at(TIMES, now) is state


@pytest.mark.spec("keys.md Rows")
def test_a_key_without_a_scheduled_end_signs_on() -> None:
    assert state_at(OPEN, NOW + 10_000 * HOUR) is KeyState.ACTIVE


@pytest.mark.spec("keys.md Rows")
@pytest.mark.parametrize("hours", [-1, 0, 1, 2, 3, 99])
def test_compromised_outranks_every_moment(hours: int) -> None:
    times = Timetable(NOW, NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR, compromised_at=NOW + HOUR)
    assert state_at(times, NOW + hours * HOUR) is KeyState.COMPROMISED
    assert not is_published(times, NOW + hours * HOUR, skew=SKEW)


@pytest.mark.spec("keys.md The invariant")
@pytest.mark.parametrize(
    ("now", "published"),
    [
        (NOW - SKEW - TICK, False),
        (NOW - SKEW, True),  # by the clock that wrote the row it may be out already
        (NOW, True),
        (NOW + 3 * HOUR - TICK, True),
        (NOW + 3 * HOUR, False),
    ],
)
def test_a_key_is_published_from_its_moment_on_and_by_slow_clocks_too(now: datetime, published: bool) -> None:
    assert is_published(TIMES, now, skew=SKEW) is published


@pytest.mark.spec("keys.md Rows")
def test_a_key_without_a_scheduled_end_stays_published() -> None:
    assert is_published(OPEN, NOW + 10_000 * HOUR, skew=SKEW)


def ring(*times: Timetable) -> list[tuple[str, Timetable]]:
    """Keys named a, b, c …, handed over in the wrong order, as rows may come."""
    return [(chr(ord("a") + number), row) for number, row in enumerate(times)][::-1]


SUCCESSOR = Timetable(NOW, NOW + 2 * HOUR)


@pytest.mark.spec("keys.md Signing and publishing")
def test_the_switch_happens_at_its_moment() -> None:
    keys = ring(TIMES, SUCCESSOR)
    assert signing_key(keys, NOW + 2 * HOUR - TICK, skew=SKEW) == "a"
    assert signing_key(keys, NOW + 2 * HOUR, skew=SKEW) == "b"


@pytest.mark.spec("keys.md Signing and publishing")
def test_an_empty_ring_has_no_signer() -> None:
    assert signing_key([], NOW, skew=SKEW) is None


@pytest.mark.spec("keys.md Rotation")
def test_a_first_key_signs_for_a_worker_whose_clock_lags_by_the_skew_and_no_more() -> None:
    keys = ring(Timetable(NOW, NOW))
    assert signing_key(keys, NOW - SKEW, skew=SKEW) == "a"
    assert signing_key(keys, NOW - SKEW - TICK, skew=SKEW) is None


@pytest.mark.spec("keys.md Rotation: the standby signs at once")
def test_a_slow_worker_signs_with_the_successor_of_a_compromised_key() -> None:
    compromised = Timetable(NOW - HOUR, NOW - HOUR, NOW + HOUR, NOW + 2 * HOUR, compromised_at=NOW)
    keys = ring(compromised, Timetable(NOW - HOUR, NOW))
    assert signing_key(keys, NOW - SKEW, skew=SKEW) == "b"


@pytest.mark.spec("keys.md Rotation: the standby signs at once")
def test_a_slow_worker_signs_with_the_successor_although_an_older_key_still_verifies() -> None:
    older = Timetable(NOW - 9 * HOUR, NOW - 9 * HOUR, NOW - HOUR, NOW + 9 * HOUR)
    compromised = Timetable(NOW - 9 * HOUR, NOW - HOUR, NOW + HOUR, NOW + 2 * HOUR, compromised_at=NOW)
    keys = ring(older, compromised, Timetable(NOW - HOUR, NOW))
    assert signing_key(keys, NOW - SKEW, skew=SKEW) == "c"
    assert signing_key(keys, NOW - SKEW - TICK, skew=SKEW) is None
    assert signing_key(keys, NOW, skew=SKEW) == "c"


@pytest.mark.spec("keys.md Rows")
def test_a_ring_of_which_every_key_was_compromised_has_no_signer() -> None:
    assert signing_key(ring(Timetable(NOW, NOW, compromised_at=NOW)), NOW + HOUR, skew=SKEW) is None


moments = st.integers(0, 400).map(lambda minutes: NOW + timedelta(minutes=minutes))


@pytest.mark.spec("keys.md Rows")
@given(st.lists(moments, min_size=4, max_size=4).map(sorted), moments, moments)
def test_states_only_move_forward(order: list[datetime], one: datetime, other: datetime) -> None:
    published, activates, deactivates, unpublishes = order
    times = Timetable(published, activates, deactivates, unpublishes)
    states = list(KeyState)
    earlier, later = sorted((one, other))
    assert states.index(state_at(times, earlier)) <= states.index(state_at(times, later))
