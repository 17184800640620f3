"""keys/verifier_trials.py: which good tokens a verifier would refuse, held against verifiers that really fetch."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keys import planning
from keys.algorithms import Purpose
from keys.planning import KeyFacts, plan_compromise
from keys.policy import KeyPolicy
from keys.simulation import Course, PlayedRing, apply, play
from keys.steps import Mint
from keys.timetable import Timetable, is_published
from keys.verifier_profiles import VerifierProfile, verifier_profiles
from keys.verifier_trials import STEP, Why, blind_for, failures, helpless, hurried_course, smallest_propagation
from tests.conftest import NOW
from tests.keys.test_policy import AROUND, POLICY
from tests.keys.test_simulation import DAY, EMPTY, HOUR, rings, sound_policies

MINUTE = timedelta(minutes=1)
NOTHING = timedelta(0)
LEAST = AROUND.least_propagation(POLICY.clock_skew)
PROFILES = {profile.name: profile for profile in verifier_profiles()}
HELPED = [profile for profile in verifier_profiles() if not helpless(profile)]


def a_profile(keeps: timedelta | None, *, refetches: bool = False, cooldown: timedelta = NOTHING) -> VerifierProfile:
    return VerifierProfile("mine", "Mine", keeps, refetches, cooldown, "https://example.org/")


def with_propagation(propagation: timedelta, policy: KeyPolicy = POLICY) -> PlayedRing:
    return replace(EMPTY, policy=replace(policy, propagation=propagation))


def profiles() -> st.SearchStrategy[VerifierProfile]:
    lengths = st.timedeltas(NOTHING, 2 * DAY)
    return st.builds(
        lambda keeps, refetches, cooldown: a_profile(
            keeps and keeps + STEP, refetches=refetches, cooldown=cooldown if refetches else NOTHING
        ),
        st.one_of(st.none(), lengths),
        st.booleans(),
        lengths,
    )


@dataclass
class Verifier:
    """A verifier of flesh: it keeps a copy, fetches when its profile lets it, and knows the kids in it."""

    profile: VerifierProfile
    course: Course
    lag: timedelta
    fetched_at: datetime
    copy: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._fetch(self.fetched_at)

    def accepts(self, kid: str, moment: datetime) -> bool:
        age, profile = moment - self.fetched_at, self.profile
        expired = profile.keeps is not None and age >= profile.keeps
        if expired or (profile.refetches and kid not in self.copy and age >= profile.cooldown):
            self._fetch(moment)
        return kid in self.copy

    def _fetch(self, moment: datetime) -> None:
        """What a worker with a slow clock and an old memory, behind a stale cache, answers."""
        skew = self.course.ring.policy.clock_skew
        self.fetched_at = moment
        self.copy = frozenset(
            key.kid for key in self.course.keys if is_published(key.times, moment - self.lag - skew, skew=skew)
        )


def way_to_a_copy(policy: KeyPolicy) -> timedelta:
    """How old an answer may be: what the policy has to cover, without the clocks."""
    return AROUND.least_propagation(policy.clock_skew) - 2 * policy.clock_skew


def moments_of_use(key: KeyFacts, policy: KeyPolicy) -> Iterator[datetime]:
    """Just after takeover by a clock that is ahead, a bit later, and just before the expiry of the last token."""
    start = key.times.activates_at - policy.clock_skew
    yield from (start, start + MINUTE, start + HOUR)
    if key.times.deactivates_at is not None:
        yield key.times.deactivates_at
        yield key.times.deactivates_at + key.max_lifetime + policy.verifier_leeway


@settings(max_examples=30, deadline=None)
@given(
    rings,
    profiles(),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
)
def test_whatever_a_verifier_refuses_was_foretold(
    ring: PlayedRing, profile: VerifierProfile, phase: float, share: float, hurried: bool
) -> None:
    """Fetch at any phase, at any lag, use the token at its edges: no refusal that `failures` did not name."""
    course = play(ring, since=NOW, until=NOW + 30 * DAY, hurried=hurried)
    told = failures(course, profile)
    for key in course.keys[1:]:
        if key.times.compromised_at is not None:
            continue
        for moment in moments_of_use(key, ring.policy):
            if not NOW <= moment <= course.until:
                continue
            fetched_at = moment - phase * min(profile.keeps or 90 * DAY, 90 * DAY)
            verifier = Verifier(profile, course, share * way_to_a_copy(ring.policy), fetched_at)
            if verifier.accepts(key.kid, moment):
                continue
            if key.times.activates_at - ring.policy.clock_skew < NOW and helpless(profile):
                continue  # it began before this span
            assert any(
                failure.kid == key.kid and failure.since <= moment and (failure.until is None or moment < failure.until)
                for failure in told
            )


@settings(max_examples=25, deadline=None)
@given(sound_policies(), profiles())
@pytest.mark.spec("keys.md The invariant: a verifier whose copy is at most N old verifies every unexpired token")
def test_a_sound_policy_fails_no_verifier_whose_blindness_fits_into_the_propagation(
    policy: KeyPolicy, profile: VerifierProfile
) -> None:
    blind = blind_for(profile)
    assume(blind is not None)
    assert blind is not None
    propagation = max(policy.propagation, AROUND.least_propagation(policy.clock_skew) + blind)
    sound = replace(policy, propagation=propagation, rotation_period=policy.rotation_period + propagation)
    ring = replace(EMPTY, policy=sound)
    assert failures(hurried_course(ring, since=NOW), profile) == []
    assert failures(play(ring, since=NOW, until=NOW + 90 * DAY), profile) == []


@settings(max_examples=15, deadline=None)
@given(sound_policies(), profiles())
def test_the_smallest_propagation_is_safe_and_one_step_less_is_not(policy: KeyPolicy, profile: VerifierProfile) -> None:
    assume(not helpless(profile))
    ring = replace(EMPTY, policy=policy)
    found = smallest_propagation(ring, [profile])
    least = AROUND.least_propagation(policy.clock_skew)
    if found is None:
        longest = policy.rotation_period - policy.lead(AROUND.signer_ttl)
        assert least + (blind_for(profile) or NOTHING) > longest - STEP
        return
    assert failures(hurried_course(with_propagation(found, policy), since=NOW), profile) == []
    fewer = with_propagation(found - STEP, policy)
    assert found - STEP < least or failures(hurried_course(fewer, since=NOW), profile)


@pytest.mark.parametrize("profile", HELPED, ids=lambda profile: profile.name)
def test_no_known_verifier_that_can_be_helped_fails_with_the_policy_that_rings_get(profile: VerifierProfile) -> None:
    assert failures(play(EMPTY, since=NOW, until=NOW + 365 * DAY), profile) == []
    assert failures(hurried_course(EMPTY, since=NOW), profile) == []


@pytest.mark.parametrize(
    ("name", "blind"),
    [
        ("jose", timedelta(seconds=30)),
        ("pyjwt", NOTHING),
        ("go-oidc", NOTHING),
        ("dotnet", 5 * MINUTE),
        ("envoy", 10 * MINUTE),
        ("istio", 20 * MINUTE),
        ("load-once", None),
    ],
)
def test_how_long_a_verifier_is_blind_follows_from_its_profile(name: str, blind: timedelta | None) -> None:
    assert blind_for(PROFILES[name]) == blind


def test_a_cooldown_longer_than_the_copy_is_kept_ends_with_the_copy() -> None:
    assert blind_for(a_profile(MINUTE, refetches=True, cooldown=HOUR)) == MINUTE


def test_too_short_a_propagation_is_found_with_verifier_token_and_moment() -> None:
    envoy, short = PROFILES["envoy"], LEAST + 9 * MINUTE
    course = hurried_course(with_propagation(short), since=NOW)
    first, *others = failures(course, envoy)
    key = next(key for key in course.keys if key.kid == first.kid)
    assert (first.verifier, first.why) == ("envoy", Why.UNKNOWN_YET)
    assert first.signed_at == first.since == key.times.activates_at - POLICY.clock_skew
    assert first.until == first.since + MINUTE
    assert {failure.kid for failure in others}.isdisjoint({first.kid})
    assert failures(hurried_course(with_propagation(LEAST + 10 * MINUTE), since=NOW), envoy) == []
    assert smallest_propagation(EMPTY, [envoy]) == LEAST + 10 * MINUTE
    assert smallest_propagation(EMPTY, [envoy, PROFILES["istio"], PROFILES["load-once"]]) == LEAST + 20 * MINUTE


def test_a_verifier_that_loads_once_fails_at_each_takeover_until_it_starts_again() -> None:
    course = play(EMPTY, since=NOW, until=NOW + 365 * DAY)
    found = failures(course, PROFILES["load-once"])
    assert [failure.kid for failure in found] == [f"to-come-{n}" for n in range(2, 6)]
    assert {failure.until for failure in found} == {None}
    assert smallest_propagation(EMPTY, [PROFILES["load-once"]]) == LEAST


def test_where_no_propagation_fits_into_the_period_none_is_named() -> None:
    assert smallest_propagation(EMPTY, [a_profile(POLICY.rotation_period)]) is None


def test_without_propagation_every_verifier_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = with_propagation(timedelta(seconds=1))
    assert all(failures(hurried_course(ring, since=NOW), profile) for profile in HELPED)


def test_without_retention_every_verifier_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyPolicy, "retention", lambda _self, _lifetime: NOTHING)
    found = failures(play(EMPTY, since=NOW, until=NOW + 100 * DAY), PROFILES["pyjwt"])
    assert [failure.why for failure in found] == [Why.UNPUBLISHED]
    assert found[0].until is not None
    assert found[0].until - found[0].since == 7 * DAY + 2 * POLICY.clock_skew + POLICY.verifier_leeway


def test_the_real_planner_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that lets a standby sign at once is caught."""
    honest = planning.plan_rotation

    def hasty(*args: object, **kwargs: object) -> object:
        steps = honest(*args, **kwargs)  # type: ignore[arg-type]
        return tuple(
            replace(step, times=replace(step.times, activates_at=step.times.published_at + HOUR))
            if isinstance(step, Mint) and step.times.deactivates_at is None
            else step
            for step in steps
        )

    monkeypatch.setattr(planning, "plan_rotation", hasty)
    assert failures(play(EMPTY, since=NOW, until=NOW + DAY), PROFILES["istio"])


@pytest.mark.spec("keys.md compromise_key: where the successor has not propagated, verifiers may refuse its tokens")
def test_after_a_compromise_the_successor_that_has_not_propagated_is_named() -> None:
    soon = NOW + 30 * DAY
    signer = KeyFacts("lost", Timetable(NOW - 60 * DAY, NOW - 60 * DAY, soon, soon + 8 * DAY), 7 * DAY, True)
    standby = KeyFacts("successor", Timetable(NOW - MINUTE, soon), 7 * DAY, True)
    keys = [signer, standby]
    for step in plan_compromise(keys, ["lost"], NOW):
        keys = apply(keys, step, NOW, new_kid="none")
    course = play(replace(EMPTY, keys=tuple(keys)), since=NOW, until=NOW + DAY)
    (failure,) = failures(course, PROFILES["pyjwt"])
    assert (failure.kid, failure.until) == ("successor", NOW - MINUTE + LEAST - POLICY.clock_skew)
    later = play(replace(EMPTY, keys=tuple(keys)), since=NOW + DAY, until=NOW + 2 * DAY)
    assert failures(later, PROFILES["pyjwt"]) == []


@pytest.mark.parametrize("purpose", [Purpose.MAC, Purpose.EXPIRED_TEST, Purpose.ENCRYPT])
def test_a_ring_that_nobody_verifies_with_fails_nobody(purpose: Purpose) -> None:
    course = play(replace(EMPTY, purpose=purpose), since=NOW, until=NOW + 365 * DAY)
    assert course.events
    assert failures(course, PROFILES["load-once"]) == []
