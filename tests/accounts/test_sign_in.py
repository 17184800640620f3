"""Whether somebody is who they say: one answer and one amount of work for everything that is wrong."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import hashers
from accounts.budget import ACCOUNT_AND_ADDRESS
from accounts.errors import HashingBusy, SignInRefused, TooManyAttempts
from accounts.models import AttemptBudget, User
from accounts.selectors import Candidate
from accounts.services import sign_in as sign_in_service
from accounts.services.sign_in import SignedIn, sign_in
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import PASSWORD, make_person, make_realm


def attempt(
    realm: Realm | None, now: datetime, username: str = "ana", password: str = PASSWORD, address: str = "192.0.2.1"
) -> SignedIn:
    return sign_in(realm=realm, username=username, password=password, address=address, now=now)


def test_a_member_signs_in_with_their_roles(realm: Realm, now: datetime) -> None:
    person = make_person(realm=realm, roles=("editor", "reader"))
    found = attempt(realm, now, username="ANA")
    assert found == SignedIn(person, ("editor", "reader"), now, ("pwd",))


def test_a_member_of_another_realm_brings_no_roles_from_there(realm: Realm, now: datetime) -> None:
    make_person(realm=make_realm("other"), roles=("owner",))
    with pytest.raises(SignInRefused, match="not_a_member"):
        attempt(realm, now)


def test_an_operator_needs_no_realm(ana: User, now: datetime) -> None:
    assert attempt(None, now).person == ana


WRONG = {
    "unknown_name": {"username": "nobody"},
    "wrong_password": {"password": "wrong"},
    "disabled": {"username": "disabled"},
    "not_a_member": {"username": "stranger"},
}


@pytest.fixture
def others(realm: Realm) -> None:
    make_person("disabled", realm=realm, is_active=False)
    make_person("stranger", realm=None)


def counting(name: str, calls: list[str]) -> Callable[..., object]:
    """A method of Django's hasher that notes its calls."""
    real = getattr(Argon2PasswordHasher, name)

    def counted(*args: object) -> object:
        calls.append(name)
        return real(*args)

    return counted


@pytest.mark.parametrize("fault", WRONG)
def test_whatever_is_wrong_takes_the_same_work(
    fault: str, realm: Realm, ana: User, others: None, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: one hash and as many statements, whoever it is."""
    hashed: list[str] = []
    for name in ("encode", "verify"):
        monkeypatch.setattr(Argon2PasswordHasher, name, counting(name, hashed))
    with CaptureQueriesContext(connection) as statements, pytest.raises(SignInRefused, match=fault):
        attempt(realm, now, **WRONG[fault])
    with CaptureQueriesContext(connection) as unknown, pytest.raises(SignInRefused):
        attempt(realm, now, username="nobody at all")
    assert len(hashed) == 2  # one for each attempt
    assert [query["sql"].split()[0] for query in statements] == [query["sql"].split()[0] for query in unknown]


@pytest.mark.parametrize("fault", WRONG)
def test_the_audit_alone_learns_what_was_wrong(
    fault: str, realm: Realm, ana: User, others: None, now: datetime
) -> None:
    with pytest.raises(SignInRefused):
        attempt(realm, now, **WRONG[fault])
    event = Event.objects.get(name=EventName.SIGN_IN_REFUSED)
    assert event.details == {"fault": fault}
    assert event.realm == "default"
    assert (event.target == "") == (fault == "unknown_name")
    assert "ana" not in event.target


def test_a_success_gives_its_attempt_back(realm: Realm, ana: User, now: datetime) -> None:
    for _ in range(3 * ACCOUNT_AND_ADDRESS.burst):
        attempt(realm, now)
    assert all(row.full_at <= now for row in AttemptBudget.objects.all())
    assert Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED, target=ana.subject).count() == 30


def test_the_right_password_does_not_help_once_the_limit_is_reached(
    realm: Realm, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        with pytest.raises(SignInRefused):
            attempt(realm, now, password="wrong")
    monkeypatch.setattr(hashers.BoundedArgon2, "verify", lambda *_args: pytest.fail("A password was hashed."))
    with pytest.raises(TooManyAttempts):
        attempt(realm, now)


def test_a_limit_leaves_one_event_however_many_come_after(realm: Realm, ana: User, now: datetime) -> None:
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        with pytest.raises(SignInRefused):
            attempt(realm, now, password="wrong")
    for _ in range(5):
        with pytest.raises(TooManyAttempts):
            attempt(realm, now, password="wrong")
    event = Event.objects.get(name=EventName.SIGN_IN_LIMITED)
    assert event.details == {"limit": "account-address"}
    assert Event.objects.filter(name=EventName.SIGN_IN_REFUSED).count() == ACCOUNT_AND_ADDRESS.burst


def test_a_busy_server_costs_nobody_an_attempt(
    realm: Realm, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_args: object) -> None:
        raise HashingBusy

    monkeypatch.setattr(hashers.BoundedArgon2, "verify", busy)
    with pytest.raises(HashingBusy):
        attempt(realm, now)
    assert all(row.full_at <= now for row in AttemptBudget.objects.all())


def test_a_person_without_a_usable_password_is_refused_with_the_same_work(realm: Realm, now: datetime) -> None:
    person = make_person(realm=realm)
    person.set_unusable_password()
    person.save()
    with pytest.raises(SignInRefused, match="wrong_password"):
        attempt(realm, now)


def test_a_hash_with_older_parameters_is_renewed_at_a_sign_in(
    realm: Realm, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = make_person(realm=realm)
    with monkeypatch.context() as weaker:
        weaker.setattr(hashers.BoundedArgon2, "memory_cost", 9_000)
        person.set_password(PASSWORD)
        person.save()
    attempt(realm, now)
    assert "m=19456" in User.objects.get(pk=person.pk).password


MEANWHILE: dict[str, Callable[[datetime], object]] = {
    "another password": lambda before: User.objects.update(password="!", signed_out_at=before),
    "disabled": lambda _before: User.objects.update(is_active=False),
    "deleted": lambda _before: User.objects.all().delete(),
}


@pytest.mark.spec("threat-model.md: another password ends everything that was got with the one of before")
@pytest.mark.parametrize("change", MEANWHILE)
def test_who_changes_while_the_password_is_hashed_is_not_signed_in(
    change: str, realm: Realm, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment from which sign-ins count lies before this one, since the other password was hashed before it."""
    real = sign_in_service._password_matches

    def hashing(candidate: Candidate | None, password: str) -> bool:
        matches = real(candidate, password)
        MEANWHILE[change](now - timedelta(milliseconds=1))
        return matches

    monkeypatch.setattr(sign_in_service, "_password_matches", hashing)
    with pytest.raises(SignInRefused, match="wrong_password"):
        attempt(realm, now)
    assert AttemptBudget.objects.filter(full_at__gt=now).exists(), "it counts as a guess"
    assert not Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).exists()
