"""Passkeys are added and used: what holds whichever page it was."""

import json
from datetime import datetime

import pytest

from accounts.budget import ADDRESS
from accounts.errors import FactorExists, FactorRefused, PasskeyRefused, TooManyAttempts
from accounts.models import Passkey, User
from accounts.passkeys import RelyingParty, creation_options, request_options
from accounts.services.passkeys import Answer, add_passkey, prove_passkey, remove_passkey
from accounts.whereabouts import Whereabouts
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.accounts.authenticator import Authenticator, enrol
from tests.second_factors import give_totp

PARTY = RelyingParty("id.example.test", "https://id.example.test")
HERE = Whereabouts("192.0.2.1", "a browser")


def new(device: Authenticator, person: User, challenge: bytes) -> Answer:
    options = creation_options(
        PARTY,
        realm_name="Home",
        subject=person.subject,
        username=person.username,
        shown_name="",
        known=(),
        challenge=challenge,
    )
    return Answer(json.dumps(device.make(options)), challenge, PARTY, HERE)


def used(device: Authenticator, challenge: bytes) -> Answer:
    options = request_options(PARTY, known=(), alone=False, challenge=challenge)
    return Answer(json.dumps(device.use(options)), challenge, PARTY, HERE)


@pytest.mark.spec("Web Authentication Level 3 §7.1")
class TestAdding:
    def test_a_first_one_is_none_where_there_is_a_second_factor_by_now(self, ana: User, now: datetime) -> None:
        """The page looks before; somebody may have been faster than the form."""
        give_totp(ana, now)
        with pytest.raises(FactorExists):
            add_passkey(new(Authenticator(), ana, b"1" * 32), person=ana, name="x", actor="", now=now, only_first=True)
        assert not Passkey.objects.exists()
        add_passkey(new(Authenticator(), ana, b"2" * 32), person=ana, name="x", actor="", now=now)

    def test_without_a_challenge_none_is_taken(self, ana: User, now: datetime) -> None:
        answer = new(Authenticator(), ana, b"1" * 32)
        forged = Answer(answer.text, None, PARTY, HERE)
        with pytest.raises(PasskeyRefused, match="challenge_over"):
            add_passkey(forged, person=ana, name="x", actor="", now=now)

    def test_of_another_address_of_this_installation_none_is_taken(self, ana: User, now: datetime) -> None:
        answer = new(Authenticator(origin="https://new.example", rp_id="new.example"), ana, b"1" * 32)
        with pytest.raises(PasskeyRefused, match="wrong_passkey"):
            add_passkey(answer, person=ana, name="x", actor="", now=now)


@pytest.mark.spec("issue: limits are shared by the workers")
def test_a_right_second_factor_costs_nothing(ana: User, realm: Realm, now: datetime) -> None:
    device = Authenticator()
    enrol(device, ana)
    for number in range(ADDRESS.burst + 5):
        answer = used(device, number.to_bytes(32, "big"))
        assert prove_passkey(answer, person=ana, realm=realm, now=now) == ("pop", "user", "mfa")
    for number in range(ADDRESS.burst):
        wrong = Answer("{}", b"w" * 31 + bytes([number]), PARTY, HERE)
        with pytest.raises(FactorRefused):
            prove_passkey(wrong, person=ana, realm=realm, now=now)
    with pytest.raises(TooManyAttempts):
        prove_passkey(used(device, b"x" * 32), person=ana, realm=realm, now=now)


@pytest.mark.spec("Web Authentication Level 3 §6.1.1")
def test_a_passkey_that_is_removed_while_it_is_used_proves_nothing(ana: User, realm: Realm, now: datetime) -> None:
    device = Authenticator()
    passkey = enrol(device, ana)
    answer = used(device, b"1" * 32)
    assert remove_passkey(passkey, actor="operator:1", now=now, reason="lost")
    assert not remove_passkey(passkey, actor="operator:1", now=now)
    with pytest.raises(FactorRefused, match="unknown_passkey"):
        prove_passkey(answer, person=ana, realm=realm, now=now)
    [event] = Event.objects.filter(name=EventName.FACTOR_REMOVED)
    assert (event.actor, event.reason) == ("operator:1", "lost")
