"""What becomes of a refresh token that is not the newest."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tokens.rotation import GRACE, GrantFacts, Verdict, verdict

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + GRACE + timedelta(microseconds=1)
GRANT = GrantFacts(
    generation=5,
    rotated_at=NOON,
    idle_expires_at=NOON + timedelta(days=7),
    absolute_expires_at=NOON + timedelta(days=30),
    revoked=False,
    usable=True,
)
pytestmark = pytest.mark.spec("RFC 9700 §4.14.2")


def test_the_one_before_gets_the_same_successor_inside_the_window() -> None:
    for moment in (NOON - timedelta(seconds=1), NOON, NOON + GRACE):
        assert verdict(GRANT, presented=4, now=moment) is Verdict.SAME_SUCCESSOR


def test_the_one_before_is_reuse_outside_the_window() -> None:
    assert verdict(GRANT, presented=4, now=LATER) is Verdict.REUSE


@pytest.mark.parametrize("presented", [0, 1, 3])
def test_an_older_one_is_refused_inside_the_window_and_reuse_outside(presented: int) -> None:
    assert verdict(GRANT, presented=presented, now=NOON + GRACE) is Verdict.REFUSE
    assert verdict(GRANT, presented=presented, now=LATER) is Verdict.REUSE


@pytest.mark.parametrize("presented", [6, 7, 2**32 - 1])
def test_one_that_the_row_has_not_reached_means_that_a_write_was_lost(presented: int) -> None:
    assert verdict(GRANT, presented=presented, now=NOON) is Verdict.AHEAD


def test_the_newest_that_rotated_nothing_is_refused_and_ends_nothing() -> None:
    assert verdict(GRANT, presented=5, now=LATER) is Verdict.REFUSE


@pytest.mark.parametrize("presented", range(8))
@pytest.mark.parametrize(
    "ended",
    [
        replace(GRANT, revoked=True),
        replace(GRANT, idle_expires_at=LATER),
        replace(GRANT, absolute_expires_at=LATER),
    ],
)
def test_a_grant_that_has_ended_stays_as_it_is(ended: GrantFacts, presented: int) -> None:
    assert verdict(ended, presented=presented, now=LATER) is Verdict.REFUSE


def test_nobody_who_is_out_gets_a_successor() -> None:
    assert verdict(replace(GRANT, usable=False), presented=4, now=NOON) is Verdict.REFUSE


def test_reuse_is_reuse_whoever_is_out() -> None:
    assert verdict(replace(GRANT, usable=False), presented=4, now=LATER) is Verdict.REUSE
