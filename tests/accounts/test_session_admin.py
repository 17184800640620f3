"""Sessions in the admin: to look at, and to end."""

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import hooks
from accounts.models import Session, User
from accounts.services.sessions import begin_session, end_session
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import Browser, make_person

LIST = "/admin/accounts/session/"
pytestmark = pytest.mark.spec("issue: operators see sessions and end them")


def operator(browser: Browser, *permissions: str) -> Browser:
    person = make_person("root", realm=None, is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser.force_login(person)
    return browser


def begin(person: User, realm: Realm, now: datetime, replacing: Session | None = None) -> Session:
    proof = SignedIn(person, (), now, ("pwd", "otp"))
    return begin_session(realm=realm, signed_in=proof, replacing=replacing, now=now)


def end(browser: Browser, *chosen: object) -> Any:
    form = {"action": "end_selected", "_selected_action": [str(each) for each in chosen], "index": "0"}
    return browser.post(LIST, form)


@pytest.fixture
def admin(browser: Browser, db: None) -> Browser:
    return operator(browser, "view_session", "end_session")


@pytest.fixture
def session(ana: User, realm: Realm, now: datetime) -> Session:
    return begin(ana, realm, now)


def test_the_list_says_who_is_signed_in_how_and_why_they_are_not_any_more(
    admin: Browser, session: Session, realm: Realm, now: datetime
) -> None:
    over = begin(make_person("eve", realm=realm), realm, now)
    end_session(over, reason=SessionEnd.REPLACED, actor="test", now=now)
    page = admin.get(LIST).content.decode()
    assert page.count('<td class="field-authentication_methods">pwd otp</td>') == 2
    assert '<td class="field-end">replaced</td>' in page
    for query, shown in (
        ("", (True, True)),
        ("end=none", (True, False)),
        ("end=replaced", (False, True)),
        ("end=operator", (False, False)),
        ("end=nonsense", (True, True)),
        ("q=ana", (True, False)),
        (f"q={over.sid}", (False, True)),
        (f"q={session.user.subject}", (True, False)),
    ):
        found = admin.get(f"{LIST}?{query}").content.decode()
        assert tuple(f"{LIST}{each.pk}/change/" in found for each in (session, over)) == shown, query
    assert session.sid in admin.get(f"{LIST}{session.pk}/change/").content.decode()


def test_the_list_takes_as_many_queries_for_twenty_as_for_one(
    admin: Browser, session: Session, realm: Realm, now: datetime
) -> None:
    admin.get(LIST)
    with CaptureQueriesContext(connection) as few:
        admin.get(LIST)
    for number in range(20):
        begin(make_person(f"p{number}", realm=realm), realm, now)
    with CaptureQueriesContext(connection) as many:
        admin.get(LIST)
    assert len(many) == len(few)


def test_nothing_is_written_by_hand(browser: Browser, session: Session) -> None:
    admin = operator(browser, "view_session", "add_session", "change_session", "delete_session")
    for page in ("add/", f"{session.pk}/delete/"):
        assert admin.get(f"{LIST}{page}").status_code == 403
    assert admin.post(f"{LIST}{session.pk}/change/", {"sid": "x"}).status_code == 403


def test_the_chosen_end_with_what_the_same_browser_had_before_and_whoever_registered_is_told(
    admin: Browser, session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    second = begin(ana, realm, now, replacing=session)
    third = begin(ana, realm, now, replacing=second)
    elsewhere = begin(ana, realm, now)
    told: list[Any] = []
    hooks.register_sessions_ended(listener := lambda ended, _now: told.append(sorted(ended)))
    try:
        assert end(admin, second.pk).status_code == 302
    finally:
        hooks._listeners.remove(listener)
    assert told == [[session.pk, second.pk, third.pk]]
    assert set(Session.objects.filter(ended_at=None)) == {elsewhere}
    assert set(Session.objects.exclude(ended_at=None).values_list("end_reason", flat=True)) == {SessionEnd.OPERATOR}
    root = User.objects.get(username="root")
    events = Event.objects.filter(name=EventName.SESSION_ENDED)
    assert {(event.target, event.actor) for event in events} == {
        (each.sid, f"user:{root.subject}") for each in (session, second, third)
    }


def test_what_has_ended_stays_as_it_is(admin: Browser, session: Session, now: datetime) -> None:
    end_session(session, reason=SessionEnd.SIGNED_OUT, actor="test", now=now)
    end(admin, session.pk)
    session.refresh_from_db()
    assert session.end_reason == SessionEnd.SIGNED_OUT
    assert Event.objects.filter(name=EventName.SESSION_ENDED).count() == 1


def test_twenty_take_as_many_queries_as_one(admin: Browser, realm: Realm, now: datetime) -> None:
    counts = []
    for several in (1, 20):
        people = [make_person(f"p{several}-{number}", realm=realm) for number in range(several)]
        chosen = [begin(person, realm, now).pk for person in people]
        with CaptureQueriesContext(connection) as statements:
            assert end(admin, *chosen).status_code == 302
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert not Session.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize("permissions", [("view_session", "change_session", "delete_session"), ("end_session",)])
def test_it_takes_a_permission_of_its_own(permissions: tuple[str, ...], browser: Browser, session: Session) -> None:
    admin = operator(browser, *permissions)
    assert b"end_selected" not in admin.get(LIST).content
    assert end(admin, session.pk).status_code == (200 if "view_session" in permissions else 403)
    assert Session.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "9" * 30, "1.5", "\0"])
def test_garbage_ends_nothing(value: str, admin: Browser, session: Session) -> None:
    assert end(admin, value).status_code == (302 if value in ("0", "-1") else 400)
    assert Session.objects.filter(ended_at=None).exists()


def test_a_form_of_another_site_ends_nothing(session: Session) -> None:
    admin = operator(Browser(enforce_csrf_checks=True), "view_session", "end_session")
    assert end(admin, session.pk).status_code == 403
    assert Session.objects.filter(ended_at=None).exists()
