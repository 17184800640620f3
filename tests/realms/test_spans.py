"""Lengths of time in words: what is shown can be typed again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realms.spans import from_iso, from_words, in_iso, in_words, roughly


@given(st.integers(0, 400_000_000))
def test_what_is_shown_is_read_back_exactly(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert from_words(in_words(span)) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90 days", timedelta(days=90)),
        ("2 weeks", timedelta(days=14)),
        ("1 day 12 hours", timedelta(hours=36)),
        (" 5 Min ", timedelta(minutes=5)),
        ("5min, 30sec", timedelta(minutes=5, seconds=30)),
        ("1 hour", timedelta(hours=1)),
    ],
)
def test_people_write_lengths_in_several_ways(text: str, span: timedelta) -> None:
    assert from_words(text) == span


@pytest.mark.parametrize("text", ["", "soon", "5", "5 fortnights", "5 dayss", "-5 days", "P90D", "5 days!", "1.5 days"])
def test_other_words_are_no_length(text: str) -> None:
    assert from_words(text) is None


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=78, hours=3), "78 days"),
        (timedelta(hours=30), "30 hours"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(days=-3), "3 days"),
    ],
)
def test_a_rough_length_has_one_unit(span: timedelta, words: str) -> None:
    assert roughly(span) == words


def test_parts_of_a_second_and_what_lies_in_the_past_keep_python_s_form() -> None:
    assert in_words(timedelta(seconds=1, microseconds=5)) == "0:00:01.000005"
    assert in_words(timedelta(days=-1)) == "-1 day, 0:00:00"


@pytest.mark.spec("ISO 8601 durations")
@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=999_999_998)))
def test_what_is_written_by_iso_8601_is_read_back_exactly(span: timedelta) -> None:
    assert from_iso(in_iso(span)) == span


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(minutes=5), "PT5M"),
        (timedelta(days=30), "P30D"),
        (timedelta(days=2, hours=6), "P2DT6H"),
        (timedelta(hours=1, seconds=1, microseconds=500_000), "PT1H1.5S"),
        (timedelta(microseconds=1), "PT0.000001S"),
    ],
)
def test_lengths_are_written_by_iso_8601_in_one_way(span: timedelta, text: str) -> None:
    assert in_iso(span) == text


def test_other_lengths_by_iso_8601_are_read_too() -> None:
    assert from_iso("PT300S") == from_iso("P0DT0H5M") == timedelta(minutes=5)
    assert from_iso("PT36H") == timedelta(days=1, hours=12)


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "1D", "P1", "PT5", "P5M", "P1Y", "P1W", "-PT5M", "PT-5M", "P1.5D", "PT1.S", "PT1.0000001S",
     "PT5M ", "PT5M\n", "pt5m", "PT٥M", "P1DP1D", "PT1M1H", "P9999999999D"],
)  # fmt: skip
def test_what_is_no_duration_is_none(text: str) -> None:
    assert from_iso(text) is None


def test_more_days_than_can_be_counted_are_too_many() -> None:
    with pytest.raises(OverflowError):
        from_iso("P999999999DT999999999H")
