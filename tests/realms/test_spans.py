"""Lengths of time in words: what is shown can be typed again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realms.spans import from_words, in_words, roughly


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
