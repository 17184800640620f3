"""The picture of a timetable: every bar where its moments are, for any ring that may exist."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.timetable import KeyState, Timetable, state_at
from keys.timetable_picture import (
    HEADER,
    MOST_ROWS,
    MOST_TICKS,
    PLOT_LEFT,
    PLOT_RIGHT,
    ROW_HEIGHT,
    PicturedKey,
    draw,
    phases,
)

NOW = datetime(2026, 6, 15, 10, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def spans(longest_days: int = 400) -> st.SearchStrategy[timedelta]:
    return st.timedeltas(timedelta(seconds=1), timedelta(days=longest_days))


@st.composite
def timetables(draw_value: st.DrawFn) -> Timetable:
    """Any timetable that the database admits, near enough to the present to be drawn."""
    published = NOW + draw_value(st.timedeltas(timedelta(days=-1500), timedelta(0)))
    activates = published + draw_value(st.one_of(st.just(timedelta(0)), spans()))
    deactivates = draw_value(st.one_of(st.none(), spans().map(lambda span: activates + span)))
    gone = None if deactivates is None else deactivates + draw_value(st.one_of(st.just(timedelta(0)), spans(60)))
    compromised = draw_value(st.one_of(st.none(), spans(1500).map(lambda span: published + span)))
    return Timetable(published, activates, deactivates, gone, compromised)


@st.composite
def rings(draw_value: st.DrawFn) -> list[PicturedKey]:
    found = draw_value(st.lists(timetables(), max_size=60))
    return [PicturedKey(f"kid-{number:02}-of-this-ring", times) for number, times in enumerate(found)]


def a_year_of_rotations(count: int, *, period: timedelta = 90 * DAY) -> list[PicturedKey]:
    """A ring that was never late: `count` keys, the last one waiting."""
    first = NOW - (count - 2) * period - period / 3
    found = []
    for number in range(count):
        start = first + number * period
        ends = (start + period, start + period + 7 * DAY) if number < count - 1 else (None, None)
        found.append(PicturedKey(f"key{number}", Timetable(start - (period if number else 0 * DAY), start, *ends)))
    return found


@given(timetables(), st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_phase_is_what_the_key_s_state_is_at_its_moments(times: Timetable, after: timedelta) -> None:
    moment = times.published_at + after
    told = [phase for phase in phases(times) if phase.since <= moment and (phase.until is None or moment < phase.until)]
    trusted = Timetable(times.published_at, times.activates_at, times.deactivates_at, times.unpublishes_at)
    expected = (
        KeyState.COMPROMISED
        if times.compromised_at is not None and moment >= times.compromised_at
        else state_at(trusted, moment)
    )
    assert [phase.state for phase in told] == [expected]


@given(timetables())
def test_the_phases_of_a_key_follow_one_another_without_a_gap(times: Timetable) -> None:
    found = phases(times)
    assert found[-1].until is None
    for before, after in pairwise(found):
        assert before.until == after.since
        assert before.since < after.since


@given(rings())
def test_every_bar_lies_in_the_plot_and_in_its_own_row(keys: list[PicturedKey]) -> None:
    picture = draw(keys, now=NOW)
    assert PLOT_LEFT <= picture.now_x <= PLOT_RIGHT
    assert picture.height >= HEADER + ROW_HEIGHT * len(picture.rows)
    for place, row in enumerate(picture.rows):
        top = HEADER + ROW_HEIGHT * place
        for bar in row.bars:
            assert PLOT_LEFT <= bar.x < bar.x + bar.width <= PLOT_RIGHT
            assert top < bar.y < bar.y + bar.height < top + ROW_HEIGHT
        assert row.condemned_x is None or PLOT_LEFT <= row.condemned_x <= PLOT_RIGHT


@given(rings())
def test_the_bars_of_a_key_touch_and_end_at_the_right_edge(keys: list[PicturedKey]) -> None:
    for row in draw(keys, now=NOW).rows:
        for before, after in pairwise(row.bars):
            assert after.x <= before.x + before.width <= after.x + 1  # a phase shorter than a pixel still shows
        assert row.bars[-1].x + row.bars[-1].width == PLOT_RIGHT


@given(rings())
def test_the_line_of_the_present_crosses_each_key_in_its_present_state(keys: list[PicturedKey]) -> None:
    picture = draw(keys, now=NOW)
    times = {key.kid: key.times for key in keys}
    for row in picture.rows:
        assert row.state is state_at(times[row.kid], NOW)
        past = [bar for bar in row.bars if bar.phase.since <= NOW]
        assert all(bar.x <= picture.now_x for bar in past)


@given(rings())
def test_no_published_key_is_left_out_and_the_oldest_stands_on_top(keys: list[PicturedKey]) -> None:
    picture = draw(keys, now=NOW)
    drawn = [row.kid for row in picture.rows]
    unpublished = (KeyState.ARCHIVED, KeyState.COMPROMISED)
    assert {key.kid for key in keys if state_at(key.times, NOW) not in unpublished} <= set(drawn)
    assert picture.left_out == len(keys) - len(drawn)
    starts = {key.kid: key.times.activates_at for key in keys}
    assert [starts[kid] for kid in drawn] == sorted(starts[kid] for kid in drawn)


@given(rings())
def test_the_ticks_are_in_order_and_few_enough_to_read(keys: list[PicturedKey]) -> None:
    ticks = draw(keys, now=NOW).ticks
    assert 1 <= len(ticks) <= MOST_TICKS + 1
    assert [tick.x for tick in ticks] == sorted({tick.x for tick in ticks})
    days = [tick.label for tick in ticks if ":" not in tick.label]  # an hour comes again the next day
    assert len(set(days)) == len(days)


@pytest.mark.parametrize("count", [2, 3, 7, 50])
def test_of_a_regular_ring_one_key_signs_at_a_time(count: int) -> None:
    picture = draw(a_year_of_rotations(count), now=NOW)
    signing = [bar for row in picture.rows for bar in row.bars if bar.phase.state is KeyState.ACTIVE]
    for before, after in pairwise(signing):
        assert after.x == before.x + before.width
    assert len(picture.rows) == min(count, MOST_ROWS)
    assert [row.state for row in picture.rows][-2:] == [KeyState.ACTIVE, KeyState.PRE_ACTIVE]


def test_fifty_keys_at_once_that_are_all_published_all_get_a_row() -> None:
    keys = [
        PicturedKey(f"key{n}", Timetable(NOW - DAY, NOW + n * DAY, NOW + (n + 1) * DAY, NOW + 99 * DAY))
        for n in range(50)
    ]
    assert len(draw(keys, now=NOW).rows) == 50


def test_a_lone_key_of_this_moment_is_drawn() -> None:
    picture = draw([PicturedKey("only", Timetable(NOW, NOW))], now=NOW)
    (row,) = picture.rows
    assert [bar.phase.state for bar in row.bars] == [KeyState.ACTIVE]
    assert row.bars[0].x == picture.now_x
    assert picture.now_anchor == "start"


def test_a_ring_without_keys_is_an_axis_around_the_present() -> None:
    picture = draw([], now=NOW)
    assert picture.rows == ()
    assert picture.since < NOW < picture.until


def test_a_compromise_ends_what_was_scheduled_after_it() -> None:
    times = Timetable(NOW - 10 * DAY, NOW - 5 * DAY, NOW + 5 * DAY, NOW + 12 * DAY, NOW - DAY)
    assert [(phase.state, phase.since) for phase in phases(times)] == [
        (KeyState.PRE_ACTIVE, NOW - 10 * DAY),
        (KeyState.ACTIVE, NOW - 5 * DAY),
        (KeyState.COMPROMISED, NOW - DAY),
    ]
    picture = draw([PicturedKey("lost", times)], now=NOW)
    assert picture.rows[0].condemned_x == picture.rows[0].bars[-1].x


@pytest.mark.parametrize(
    ("span", "form"),
    [
        (timedelta(hours=5), r"\d\d:\d\d"),
        (6 * DAY, r"\d{1,2} (May|Jun)"),
        (200 * DAY, r"[A-Z][a-z]{2} 202[67]"),
        (4000 * DAY, r"20\d\d"),
    ],
)
def test_the_axis_speaks_in_the_units_of_its_span(span: timedelta, form: str) -> None:
    keys = [PicturedKey("a", Timetable(NOW - span / 4, NOW - span / 4, NOW + span * 3 / 4, NOW + span * 3 / 4))]
    labels = [tick.label for tick in draw(keys, now=NOW).ticks]
    assert len(labels) >= 3
    assert all(re.fullmatch(form, label) for label in labels)


def test_a_tick_stands_at_its_moment() -> None:
    keys = [PicturedKey("a", Timetable(NOW - 2 * DAY, NOW - 2 * DAY, NOW + DAY, NOW + DAY))]
    picture = draw(keys, now=datetime(2026, 6, 15, tzinfo=UTC))
    assert picture.now_x == next(tick.x for tick in picture.ticks if tick.label == "15 Jun")


def test_the_words_at_the_present_stay_inside_the_picture() -> None:
    late = [PicturedKey("a", Timetable(NOW - 900 * DAY, NOW - 900 * DAY, NOW - DAY, NOW - DAY))]
    assert draw(late, now=NOW).now_anchor in ("middle", "end")
    assert draw(a_year_of_rotations(5), now=NOW).now_anchor == "middle"


def test_a_long_kid_is_cut_and_a_short_one_is_not() -> None:
    rows = draw([PicturedKey("x" * 43, Timetable(NOW, NOW)), PicturedKey("short", Timetable(NOW, NOW))], now=NOW).rows
    assert sorted(row.short for row in rows) == ["short", "x" * 10 + "…"]


@pytest.mark.spec("keys.md Simulator: past and future in one picture")
def test_a_key_to_come_has_a_row_that_says_so_to_the_right_of_the_present() -> None:
    made = a_year_of_rotations(4)
    start = made[-1].times.activates_at + 90 * DAY
    picture = draw([*made, PicturedKey("to-come-1", Timetable(start - 90 * DAY, start), to_come=True)], now=NOW)
    assert [row.to_come for row in picture.rows] == [False] * 4 + [True]
    assert all(bar.x > picture.now_x for bar in picture.rows[-1].bars)
    assert picture.now_x + picture.ahead_width == PLOT_RIGHT
    assert picture.ahead_height == 5 * ROW_HEIGHT


def test_a_withdrawal_ends_what_was_scheduled_after_it() -> None:
    times = Timetable(NOW - 10 * DAY, NOW + 5 * DAY, withdrawn_at=NOW - DAY)
    assert [(phase.state, phase.since) for phase in phases(times)] == [
        (KeyState.PRE_ACTIVE, NOW - 10 * DAY),
        (KeyState.ARCHIVED, NOW - DAY),
    ]
