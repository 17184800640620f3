"""keys/drill.py: how soon each kind of verifier drops a compromised key and accepts its successor, at worst."""

from datetime import UTC, datetime, timedelta

import pytest

from keys.drill import NOUGHT, reactions
from keys.policy import JWKS_REFRESH
from keys.timetable import Timetable
from keys.verifier_profiles import VerifierProfile, verifier_profiles

pytestmark = pytest.mark.spec("issue 5: seconds until each verifier class drops the key, or accepts the successor")

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def kind(*, keeps: timedelta | None, refetches: bool = False, cooldown: timedelta = NOUGHT) -> VerifierProfile:
    return VerifierProfile("x", "X", keeps, refetches, cooldown, "")


def standby(published: timedelta) -> Timetable:
    """A successor that was published so long before the declaration."""
    return Timetable(NOW - published, NOW + 30 * 24 * HOUR)


def one(profile: VerifierProfile, successor: Timetable | None) -> tuple[timedelta | None, timedelta | None]:
    (found,) = reactions([profile], successor=successor, declared_at=NOW)
    return found.drops, found.accepts


def test_the_key_is_accepted_until_the_last_copy_with_it_runs_out() -> None:
    for refetches in (False, True):
        drops, _ = one(kind(keeps=10 * MINUTE, refetches=refetches), standby(HOUR))
        assert drops == JWKS_REFRESH + 10 * MINUTE, "a forger's kid is in the copy, so nothing is fetched for it"


def test_who_keeps_a_copy_for_ever_drops_nothing_by_time() -> None:
    for refetches in (False, True):
        assert one(kind(keeps=None, refetches=refetches), standby(HOUR))[0] is None


def test_a_successor_that_every_copy_holds_is_accepted_at_once() -> None:
    assert one(kind(keeps=10 * MINUTE), standby(10 * MINUTE + JWKS_REFRESH))[1] == NOUGHT
    assert one(kind(keeps=10 * MINUTE), standby(10 * MINUTE))[1] == JWKS_REFRESH


def test_without_a_fetch_for_unknown_kids_the_copy_has_to_run_out() -> None:
    assert one(kind(keeps=10 * MINUTE), standby(4 * MINUTE))[1] == 6 * MINUTE + JWKS_REFRESH


def test_a_fetch_for_an_unknown_kid_comes_after_the_cooldown_at_the_latest() -> None:
    jose = kind(keeps=10 * MINUTE, refetches=True, cooldown=timedelta(seconds=30))
    assert one(jose, standby(NOUGHT))[1] == timedelta(seconds=30) + JWKS_REFRESH
    assert one(jose, standby(timedelta(seconds=35)))[1] == NOUGHT
    slow = kind(keeps=MINUTE, refetches=True, cooldown=HOUR)
    assert one(slow, standby(NOUGHT))[1] == MINUTE + JWKS_REFRESH, "the copy runs out first"


def test_a_successor_yet_to_be_made_is_published_now() -> None:
    assert one(kind(keeps=10 * MINUTE), None)[1] == 10 * MINUTE + JWKS_REFRESH
    assert one(kind(keeps=None, refetches=True), None) == (None, JWKS_REFRESH)


def test_who_loads_once_may_not_know_a_successor_however_long_it_is_published() -> None:
    (found,) = reactions([kind(keeps=None)], successor=standby(90 * 24 * HOUR), declared_at=NOW)
    assert (found.accepts, found.wants_a_restart) == (None, True)


def test_where_the_signing_key_goes_on_nobody_refuses_it() -> None:
    signing = Timetable(NOW - MINUTE, NOW - timedelta(seconds=1))
    for profile in verifier_profiles():
        assert one(profile, signing)[1] == NOUGHT
    assert one(kind(keeps=None), Timetable(NOW - MINUTE, NOW))[1] is None, "it has just begun, by the declaration"


def test_every_profile_has_its_answer() -> None:
    found = reactions(verifier_profiles(), successor=None, declared_at=NOW)
    assert [reaction.profile for reaction in found] == list(verifier_profiles())
    assert {reaction.profile.name for reaction in found if reaction.accepts is None} == {
        profile.name for profile in verifier_profiles() if profile.keeps is None and not profile.refetches
    }
