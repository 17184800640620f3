"""People in the admin: the same limits, the same canonical names, an event for each change."""

import re
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import forms, hashers
from accounts.budget import ACCOUNT_AND_ADDRESS
from accounts.errors import HashingBusy
from accounts.hashers import BoundedArgon2
from accounts.models import Membership, User
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import PASSWORD, Browser, make_person, make_realm

LOGIN = "/admin/login/"
NO_MEMBERSHIPS = {
    "memberships-TOTAL_FORMS": "0",
    "memberships-INITIAL_FORMS": "0",
}


@pytest.fixture
def operator(db: None) -> User:
    return make_person("root", realm=None, is_staff=True, is_superuser=True)


@pytest.fixture
def admin(browser: Browser, operator: User) -> Browser:
    browser.force_login(operator)
    return browser


def login(client: Client, password: str, address: str = "192.0.2.1") -> Any:
    return client.post(LOGIN, {"username": "ROOT", "password": password}, REMOTE_ADDR=address)


def test_an_operator_signs_in_by_any_spelling_of_their_name(browser: Browser, operator: User) -> None:
    assert login(browser, PASSWORD).status_code == 302


def test_guesses_at_the_admin_meet_the_limit(browser: Browser, operator: User) -> None:
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        assert b"correct" in login(browser, "wrong").content
    answer = login(browser, PASSWORD)
    assert answer.status_code == 200
    assert b"too many attempts" in answer.content
    assert login(browser, PASSWORD, address="198.51.100.7").status_code == 302


def test_a_busy_server_says_so(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_args: object) -> None:
        raise HashingBusy

    monkeypatch.setattr(hashers.BoundedArgon2, "verify", busy)
    with pytest.raises(ValidationError, match="busy"):
        authenticate(None, username="root", password=PASSWORD)


@pytest.mark.parametrize("credentials", [{"username": ""}, {"username": "root"}, {"password": PASSWORD}])
def test_half_credentials_are_none(credentials: dict[str, str], operator: User) -> None:
    assert authenticate(None, **{"username": None, "password": None, **credentials}) is None


def test_a_person_who_is_no_operator_stays_outside(browser: Browser, ana: User) -> None:
    answer = browser.post(LOGIN, {"username": "ana", "password": PASSWORD})
    assert answer.status_code == 200
    assert browser.get("/admin/").status_code == 302


def test_a_new_person_is_made_with_an_event(admin: Browser, operator: User) -> None:
    form = {"username": "Ana", "email": "", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    answer = admin.post("/admin/accounts/user/add/", {**form, **NO_MEMBERSHIPS})
    assert answer.status_code == 302, answer.context["errors"]
    person = User.objects.get(username_canonical="ana")
    assert person.check_password(PASSWORD)
    event = Event.objects.get(name=EventName.PERSON_CREATED)
    assert (event.target, event.actor) == (person.subject, f"user:{operator.subject}")


def test_a_name_or_an_address_that_reads_like_anothers_is_refused(admin: Browser) -> None:
    make_person("ana", realm=None, email="ana@example.org")
    form = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD, **NO_MEMBERSHIPS}
    taken = admin.post("/admin/accounts/user/add/", {"username": "ＡNA", "email": "ANA@example.org", **form})
    assert taken.status_code == 200
    assert taken.content.count(b"reads the same") == 2
    invisible = admin.post("/admin/accounts/user/add/", {"username": "a\u200bna", "email": "a@b@c", **form})
    assert b"invisible" in invisible.content
    assert User.objects.count() == 2


@pytest.mark.spec("WCAG 2.2 §4.1.2")
def test_each_field_of_a_membership_says_what_it_is(admin: Browser, realm: Realm, ana: User) -> None:
    page = admin.get(f"/admin/accounts/user/{ana.pk}/change/").content.decode()
    for name, label in (("realm", "Realm"), ("roles", "Roles")):
        assert re.search(f'name="memberships-0-{name}"[^>]*aria-label="{label}"', page)


def test_a_person_and_their_realms_can_be_changed_with_events(
    admin: Browser, operator: User, realm: Realm, ana: User
) -> None:
    other = make_realm("other")
    page = f"/admin/accounts/user/{ana.pk}/change/"
    shown = admin.get(page)
    assert ana.subject.encode() in shown.content
    assert ana.password.split("$")[-1].encode() not in shown.content
    mine = Membership.objects.get()
    form = {
        "username": "ana",
        "email": "",
        "memberships-TOTAL_FORMS": "2",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": mine.pk,
        "memberships-0-user": ana.pk,
        "memberships-0-realm": realm.pk,
        "memberships-0-roles": "",
        "memberships-0-DELETE": "on",
        "memberships-1-user": ana.pk,
        "memberships-1-realm": other.pk,
        "memberships-1-roles": "reader editor",
    }
    answer = admin.post(page, form)
    assert answer.status_code == 302, answer.context["errors"]
    membership = Membership.objects.get()
    assert (membership.realm, membership.roles) == (other, ["editor", "reader"])
    assert not User.objects.get(pk=ana.pk).is_active
    names = [event.name for event in Event.objects.filter(target=ana.subject, actor=f"user:{operator.subject}")]
    assert sorted(names) == ["membership.changed", "membership.ended", "person.changed"]
    form |= {"memberships-TOTAL_FORMS": "1", "memberships-0-id": membership.pk, "memberships-0-realm": other.pk}
    del form["memberships-0-DELETE"]
    assert b"characters" in admin.post(page, form | {"memberships-0-roles": 'a"b'}).content
    assert b"editor reader" in admin.get(page).content


def test_a_new_password_leaves_an_event_and_a_refused_one_none(admin: Browser, operator: User, ana: User) -> None:
    page = f"/admin/accounts/user/{ana.pk}/password/"
    assert admin.get(page).status_code == 200
    assert admin.post(page, {"usable_password": "true", "password1": "short", "password2": "short"}).status_code == 200
    assert not Event.objects.filter(name=EventName.PERSON_CHANGED).exists()
    form = {"usable_password": "true", "password1": "another good one", "password2": "another good one"}
    assert admin.post(page, form).status_code == 302
    assert User.objects.get(pk=ana.pk).check_password("another good one")
    event = Event.objects.get(name=EventName.PERSON_CHANGED)
    assert (event.target, event.details["fields"]) == (ana.subject, "password")


@pytest.mark.spec("house.md: no transaction over slow work")
def test_no_transaction_waits_for_the_hash_of_somebodys_new_password(
    admin: Browser, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, depths = len(connection.savepoint_ids), []
    encode = BoundedArgon2.encode

    def watched(*args: Any, **kwargs: Any) -> str:
        depths.append(len(connection.savepoint_ids))
        return encode(*args, **kwargs)

    monkeypatch.setattr(BoundedArgon2, "encode", watched)
    form = {"usable_password": "true", "password1": "another good one", "password2": "another good one"}
    assert admin.post(f"/admin/accounts/user/{ana.pk}/password/", form).status_code == 302
    assert depths
    assert set(depths) == {outside}


def test_somebodys_new_password_is_not_taken_without_its_event(
    admin: Browser, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no event")

    monkeypatch.setattr(forms, "record_person_changed", fail)
    form = {"usable_password": "true", "password1": "another good one", "password2": "another good one"}
    assert admin.post(f"/admin/accounts/user/{ana.pk}/password/", form).status_code == 500
    assert not User.objects.get(pk=ana.pk).check_password("another good one")


def claims_form(person: User, **fields: str) -> dict[str, Any]:
    """The change form of a person as the page shows it, with some fields filled in otherwise."""
    return {"username": person.username, "email": person.email, "is_active": "on", **NO_MEMBERSHIPS, **fields}


def changed(admin: Browser, person: User, **fields: str) -> User:
    """The person after the form was sent."""
    answer = admin.post(f"/admin/accounts/user/{person.pk}/change/", claims_form(person, **fields))
    assert answer.status_code == 302, answer.context["errors"]
    return User.objects.get(pk=person.pk)


@pytest.mark.spec("OIDC Core §5.1, updated_at")
def test_claims_are_kept_with_the_time_of_their_change(admin: Browser) -> None:
    person = make_person("ana", realm=None)
    unchanged = changed(admin, person, is_staff="on")
    assert unchanged.updated_at is None
    found = changed(admin, person, name="Ana", locale="pt-PT", zoneinfo="Europe/Lisbon", address="Rua Um 1\r\nLisboa")
    assert (found.name, found.locale, found.zoneinfo) == ("Ana", "pt-PT", "Europe/Lisbon")
    assert found.address == "Rua Um 1\nLisboa"
    assert found.updated_at is not None
    event = Event.objects.filter(name=EventName.PERSON_CHANGED, target=person.subject).first()
    assert event is not None
    assert event.details["fields"] == "address is_staff locale name zoneinfo"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "a\u202eb"),
        ("locale", "pt_PT"),
        ("zoneinfo", "Mars/Olympus"),
        ("phone_number", "211"),
        ("name", "a\0b"),
    ],
)
def test_a_claim_of_another_form_is_refused(column: str, value: str, admin: Browser) -> None:
    person = make_person("ana", realm=None)
    answer = admin.post(f"/admin/accounts/user/{person.pk}/change/", claims_form(person, **{column: value}))
    assert answer.status_code == 200
    assert set(answer.context["adminform"].form.errors) == {column}


@pytest.mark.spec("OIDC Core §5.1, email_verified")
def test_another_address_or_number_is_not_verified_until_somebody_says_so(admin: Browser) -> None:
    person = make_person("ana", realm=None)
    first = {"email": "ana@example.org", "phone_number": "+351211234567"}
    verified = {"email_verified": "on", "phone_number_verified": "on"}
    found = changed(admin, person, **first, **verified)
    assert (found.email_verified, found.phone_number_verified) == (True, True)
    found = changed(admin, found, **first | {"email": "eve@example.org"}, **verified)
    assert (found.email_verified, found.phone_number_verified) == (False, True)
    event = Event.objects.filter(name=EventName.PERSON_CHANGED, target=person.subject).first()
    assert event is not None
    assert event.details["fields"] == "email email_verified"
    assert changed(admin, found, **first | {"email": "eve@example.org"}, **verified).email_verified


def test_nothing_is_verified_that_is_not_there(admin: Browser) -> None:
    person = make_person("ana", realm=None)
    answer = admin.post(f"/admin/accounts/user/{person.pk}/change/", claims_form(person, email_verified="on"))
    assert set(answer.context["adminform"].form.errors) == {"email_verified"}


@pytest.mark.spec("issue: every change in the admin leaves an event")
def test_a_deleted_person_leaves_an_event_alone_or_with_others(admin: Browser, operator: User, realm: Realm) -> None:
    people = [make_person(name, realm=realm) for name in ("bo", "cy", "di")]
    assert admin.post(f"/admin/accounts/user/{people[0].pk}/delete/", {"post": "yes"}).status_code == 302
    now = timezone.now()
    for person in people[1:]:
        begin_session(realm=realm, signed_in=SignedIn(person, (), now, ("pwd",)), now=now)
    many = {"action": "delete_selected", "_selected_action": [person.pk for person in people[1:]], "post": "yes"}
    with CaptureQueriesContext(connection) as asked:
        assert admin.post("/admin/accounts/user/", many).status_code == 302
    locks = [query for query in asked.captured_queries if query["sql"].endswith('FOR UPDATE OF "accounts_session"')]
    assert len(locks) == 2, "however many they are: before their rows are held, and after"
    assert not User.objects.filter(pk__in=[person.pk for person in people]).exists()
    events = Event.objects.filter(name=EventName.PERSON_DELETED)
    assert {event.target for event in events} == {person.subject for person in people}
    assert {event.actor for event in events} == {f"user:{operator.subject}"}
