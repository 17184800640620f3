"""Rings whose private halves stay with a custodian: made, proven, signing, destroyed there, and away (issue 5, 5)."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError

from audit.models import Event
from audit.vocabulary import EventName
from keys import api, hooks
from keys.algorithms import Custody, Purpose
from keys.errors import CustodianRefused, CustodianUnreachable, CustodyRefused
from keys.jwk import thumbprint, thumbprint_uri
from keys.models import KeyPair, KeyRing
from keys.readiness import readiness
from keys.remote_calls import remote_calls
from keys.selectors import awaiting_destruction
from keys.services import minting, rotation
from keys.services.compromise import compromise
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import RingName, Signer, signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.custodians.fake import FakeCustodian, on_the_table

pytestmark = pytest.mark.spec("issue 5, 5: remote keys", "keys.md Envelope: custodians stand behind one small protocol")
DAY = timedelta(days=1)


@pytest.fixture
def fake() -> Iterator[FakeCustodian]:
    """A custodian that keeps keys."""
    found = FakeCustodian()
    with on_the_table(found):
        yield found


@pytest.fixture
def ring(realm: Realm, fake: FakeCustodian, clock: FakeClock) -> KeyRing:
    """A ring of its keys, with its signer and standby."""
    found = add_ring(
        realm=realm, algorithm="ES256", actor=ACTOR, now=clock.now, custodian=fake.name, custody=Custody.REMOTE
    )
    turn(found, clock)
    return found


def turn(ring: KeyRing, clock: FakeClock) -> None:
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)


def signed(realm: Realm, clock: FakeClock) -> api.SignedToken:
    exp = int(clock.now.timestamp()) + 60
    claims = {"iss": realm.issuer, "exp": exp, "iat": int(clock.now.timestamp())}
    return api.sign_jwt(claims, realm=realm, typ="at+jwt", now=clock.now)


def calls_of(fake: FakeCustodian, what: str) -> int:
    return fake.asked.count(what)


def test_the_custodian_makes_the_keys_and_no_private_half_is_here(ring: KeyRing, fake: FakeCustodian) -> None:
    keys = list(KeyPair.objects.filter(ring=ring))
    assert {key.custodian_reference for key in keys} == set(fake.kept)
    assert [key.sealed_private for key in keys] == [None, None]
    assert all(key.public_jwk and key.public_jwk["kid"] == key.kid for key in keys)


def test_a_token_costs_one_call_and_verifies(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock
) -> None:
    fake.asked.clear()
    token = signed(realm, clock)
    assert fake.asked == ["sign"]
    assert api.verify_jwt(token.token, realm=realm, typ="at+jwt", now=clock.now).kid == token.kid


def test_what_is_asked_before_a_token_is_spent_costs_a_call_in_a_ttl_and_none_under_load(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock
) -> None:
    worker, name = Signer(clock.monotonic), RingName(realm.pk, Purpose.SIGN, "ES256")
    fake.asked.clear()
    for _ in range(3):
        worker.proven_key(name, clock.now)
    assert fake.asked == ["sign"]
    clock.advance(timedelta(seconds=5))
    worker.proven_key(name, clock.now)
    assert fake.asked == ["sign"] * 2


def test_a_signature_that_is_not_the_keys_leaves_nobody(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for garbage in (b"", b"x", bytes(64), b"\xff" * 64, bytes(72)):
        fake.forge = lambda _message, garbage=garbage: garbage
        with pytest.raises(CustodianRefused, match="no signature of the key"):
            signed(realm, clock)
    assert "custodian.refused custodian=fake kid=" in caplog.text
    fake.forge = None
    assert signed(realm, clock)


def test_a_reference_to_another_key_signs_nothing(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock
) -> None:
    active, standby = KeyPair.objects.filter(ring=ring).order_by("activates_at")
    KeyPair.objects.filter(pk=active.pk).update(custodian_reference=standby.custodian_reference)
    with pytest.raises(CustodianRefused):
        signed(realm, clock)


def test_a_made_key_that_signs_with_another_is_never_published(
    realm: Realm, fake: FakeCustodian, clock: FakeClock
) -> None:
    fake.forge = lambda _message: bytes(64)
    found = add_ring(
        realm=realm, algorithm="ES256", actor=ACTOR, now=clock.now, custodian="fake", custody=Custody.REMOTE
    )
    with pytest.raises(CustodianRefused):
        turn(found, clock)
    assert not KeyPair.objects.filter(ring=found).exists()
    assert fake.kept == {}, "no orphan"


def test_a_custodian_that_leaves_in_the_middle_of_a_rotation_leaves_no_orphan(
    realm: Realm, fake: FakeCustodian, clock: FakeClock
) -> None:
    found = add_ring(
        realm=realm, algorithm="ES256", actor=ACTOR, now=clock.now, custodian="fake", custody=Custody.REMOTE
    )

    def leave() -> None:
        if calls_of(fake, "sign") == 2:
            fake.fails["sign"] = CustodianUnreachable("It is away.")
            raise fake.fails["sign"]

    fake.before_signing = leave
    with pytest.raises(CustodianUnreachable):
        turn(found, clock)
    assert not KeyPair.objects.filter(ring=found).exists()
    assert fake.kept == {}
    fake.back()
    remote_calls.forget()
    fake.before_signing = lambda: None
    turn(found, clock)
    assert len(fake.kept) == 2


def test_what_a_failed_transaction_did_not_store_is_destroyed(
    ring: KeyRing, fake: FakeCustodian, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = set(fake.kept)
    clock.advance(91 * DAY)

    def broken(*_: object, **__: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(rotation, "apply_steps", broken)
    with pytest.raises(DatabaseError):
        turn(ring, clock)
    assert calls_of(fake, "make_key") >= 3
    assert set(fake.kept) == stored


def test_a_kid_that_begins_with_a_hyphen_is_made_again_and_the_key_destroyed(
    ring: KeyRing, fake: FakeCustodian, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kids = iter(["-option"])
    real = thumbprint
    monkeypatch.setattr("keys.services.minting.thumbprint", lambda members: next(kids, None) or real(members))
    clock.advance(91 * DAY)
    turn(ring, clock)
    assert len(fake.destroyed) >= 2, "that key, and the one that was wiped"
    assert not KeyPair.objects.filter(kid__startswith="-").exists()


def test_a_wiped_key_is_destroyed_there_too(ring: KeyRing, fake: FakeCustodian, clock: FakeClock) -> None:
    first = KeyPair.objects.filter(ring=ring).earliest("activates_at")
    reference = first.custodian_reference
    clock.advance(91 * DAY)
    turn(ring, clock)
    first.refresh_from_db()
    assert first.destroyed_at is not None
    assert first.custodian_reference == ""
    assert reference in fake.destroyed
    event = Event.objects.get(name=EventName.KEY_DESTROYED_BY_CUSTODIAN, target=first.kid)
    assert event.details == {"custodian": fake.name, "thumbprint": thumbprint_uri(first.public_jwk or {})}


def test_a_compromise_never_waits_and_the_housekeeping_destroys_later(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock
) -> None:
    active, standby = KeyPair.objects.filter(ring=ring).order_by("activates_at")
    reference = active.custodian_reference
    fake.away()
    asked = len(fake.asked)
    report = compromise(active, actor=ACTOR, clock=clock)
    assert report.successor == standby.kid
    assert len(fake.asked) == asked
    active.refresh_from_db()
    assert active.destroyed_at is not None
    assert active.custodian_reference == reference
    chore = hooks.housekeeping()["keys that custodians destroyed"]
    with pytest.raises(CustodianUnreachable):
        chore(clock.now)
    assert [key.kid for key in awaiting_destruction()] == [active.kid]
    fake.back()
    assert chore(clock.now) == 1
    assert reference not in fake.kept
    assert chore(clock.now) == 0
    remote_calls.forget()
    signer.forget()
    assert signed(realm, clock).kid == standby.kid


def test_nothing_is_minted_over_a_custodian_that_does_not_sign(
    ring: KeyRing, fake: FakeCustodian, clock: FakeClock
) -> None:
    clock.advance(91 * DAY)
    fake.fails["sign"] = CustodianRefused("AccessDenied.")
    before = calls_of(fake, "make_key")
    with pytest.raises(CustodianRefused):
        turn(ring, clock)
    assert calls_of(fake, "make_key") == before


def test_while_it_is_away_signing_fails_the_jwks_stays_and_readiness_says_it(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    kid = signed(realm, clock).kid
    signer.forget()
    fake.away()
    with caplog.at_level(logging.ERROR), pytest.raises(CustodianUnreachable):
        api.current_kid(realm=realm, now=clock.now)
    assert f"custodian.unreachable custodian=fake kid={kid}" in caplog.text
    assert [found.detail for found in readiness(clock.now)] == ["CustodianUnreachable"]
    published = json.loads(api.public_jwks(realm.slug, now=clock.now).body)["keys"]
    assert kid in {key["kid"] for key in published}


def test_a_ring_that_moved_while_its_key_was_made_gets_one_where_it_lives_now(
    ring: KeyRing, fake: FakeCustodian, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = set(fake.kept)
    clock.advance(91 * DAY)
    make = minting.make_material

    def moved(found: KeyRing) -> object:
        material = make(found)
        KeyRing.objects.filter(pk=ring.pk).update(custodian="local", custody=Custody.ENVELOPE)
        return material

    monkeypatch.setattr(rotation, "make_material", moved)
    turn(ring, clock)
    assert KeyPair.objects.filter(ring=ring).latest("activates_at").custodian == "local"
    assert set(fake.kept) < stored, "the first one was wiped, the one too many is gone again"


def test_custody_is_refused_where_the_custodian_keeps_no_such_keys(
    realm: Realm, fake: FakeCustodian, clock: FakeClock
) -> None:
    refusals = (("local", "ES256", "signs nothing itself: choose"), ("fake", "ES384", "and not ES384: choose"))
    for custodian, algorithm, why in refusals:
        with pytest.raises(CustodyRefused, match=why):
            add_ring(
                realm=realm,
                algorithm=algorithm,
                actor=ACTOR,
                now=clock.now,
                custodian=custodian,
                custody=Custody.REMOTE,
            )
    assert not KeyRing.objects.exists()
