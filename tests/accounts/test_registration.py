"""People who make their own account: where it is open, by the same rules, and not without end."""

from datetime import datetime

import pytest
from django.conf import LazySettings

from accounts import hashers, password_validators
from accounts.budget import ADDRESS, REGISTRATION
from accounts.errors import (
    AddressTaken,
    HashingBusy,
    LinkOver,
    NameRefused,
    NameTaken,
    RegistrationClosed,
    TooManyAttempts,
    WeakPassword,
)
from accounts.models import AttemptBudget, MailedLink, Membership, User
from accounts.services.attempts import Attempt, reserve
from accounts.services.invitations import invite
from accounts.services.registration import register, register_invited
from accounts.services.sign_in import SignedIn, sign_in
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import PASSWORD, make_person, make_realm

PEER = "192.0.2.1"


@pytest.fixture
def open_realm(realm: Realm) -> Realm:
    realm.registration = "open"
    realm.save()
    return realm


def attempt(realm: Realm, now: datetime, username: str = "Bea", password: str = PASSWORD) -> SignedIn:
    return register(realm=realm, username=username, password=password, address=PEER, now=now)


def spent() -> int:
    """How many buckets an attempt has been taken from."""
    return AttemptBudget.objects.count()


def test_a_new_person_is_a_member_without_roles_and_signed_in(open_realm: Realm, now: datetime) -> None:
    found = attempt(open_realm, now)
    person = User.objects.get()
    assert found == SignedIn(person, (), now, ("pwd",))
    assert (person.username, person.email, person.email_verified) == ("Bea", "", False)
    assert not person.is_staff
    assert not person.is_superuser
    membership = Membership.objects.get()
    assert (membership.user, membership.realm, membership.roles) == (person, open_realm, [])
    again = sign_in(realm=open_realm, username="bea", password=PASSWORD, address=PEER, now=now)
    assert again.person == person


def test_it_is_nobody_else_who_did_it(open_realm: Realm, now: datetime) -> None:
    person = attempt(open_realm, now).person
    for name, realm in ((EventName.PERSON_CREATED, ""), (EventName.MEMBERSHIP_CHANGED, "default")):
        event = Event.objects.get(name=name)
        assert (event.actor, event.target, event.realm) == (f"user:{person.subject}", person.subject, realm)


def test_a_closed_realm_makes_nobody(realm: Realm, now: datetime) -> None:
    with pytest.raises(RegistrationClosed):
        attempt(realm, now)
    assert not User.objects.exists()
    assert spent() == 0


@pytest.mark.parametrize("name", ["ana", "ANA", "ａｎａ"])
def test_a_name_that_reads_like_another_is_taken(name: str, open_realm: Realm, now: datetime) -> None:
    make_person("Ana", realm=make_realm("other", purposes=()))
    with pytest.raises(NameTaken):
        attempt(open_realm, now, name)
    assert not Membership.objects.filter(realm=open_realm).exists()
    event = Event.objects.get(name=EventName.REGISTRATION_REFUSED)
    assert (event.realm, event.target, event.details) == ("default", "", {"fault": "name_taken"})


@pytest.mark.parametrize("name", ["", "a b", "a\0b", "\u202eana", "\ufffd\ufffd", "x" * 151, "ﷺ" * 9])
def test_a_name_that_nobody_may_have_costs_no_attempt(name: str, open_realm: Realm, now: datetime) -> None:
    with pytest.raises(NameRefused):
        attempt(open_realm, now, name)
    assert spent() == 0


@pytest.mark.parametrize("password", ["short", "password1234", "anamaria.garcia"])
def test_a_weak_password_is_refused_unhashed(
    password: str, open_realm: Realm, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashers.BoundedArgon2, "encode", lambda *_args: pytest.fail("A password was hashed."))
    with pytest.raises(WeakPassword):
        attempt(open_realm, now, "anamaria.garcia", password)
    assert AttemptBudget.objects.filter(full_at__gt=now).count() == 1, "as a wrong one, and as no account"


@pytest.mark.spec("RFC 6585 §4")
def test_nobody_has_a_list_of_stolen_passwords_asked_without_end(
    open_realm: Realm, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question takes up to seconds of a worker, and goes to somebody else."""
    asked: list[str] = []

    def is_breached(password: str) -> bool:
        asked.append(password)
        return True

    monkeypatch.setattr(password_validators, "is_breached", is_breached)
    for number in range(ADDRESS.burst):
        with pytest.raises(WeakPassword):
            attempt(open_realm, now, f"person{number}")
    with pytest.raises(TooManyAttempts):
        attempt(open_realm, now)
    assert len(asked) == ADDRESS.burst
    assert Event.objects.get(name=EventName.REGISTRATION_LIMITED).details == {"limit": "address"}


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting needs no hashes."""
    monkeypatch.setattr(hashers.BoundedArgon2, "encode", lambda *_args: "argon2$x")


@pytest.mark.spec("RFC 6585 §4")
def test_an_address_makes_only_so_many_accounts(open_realm: Realm, now: datetime, cheap: None) -> None:
    for number in range(REGISTRATION.burst):
        attempt(open_realm, now, f"person{number}")
    with pytest.raises(TooManyAttempts) as refusal:
        attempt(open_realm, now, "one-more")
    assert refusal.value.retry_after == REGISTRATION.interval
    assert User.objects.count() == REGISTRATION.burst
    event = Event.objects.get(name=EventName.REGISTRATION_LIMITED)
    assert (event.realm, event.details) == ("default", {"limit": "registration"})
    register(realm=open_realm, username="elsewhere", password=PASSWORD, address="198.51.100.7", now=now)
    attempt(open_realm, now + REGISTRATION.interval, "one-more")


@pytest.mark.spec("RFC 6585 §4")
def test_asking_which_names_are_taken_meets_the_same_limit(open_realm: Realm, now: datetime, cheap: None) -> None:
    make_person("ana", realm=None)
    for _ in range(REGISTRATION.burst):
        with pytest.raises(NameTaken):
            attempt(open_realm, now, "ana")
    with pytest.raises(TooManyAttempts):
        attempt(open_realm, now, "ana")
    assert Event.objects.filter(name=EventName.REGISTRATION_LIMITED).count() == 1


@pytest.mark.spec("RFC 6585 §4")
@pytest.mark.parametrize(("used", "fault"), [(False, "address_taken"), (True, "link_over")])
def test_an_invitation_that_is_refused_leaves_its_events(
    used: bool, fault: str, open_realm: Realm, now: datetime, cheap: None, settings: LazySettings
) -> None:
    """They tell which limit it used up, though nothing else of it stays."""
    settings.IDP_CAN_MAIL = True
    make_person("ana", realm=None, email="ana@example.org")
    invitation = invite(realm=open_realm, email="ana@example.org", roles=(), actor="command:test", now=now)
    if used:
        MailedLink.objects.update(used_at=now)
    for _ in range(REGISTRATION.burst - 1):
        reserve(Attempt.REGISTRATION, address=PEER, now=now)
    with pytest.raises(LinkOver if used else AddressTaken):
        register_invited(invitation, username="bea", password=PASSWORD, address=PEER, now=now)
    assert User.objects.count() == 1
    assert Event.objects.get(name=EventName.REGISTRATION_REFUSED).details == {"fault": fault}
    assert Event.objects.get(name=EventName.REGISTRATION_LIMITED).details == {"limit": "registration"}


def test_registrations_and_guesses_share_the_budget_of_the_address(realm: Realm, now: datetime) -> None:
    for number in range(ADDRESS.burst - 1):
        reserve(Attempt.PASSWORD, username=f"person{number}", address=PEER, now=now)
    reserve(Attempt.REGISTRATION, address=PEER, now=now)
    with pytest.raises(TooManyAttempts):
        reserve(Attempt.REGISTRATION, address=PEER, now=now)
    with pytest.raises(TooManyAttempts):
        reserve(Attempt.PASSWORD, username="ana", address=PEER, now=now)


@pytest.mark.spec("threat-model.md: which names are taken is told at a bounded rate")
def test_a_busy_server_tells_nothing_and_costs_nobody_an_attempt(
    open_realm: Realm, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_args: object) -> None:
        raise HashingBusy

    make_person("ana", realm=open_realm)
    monkeypatch.setattr(hashers.BoundedArgon2, "encode", busy)
    for name in ("ana", "nobody"):
        with pytest.raises(HashingBusy):
            attempt(open_realm, now, name)
    assert all(row.full_at <= now for row in AttemptBudget.objects.all())
    assert not Event.objects.filter(name=EventName.REGISTRATION_REFUSED).exists()
