"""The keys of one ring with several custodians: a standby elsewhere, and a former custodian that is gone."""

from datetime import timedelta

import pytest

from keys.algorithms import Custody
from keys.models import KeyPair, KeyRing
from keys.services.compromise import compromise
from keys.signer import signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.custodians.fake import FakeCustodian, on_the_table
from tests.keys.test_remote_rings import DAY, fake, ring, signed, turn

__all__ = ["fake", "ring"]
pytestmark = pytest.mark.spec("issue 5, 5: the standby may live with another custodian than the active key")


def test_standby_and_active_key_may_live_with_different_custodians(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock
) -> None:
    other = FakeCustodian("other")
    with on_the_table(other):
        KeyRing.objects.filter(pk=ring.pk).update(custodian="other")
        clock.advance(91 * DAY)
        turn(KeyRing.objects.get(pk=ring.pk), clock)
        signer.forget()
        found = {key.custodian for key in KeyPair.objects.filter(ring=ring, destroyed_at=None)}
        assert found == {"fake", "other"}
        assert signed(realm, clock)
        KeyRing.objects.filter(pk=ring.pk).update(custodian="local", custody=Custody.ENVELOPE)
        for _ in range(2):
            clock.advance(91 * DAY)
            turn(KeyRing.objects.get(pk=ring.pk), clock)
            signer.forget()
            assert signed(realm, clock)
        assert {key.custodian for key in KeyPair.objects.filter(ring=ring, destroyed_at=None)} == {"local"}
        assert (fake.kept, other.kept) == ({}, {})


def test_a_former_custodian_may_go_as_soon_as_its_last_key_signs_no_more(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock
) -> None:
    KeyRing.objects.filter(pk=ring.pk).update(custodian="local", custody=Custody.ENVELOPE)
    clock.advance(91 * DAY)
    turn(KeyRing.objects.get(pk=ring.pk), clock)
    last = KeyPair.objects.filter(ring=ring, custodian=fake.name).latest("activates_at")
    clock.now = KeyPair.objects.get(ring=ring, custodian="local").activates_at + timedelta(minutes=1)
    fake.away()
    turn(KeyRing.objects.get(pk=ring.pk), clock)
    signer.forget()
    assert signed(realm, clock)
    assert KeyPair.objects.filter(ring=ring, custodian="local", activates_at__gt=clock.now).count() == 1
    clock.advance(DAY)
    turn(KeyRing.objects.get(pk=ring.pk), clock)
    last.refresh_from_db()
    assert (last.destroyed_at, last.custodian_reference != "") == (clock.now, True)


def test_a_compromise_hands_over_to_the_standby_of_another_custodian_while_the_first_is_away(
    ring: KeyRing, fake: FakeCustodian, realm: Realm, clock: FakeClock
) -> None:
    KeyRing.objects.filter(pk=ring.pk).update(custodian="local", custody=Custody.ENVELOPE)
    clock.advance(91 * DAY)
    turn(KeyRing.objects.get(pk=ring.pk), clock)
    active, standby = KeyPair.objects.filter(ring=ring, destroyed_at=None).order_by("activates_at")
    assert (active.custodian, standby.custodian) == (fake.name, "local")
    fake.away()
    compromise(active, actor=ACTOR, clock=clock)
    signer.forget()
    assert signed(realm, clock).kid == standby.kid
    turn(KeyRing.objects.get(pk=ring.pk), clock)
    assert KeyPair.objects.filter(ring=ring, custodian="local", destroyed_at=None).count() == 2
