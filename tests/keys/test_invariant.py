"""The invariant of keys.md, held against planner and services at arbitrary times.

*A verifier whose copy of the JWKS is at most N old verifies every unexpired token.* Two negative controls
show that the same test finds a broken policy: propagation nought, and retention nought.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis import strategies as st

from keys.adoptable import AdoptableKey
from keys.conf import periods
from keys.errors import AdoptionRefused, RetirementRefused
from keys.jwk import key_members, thumbprint
from keys.models import JwksFetcher, JwksVersion, KeyPair, KeyRing
from keys.planning import succession
from keys.policy import KeyPolicy
from keys.selectors import facts_of, keys_of, policy_of
from keys.services import rings, rotation
from keys.services.adoption import adopt
from keys.services.compromise import compromise
from keys.services.retirement import retire_rings, revive_ring
from keys.services.rings import add_ring, change_policy
from keys.services.rotation import rotate
from keys.steps import Mint
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR, NOW
from tests.keys import fleet
from tests.keys.fleet import FAR, Fleet, InvariantBrokenError

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICY = KeyPolicy(
    rotation_period=10 * DAY,
    propagation=2 * DAY,
    max_token_lifetime=3 * DAY,
    clock_skew=timedelta(minutes=5),
    verifier_leeway=timedelta(minutes=5),
)
LONG_FORM = 1000


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens, some time after the one before."""

    after: timedelta
    what: str
    policy: KeyPolicy = POLICY


lengths = st.one_of(
    st.sampled_from([timedelta(0), timedelta(seconds=5), timedelta(minutes=5, seconds=5), 2 * DAY, 8 * DAY, 10 * DAY]),
    st.integers(0, 30 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)
policies = st.builds(
    KeyPolicy,
    rotation_period=st.sampled_from([4 * DAY, 10 * DAY, 40 * DAY]),
    propagation=st.sampled_from([2 * DAY, 2 * DAY + HOUR, 3 * DAY]),
    max_token_lifetime=st.sampled_from([HOUR, 3 * DAY, 20 * DAY]),
    clock_skew=st.just(POLICY.clock_skew),
    verifier_leeway=st.just(POLICY.verifier_leeway),
    patience=st.sampled_from([timedelta(0), HOUR, 5 * DAY]),
)
what = st.sampled_from(
    ["rotate"] * 6
    + ["force"] * 3
    + ["policy"] * 3
    + ["somebody lags", "all hold it"]
    + ["adopt"] * 2
    + ["retire"] * 2
    + ["revive"] * 2
    + ["signer is lost", "standby is lost", "host is lost", "old is lost"]
)
SHORTER = replace(POLICY, max_token_lifetime=HOUR, rotation_period=4 * DAY)
LONGER = replace(POLICY, max_token_lifetime=20 * DAY, rotation_period=40 * DAY, propagation=3 * DAY)
FAR_OFF = replace(POLICY, propagation=30 * DAY, rotation_period=40 * DAY)
PATIENT = replace(POLICY, patience=5 * DAY)
# What has been dangerous once is told every time: changed policies with force, late runs, losses in a row.
KNOWN_STORIES = [
    [Act(DAY, "policy", SHORTER), Act(3 * DAY, "force"), Act(DAY, "rotate")],
    [Act(DAY, "policy", LONGER), Act(HOUR, "force"), Act(DAY, "rotate"), Act(5 * DAY, "force")],
    [Act(9 * DAY, "policy", LONGER), Act(DAY - timedelta(minutes=1), "rotate"), Act(DAY, "policy", SHORTER)],
    [Act(35 * DAY, "rotate"), Act(HOUR, "force"), Act(2 * DAY, "force"), Act(10 * DAY, "rotate")],
    [Act(DAY, "signer is lost"), Act(HOUR, "rotate"), Act(HOUR, "force"), Act(2 * DAY, "standby is lost")],
    [Act(8 * DAY, "standby is lost"), Act(30 * DAY, "rotate"), Act(3 * DAY, "rotate"), Act(DAY, "old is lost")],
    [Act(8 * DAY, "host is lost"), Act(timedelta(seconds=305), "old is lost"), Act(HOUR, "rotate"), Act(DAY, "force")],
    [
        Act(HOUR, "somebody lags"),
        Act(HOUR, "policy", PATIENT),
        Act(10 * DAY, "rotate"),
        Act(12 * DAY, "all hold it"),
        Act(HOUR, "rotate"),
        Act(DAY, "somebody lags"),
        Act(20 * DAY, "rotate"),
    ],
    [
        Act(HOUR, "somebody lags"),
        Act(HOUR, "policy", PATIENT),
        Act(10 * DAY, "rotate"),
        Act(DAY, "signer is lost"),
        Act(HOUR, "rotate"),
        Act(11 * DAY, "all hold it"),
        Act(HOUR, "force"),
        Act(HOUR, "policy", SHORTER),
    ],
    [Act(3 * DAY, "retire"), Act(DAY, "rotate"), Act(HOUR, "revive"), Act(2 * DAY, "force"), Act(9 * DAY, "retire")],
    [Act(10 * DAY - timedelta(minutes=3), "retire"), Act(timedelta(minutes=2), "signer is lost"), Act(DAY, "revive")],
    [Act(10 * DAY - timedelta(minutes=3), "retire"), Act(timedelta(minutes=2), "standby is lost"), Act(HOUR, "rotate")],
    [Act(5 * DAY, "policy", LONGER), Act(HOUR, "retire"), Act(timedelta(minutes=1), "rotate"), Act(DAY, "old is lost")],
    [Act(5 * DAY, "retire"), Act(timedelta(0), "host is lost"), Act(HOUR, "revive"), Act(timedelta(0), "retire")],
    [Act(DAY, "adopt"), Act(HOUR, "policy", FAR_OFF), Act(HOUR, "rotate"), Act(13 * DAY, "rotate")],
    [Act(HOUR, "adopt"), Act(HOUR, "adopt"), Act(HOUR, "policy", FAR_OFF), Act(HOUR, "force"), Act(20 * DAY, "rotate")],
    [Act(9 * DAY, "adopt"), Act(HOUR, "policy", LONGER), Act(HOUR, "rotate"), Act(DAY, "signer is lost")],
    [Act(DAY, "adopt"), Act(HOUR, "standby is lost"), Act(HOUR, "force"), Act(3 * DAY, "retire"), Act(HOUR, "adopt")],
]
stories = st.lists(st.builds(Act, lengths, what, policies), min_size=1, max_size=12)


def known(test: Callable[..., None]) -> Callable[..., None]:
    """Have a property hold for the known stories too."""
    for story in KNOWN_STORIES:
        test = example(story=story)(test)
    return test


def play(realm: Realm, story: list[Act], *, policy: KeyPolicy = POLICY) -> Fleet:
    """Have a story happen to a new ring by the services alone, and note what its rows said when."""
    clock = FakeClock(NOW)
    ring = add_ring(realm=realm, algorithm="ES256", policy=policy, actor=ACTOR, now=NOW)
    add_ring(realm=realm, algorithm="Ed25519", actor=ACTOR, now=NOW)  # without another one none may be retired
    watch = Fleet(periods(), POLICY, propagation=POLICY.propagation)
    _rotate(ring, clock, watch, force=False)
    for act in story:
        clock.advance(act.after)
        if act.what in ("rotate", "force"):
            _rotate(ring, clock, watch, force=act.what == "force")
        elif act.what == "adopt":
            _adopt(ring, clock, watch)
        elif act.what in ("retire", "revive"):
            _retire_or_revive(ring, clock, watch, act.what)
        elif act.what == "policy":
            ring = change_policy(ring, policy=act.policy, actor=ACTOR, now=clock.now)
        elif act.what in ("somebody lags", "all hold it"):
            _fetched(realm, clock.now, lags=act.what == "somebody lags")
        else:
            _lose(ring, clock, watch, act.what)
    clock.advance(40 * DAY)
    _rotate(ring, clock, watch, force=False)
    watch.see(clock.now, keys_of(ring.pk))
    return watch


def _rotate(ring: KeyRing, clock: FakeClock, watch: Fleet, *, force: bool) -> None:
    before = succession([facts_of(key) for key in keys_of(ring.pk)], clock.now)
    report = rotate(ring, now=clock.now, actor=ACTOR, force=force, clock=clock)
    minted = [kid for step, kid in report.steps if isinstance(step, Mint)]
    if before.signer is None and minted:
        _begins(minted[0], clock, watch)
    watch.see(clock.now, keys_of(ring.pk))


def _begins(kid: str, clock: FakeClock, watch: Fleet) -> None:
    """A ring without a signer has one again, which signs before it has propagated."""
    watch.hasty.add(kid)
    watch.idle[-1:] = [(since, clock.now) for since, _ in watch.idle[-1:]]
    watch.resting[-1:] = [(since, min(until, clock.now)) for since, until in watch.resting[-1:]]


def _adopt(ring: KeyRing, clock: FakeClock, watch: Fleet) -> None:
    """Take in a key that was made elsewhere; nothing, where the ring comes to its end."""
    before = succession([facts_of(key) for key in keys_of(ring.pk)], clock.now)
    private = ec.generate_private_key(ec.SECP256R1())
    members = key_members(private.public_key(), "ES256")
    key = AdoptableKey("ES256", None, thumbprint(members), members, private)
    with contextlib.suppress(AdoptionRefused):
        adopt(key, realm=ring.realm, kid=None, actor=ACTOR, clock=clock)
        if before.signer is None:
            _begins(key.kid, clock, watch)
        _rotate(ring, clock, watch, force=False)


def _fetched(realm: Realm, now: datetime, *, lags: bool) -> None:
    """Have the one known fetcher hold no key at all, or nobody known who fetches; the planner waits for the first."""
    JwksFetcher.objects.filter(realm=realm).delete()
    if lags:
        nothing, _ = JwksVersion.objects.get_or_create(
            realm=realm, etag='"empty"', defaults={"kids": [], "first_served_at": now, "last_served_at": now}
        )
        JwksFetcher.objects.create(realm=realm, slot=0, first_seen_at=now, last_seen_at=now + 365 * DAY, holds=nothing)


def _retire_or_revive(ring: KeyRing, clock: FakeClock, watch: Fleet, which: str) -> None:
    """Bring the ring to its end, or have it sign again; nothing, where it can't be."""
    if which == "retire" and retire_rings(realm=ring.realm, algorithm="ES256", actor=ACTOR, clock=clock):
        present = succession([facts_of(key) for key in keys_of(ring.pk)], clock.now)
        last = present.standby or present.signer
        # Where no key was left to stop, the ring has been idle since that one was lost.
        end = (last.times.deactivates_at or FAR) if last else watch.idle[-1][0]
        watch.resting.append((end, FAR))
        watch.see(clock.now, keys_of(ring.pk))
    if which == "revive":
        with contextlib.suppress(RetirementRefused):
            revive_ring(ring, actor=ACTOR, clock=clock)
        _rotate(ring, clock, watch, force=False)


def _lose(ring: KeyRing, clock: FakeClock, watch: Fleet, which: str) -> None:
    """Declare a key compromised; what comes after it may sign before it has propagated."""
    keys = keys_of(ring.pk)
    present = succession([facts_of(key) for key in keys], clock.now)
    kids = {
        "signer is lost": present.signer and present.signer.kid,
        "host is lost": present.signer and present.signer.kid,
        "standby is lost": present.standby and present.standby.kid,
        "old is lost": min((key for key in keys if key.compromised_at is None), key=lambda key: key.activates_at).kid
        if any(key.compromised_at is None for key in keys)
        else None,
    }
    if kids[which] is None:
        return
    lost = next(key for key in keys if key.kid == kids[which])
    report = compromise(lost, actor=ACTOR, everything=which == "host is lost", clock=clock)
    if present.signer is not None and report.successor is None and lost.ring.retired_at is not None:
        watch.resting[-1:] = [(clock.now, FAR)]
    elif present.signer is not None and report.successor is None:
        watch.idle.append((clock.now, clock.now))
    elif present.signer is not None and report.successor and present.signer.kid in report.condemned:
        watch.hasty.add(report.successor)
    watch.see(clock.now, keys_of(ring.pk))


def broken(realm: Realm, story: list[Act], *, policy: KeyPolicy = POLICY) -> str:
    """How a story breaks the invariant, or "" if it doesn't; the database is as before afterwards."""
    try:
        with transaction.atomic():
            watch = play(realm, story, policy=policy)
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            watch.check(watch.history[-1][0])
            transaction.set_rollback(True)
    except InvariantBrokenError as error:
        return str(error)
    return ""


@pytest.mark.spec("keys.md The invariant")
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=stories)
@known
def test_every_verifier_verifies_every_unexpired_token(realm: Realm, story: list[Act]) -> None:
    assert broken(realm, story) == ""


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("keys.md The invariant")
@settings(max_examples=LONG_FORM, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=stories)
@known
def test_every_verifier_verifies_every_unexpired_token_in_the_long_form(realm: Realm, story: list[Act]) -> None:
    assert broken(realm, story) == ""


@pytest.fixture
def anything_goes(monkeypatch: pytest.MonkeyPatch, realm: Realm) -> Callable[[KeyPolicy], Any]:
    """Policies are no longer validated, neither by the code nor by the database."""

    def unchecked(policy: KeyPolicy, *_: object) -> KeyPolicy:
        return policy

    monkeypatch.setattr(rotation, "validated", unchecked)
    monkeypatch.setattr(rings, "validated", unchecked)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE keys_keyring DROP CONSTRAINT ring_policy_holds_together")
    return unchecked


def broken_story(realm: Realm, policy: KeyPolicy) -> list[Act]:
    """A story that breaks the invariant; policies stay as they are.

    Raises:
        NoSuchExample: there seems to be none.
    """
    quiet = settings(max_examples=300, database=None, phases=[Phase.generate], deadline=None)
    tame = stories.map(lambda story: [act for act in story if act.what != "policy"])
    return find(tame, lambda story: bool(broken(realm, story, policy=policy)), settings=quiet)


@pytest.mark.spec("keys.md The invariant (a): negative control")
def test_propagation_nought_is_found_broken(realm: Realm, anything_goes: object) -> None:
    assert broken_story(realm, replace(POLICY, propagation=timedelta(0)))


@pytest.mark.spec("keys.md The invariant (b): negative control")
def test_retention_nought_is_found_broken(realm: Realm, anything_goes: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyPolicy, "retention", lambda _policy, _lifetime: timedelta(0))
    assert "may not sign" in broken(realm, []), "the signer itself refuses to outlive its key"
    monkeypatch.setattr(fleet, "check_lifetime", lambda *_, **__: None)
    assert broken_story(realm, POLICY), "and without that line of defence a verifier is refused"


@pytest.mark.spec("keys.md The invariant: negative control")
def test_a_takeover_without_a_lead_is_found_broken(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    story = [Act(3 * DAY, "force")]
    assert broken(realm, story) == ""
    monkeypatch.setattr(KeyPolicy, "lead", lambda _policy, _ttl: timedelta(0))
    assert "is refused" in broken(realm, story), "a worker's memory was older than the edit"


@pytest.mark.spec("ADR 19: a takeover waits, up to a limit")
def test_the_stories_know_takeovers_that_wait(realm: Realm) -> None:
    def takeovers(story: list[Act]) -> list[datetime]:
        with transaction.atomic():
            watch = play(realm, story)
            transaction.set_rollback(True)
        return sorted(row.times.activates_at for row in watch.history[-1][1])

    waits, doesnt = ([Act(HOUR, what), Act(HOUR, "policy", PATIENT), Act(10 * DAY, "rotate"), Act(16 * DAY, "rotate")]
                     for what in ("somebody lags", "all hold it"))  # fmt: skip
    assert takeovers(waits)[2] - takeovers(doesnt)[2] == PATIENT.patience


def test_the_policy_of_the_ring_is_the_one_that_was_asked_for(realm: Realm) -> None:
    ring = add_ring(realm=realm, algorithm="ES256", policy=POLICY, actor=ACTOR, now=NOW)
    assert policy_of(ring) == POLICY
    assert not KeyPair.objects.exists()
