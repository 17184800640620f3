"""Exports of rings whose private halves stay with a custodian, and of rings that were retired."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from keys.adoptable import AdoptableKey
from keys.algorithms import Custody
from keys.errors import AdoptionRefused, CustodyRefused, UnknownCustodian
from keys.jwk import key_members, thumbprint
from keys.models import KeyPair, KeyRing
from keys.services.adoption import adopt
from keys.services.compromise import compromise
from keys.services.importing import Outcome, import_ring
from keys.services.moving import move_ring
from keys.services.retirement import retire_rings
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm
from tests.conftest import ACTOR
from tests.keys.custodians.fake import FakeCustodian, on_the_table
from tests.keys.test_exporting_keys import consistent, exported, forget, rows, take_in, token, verifies, wiped

DAY = timedelta(days=1)


@pytest.fixture
def fake() -> Iterator[FakeCustodian]:
    """A custodian that keeps keys."""
    found = FakeCustodian()
    with on_the_table(found):
        yield found


@pytest.fixture
def ring(realm: Realm, fake: FakeCustodian, now: datetime) -> KeyRing:
    """A ring of its keys, with its signer and standby."""
    found = add_ring(realm=realm, algorithm="ES256", actor=ACTOR, now=now, custodian=fake.name, custody=Custody.REMOTE)
    rotate(found, now=now, actor=ACTOR, clock=lambda: now)
    return found


def turn(now: datetime) -> KeyRing:
    ring = KeyRing.objects.get(algorithm="ES256")
    rotate(ring, now=now, actor=ACTOR, clock=lambda: now)
    consistent()
    return ring


@pytest.mark.spec("keys.md export_keys: a key that stays with a custodian is in it by reference alone")
def test_remote_keys_come_back_by_reference(ring: KeyRing, fake: FakeCustodian, realm: Realm, now: datetime) -> None:
    signed, before = token(realm, now), rows()
    export = exported(now)
    assert [key.private for each in export.rings for key in each.keys] == [None, None]
    wiped()
    assert set(take_in(export, now).values()) == {Outcome.AS_EXPORTED}
    assert rows() == before
    again = KeyRing.objects.get(algorithm="ES256")
    assert (again.custody, again.custodian) == (Custody.REMOTE, fake.name)
    assert token(realm, now).kid == signed.kid
    assert verifies(signed, realm, now)
    later = now + 95 * DAY
    turn(later)
    assert len(fake.destroyed) == 1, "and it is destroyed there when its time is over"


@pytest.mark.spec("keys.md export_keys: a ring that moves comes back with keys in both places")
def test_a_ring_that_moves_comes_back(ring: KeyRing, realm: Realm, now: datetime) -> None:
    move_ring(ring, custodian="local", custody=Custody.ENVELOPE, actor=ACTOR, now=now)
    later = now + 91 * DAY
    turn(later)
    assert KeyPair.objects.exclude(sealed_private=None).exclude(custodian_reference="").count() == 0
    before, export = rows(), exported(later)
    wiped()
    assert set(take_in(export, later).values()) == {Outcome.AS_EXPORTED}
    assert rows() == before
    signed = token(realm, later)
    turn(later + 91 * DAY)
    assert token(realm, later + 91 * DAY).kid != signed.kid


@pytest.mark.spec("keys.md import_keys: beside other keys a remote key verifies, and its custodian keeps it")
def test_beside_other_keys_no_reference_is_taken_in(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, now: datetime
) -> None:
    signed, export = token(realm, now), exported(now)
    wiped()
    add_ring(realm=realm, algorithm="ES256", actor=ACTOR, now=now)
    turn(now)
    assert set(take_in(export, now).values()) == {Outcome.BESIDE}
    assert verifies(signed, realm, now)
    turn(now + 95 * DAY)
    assert not fake.destroyed
    assert KeyPair.objects.exclude(custodian_reference="").count() == 0


@pytest.mark.spec("keys.md import_keys: what was destroyed or compromised comes without its reference")
def test_a_compromised_remote_key_stays_so(ring: KeyRing, fake: FakeCustodian, realm: Realm, now: datetime) -> None:
    dead = KeyPair.objects.get(kid=token(realm, now).kid)
    fake.away()
    compromise(dead, actor=ACTOR, clock=lambda: now)
    export = exported(now)
    wiped()
    take_in(export, now)
    again = KeyPair.objects.get(kid=dead.kid)
    assert (again.custodian_reference, again.compromised_at) == ("", now)
    fake.back()
    forget()
    assert token(realm, now).kid != dead.kid


@pytest.mark.spec("keys.md import_keys: custodies and custodians that are not known here are refused")
def test_custodians_that_are_not_here_are_refused(ring: KeyRing, now: datetime) -> None:
    (export,) = exported(now).rings
    wiped()
    for altered, error in (
        (replace(export, custodian="local"), CustodyRefused),
        (replace(export, custodian="nobody"), UnknownCustodian),
        (replace(export, keys=[replace(key, custodian="nobody") for key in export.keys]), UnknownCustodian),
    ):
        with pytest.raises(error):
            import_ring(altered, actor=ACTOR, clock=lambda: now)
        assert not KeyRing.objects.exists()


@pytest.mark.spec("keys.md import_keys: a retired ring comes back retired")
@pytest.mark.parametrize("hour", [1, 24 * 90 - 0.001])
def test_a_retired_ring_comes_back_retired(realm: Realm, es256_ring: KeyRing, now: datetime, hour: float) -> None:
    add_ring(realm=realm, algorithm="Ed25519", actor=ACTOR, now=now)
    turn(now)
    near = now + timedelta(hours=hour)
    retire_rings(realm=realm, algorithm="ES256", actor=ACTOR, clock=lambda: near)
    signed, export, before = token(realm, near), exported(near), rows()
    wiped()
    take_in(export, near)
    assert rows() == before
    ring = KeyRing.objects.get(algorithm="ES256")
    assert ring.retired_at == near
    assert verifies(signed, realm, near)
    kids = set(rows())
    turn(near + DAY)
    assert set(rows()) == kids, "nothing is made for it"
    private = ec.generate_private_key(ec.SECP256R1())
    members = key_members(private.public_key(), "ES256")
    key = AdoptableKey("ES256", None, thumbprint(members), members, private)
    with pytest.raises(AdoptionRefused, match="retired"):
        adopt(key, realm=realm, kid=None, actor=ACTOR, clock=lambda: near)


@pytest.mark.spec("keys.md import_keys: a dead key of a retired ring is distrusted, and nothing is reopened")
@pytest.mark.parametrize("which", [0, 1])
def test_a_retired_ring_whose_key_died_comes_back(realm: Realm, es256_ring: KeyRing, now: datetime, which: int) -> None:
    add_ring(realm=realm, algorithm="Ed25519", actor=ACTOR, now=now)
    turn(now)
    near = now + 90 * DAY - timedelta(seconds=1)
    retire_rings(realm=realm, algorithm="ES256", actor=ACTOR, clock=lambda: near)
    export = exported(near)
    of_ring = [each for each in export.rings if each.algorithm == "ES256"]
    kids = [key.kid for key in sorted(of_ring[0].keys, key=lambda each: each.activates_at)]
    dead = KeyPair.objects.get(kid=kids[which])
    wiped()
    elsewhere = Realm.objects.create(slug="old", name="x", issuer="https://old.example.test", created_at=now)
    old = add_ring(realm=elsewhere, algorithm="ES256", actor=ACTOR, now=now)
    KeyPair.objects.create(
        realm=elsewhere, ring=old, kid="old", public_jwk=dead.public_jwk, custodian="local",
        max_lifetime=dead.max_lifetime, published_at=now, activates_at=now, destroyed_at=now, compromised_at=now,
        created_at=now,
    )  # fmt: skip
    found = dict(import_ring(of_ring[0], actor=ACTOR, clock=lambda: near).outcomes)
    consistent()
    assert found[dead.kid] is Outcome.COMPROMISED
    assert KeyPair.objects.get(kid=dead.kid, realm=realm).compromised_at == near
