"""keys/services/rings.py and bootstrapping.py: adding rings and changing their policy."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from audit.models import Event
from keys import algorithms
from keys.algorithms import Purpose
from keys.conf import default_policy
from keys.errors import RingExists, UnavailableAlgorithm, UnknownAlgorithm, UnknownCustodian, WeakPolicy
from keys.models import KeyPair, KeyRing
from keys.policy import LONGEST_HANDLE
from keys.selectors import policy_of, rings
from keys.services import bootstrapping, rotation
from keys.services.bootstrapping import ensure_keys, ensure_rings
from keys.services.minting import Material, make_material
from keys.services.rings import add_ring, change_policy
from keys.services.rotation import rotate
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR


@pytest.mark.spec("keys.md Rows: KeyRing")
def test_a_ring_takes_its_policy_from_the_settings_and_has_no_keys_yet(realm: Realm, clock: FakeClock) -> None:
    ring = add_ring(realm=realm, algorithm="EdDSA", actor=ACTOR, now=clock.now)
    assert (ring.purpose, ring.algorithm, ring.bits, ring.custodian) == ("sign", "Ed25519", None, "local")
    assert policy_of(ring) == default_policy()
    assert not KeyPair.objects.exists()
    event = Event.objects.get()
    assert (event.name, event.target, event.actor) == ("ring.created", "sign Ed25519", ACTOR)


@pytest.mark.spec("keys.md Rows: one per (realm, purpose, algorithm, bits)")
def test_a_ring_is_added_once(realm: Realm, es256_ring: KeyRing, clock: FakeClock) -> None:
    with pytest.raises(RingExists, match=r"'default'.*sign.*ES256"):
        add_ring(realm=realm, algorithm="ES256", actor=ACTOR, now=clock.now)
    assert KeyRing.objects.count() == 1
    add_ring(realm=realm, algorithm="ES256", purpose=Purpose.EXPIRED_TEST, actor=ACTOR, now=clock.now)
    for bits in (2048, 4096):
        add_ring(realm=realm, algorithm="RS256", bits=bits, actor=ACTOR, now=clock.now)
    with pytest.raises(RingExists):
        add_ring(realm=realm, algorithm="RS256", actor=ACTOR, now=clock.now)


@pytest.mark.spec("issue 2: bad input is named in the message")
@pytest.mark.parametrize(
    ("algorithm", "purpose", "named"),
    [
        ("HS256", Purpose.SIGN, "HS256"),
        ("none", Purpose.SIGN, "none"),
        ("HMAC-SHA256", Purpose.SIGN, "HMAC-SHA256 is no algorithm"),
        ("ES256", Purpose.MAC, "ES256 is no algorithm"),
        ("ES256", Purpose.ENCRYPT, "encrypt"),
    ],
)
def test_an_algorithm_serves_its_own_purposes_alone(
    realm: Realm, clock: FakeClock, algorithm: str, purpose: Purpose, named: str
) -> None:
    with pytest.raises(UnknownAlgorithm, match=named):
        add_ring(realm=realm, algorithm=algorithm, purpose=purpose, actor=ACTOR, now=clock.now)
    assert not KeyRing.objects.exists()


@pytest.mark.spec("keys.md Envelope: custodians")
def test_an_unknown_custodian_adds_no_ring(realm: Realm, clock: FakeClock) -> None:
    with pytest.raises(UnknownCustodian, match="nobody"):
        add_ring(realm=realm, algorithm="ES256", custodian="nobody", actor=ACTOR, now=clock.now)
    assert not KeyRing.objects.exists()


@pytest.mark.spec("issue 2: ML-DSA is refused where the installed cryptography lacks it")
def test_an_algorithm_that_this_machine_cannot_do_adds_no_ring(
    realm: Realm, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lacking:
        @staticmethod
        def generate() -> None:
            raise UnsupportedAlgorithm("no ML-DSA here")

    monkeypatch.setitem(algorithms.ML_DSA_PRIVATE, "ML-DSA-65", Lacking)
    with pytest.raises(UnavailableAlgorithm, match="ML-DSA-65"):
        add_ring(realm=realm, algorithm="ML-DSA-65", actor=ACTOR, now=clock.now)
    assert not KeyRing.objects.exists()


@pytest.mark.spec("keys.md The invariant: policies that break it are refused")
def test_a_weak_policy_is_neither_given_nor_taken(realm: Realm, es256_ring: KeyRing, clock: FakeClock) -> None:
    weak = replace(default_policy(), propagation=timedelta(minutes=1))
    with pytest.raises(WeakPolicy, match="propagation"):
        add_ring(realm=realm, algorithm="ES384", policy=weak, actor=ACTOR, now=clock.now)
    with pytest.raises(WeakPolicy, match="propagation"):
        change_policy(es256_ring, policy=weak, actor=ACTOR, now=clock.now)
    es256_ring.refresh_from_db()
    assert policy_of(es256_ring) == default_policy()


@pytest.mark.spec("keys.md The invariant: a changed policy")
def test_a_changed_policy_is_recorded_with_what_changed(es256_ring: KeyRing, clock: FakeClock) -> None:
    policy = replace(default_policy(), rotation_period=timedelta(days=30))
    changed = change_policy(es256_ring, policy=policy, actor="operator:7", now=clock.now)
    assert policy_of(changed) == policy
    event = Event.objects.latest("id")
    assert (event.name, event.actor, event.target) == ("ring.policy_changed", "operator:7", "sign ES256")
    assert event.details == {"rotation_period": "90 days → 30 days"}
    change_policy(changed, policy=policy, actor=ACTOR, now=clock.now)
    assert Event.objects.latest("id") == event, "nothing changed, nothing is recorded"


@pytest.mark.spec("issue 2: changing the policy to shorter and to longer lifetimes, then --force")
@pytest.mark.parametrize("lifetime", [timedelta(hours=1), timedelta(days=60)])
def test_a_changed_lifetime_and_force_keep_every_token_that_is_out(
    es256_ring: KeyRing, clock: FakeClock, lifetime: timedelta
) -> None:
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    clock.advance(timedelta(days=10))
    out_until = clock.now + timedelta(days=7)  # the longest token of the old policy, signed right now
    policy = replace(default_policy(), max_token_lifetime=lifetime)
    ring = change_policy(es256_ring, policy=policy, actor=ACTOR, now=clock.now)
    rotate(ring, now=clock.now, actor=ACTOR, force=True, clock=clock)
    signer = KeyPair.objects.earliest("activates_at")
    assert signer.deactivates_at is not None
    assert signer.unpublishes_at is not None
    assert signer.unpublishes_at > out_until
    assert signer.unpublishes_at >= signer.deactivates_at + max(lifetime, timedelta(days=7))


@pytest.mark.spec("issue 2: bootstrap makes per realm a ring ES256 and a ring RS256 (4096 bits), each with its standby")
@pytest.mark.parametrize("expired_tokens", [False, True])
def test_bootstrap_makes_the_rings_of_a_realm_once_and_the_slow_one_last(
    realm: Realm, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, expired_tokens: bool
) -> None:
    made: list[KeyRing] = []

    def material(ring: KeyRing) -> Material:
        """As it is made, but for RSA: 4096 bits take too long here."""
        made.append(ring)
        return make_material(KeyRing(algorithm="ES256") if ring.bits else ring)

    monkeypatch.setattr(rotation, "make_material", material)
    monkeypatch.setattr(bootstrapping, "rotate", lambda ring, **given: rotate(ring, clock=clock, **given))
    said: list[str] = []
    for _ in range(2):
        ensure_rings(realm, expired_tokens=expired_tokens, actor=ACTOR, now=clock.now)
        ensure_keys(rings(realm=realm.slug), actor=ACTOR, clock=clock, say=said.append)
    kinds = [(ring.purpose, ring.algorithm, ring.bits) for ring in made[::2]]
    test_ring = [("expired_test", "ES256", None)] if expired_tokens else []
    assert kinds == [("sign", "ES256", None), ("mac", "HMAC-SHA256", None), *test_ring, ("sign", "RS256", 4096)]
    assert {ring.keys.count() for ring in KeyRing.objects.all()} == {2}
    assert len(said) == len(kinds) == KeyRing.objects.count()
    assert KeyRing.objects.get(purpose="mac").max_token_lifetime == LONGEST_HANDLE
