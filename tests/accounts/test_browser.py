"""People's sessions and the operators' admin in one cookie: neither has a part in what happens to the other."""

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user, login, logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session as CookieSession
from django.http import HttpRequest
from django.test import RequestFactory

from accounts import browser
from accounts.cookie_sessions import SIDS, SessionStore
from accounts.models import Membership, Session, User
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from realms.models import Realm
from tests.provider import make_person, make_realm


def request_with(cookie: str | None = None) -> HttpRequest:
    """A request of the browser that has this cookie."""
    request = RequestFactory().get("/")
    request.session = SessionStore(cookie)
    request.user = AnonymousUser()
    return request


def next_request(request: HttpRequest) -> HttpRequest:
    """What the same browser asks next."""
    request.session.save()
    return request_with(request.session.session_key)


def begin(person: User, realm: Realm, now: datetime) -> Session:
    return begin_session(realm=realm, signed_in=SignedIn(person, (), now, ("pwd",)), now=now)


def person_in(request: HttpRequest, realm: Realm, now: datetime) -> User | None:
    live = browser.current(request, realm=realm, now=now)
    return live.person if live else None


@pytest.fixture
def operator(db: None) -> User:
    return make_person("root", realm=None, is_staff=True, is_superuser=True)


@pytest.fixture
def signed_in(ana: User, realm: Realm, now: datetime) -> HttpRequest:
    """A request of a browser that Ana signed in with."""
    request = request_with()
    browser.remember(request, begin(ana, realm, now))
    return next_request(request)


def admin_user(request: HttpRequest) -> Any:
    """Who the admin takes the browser's operator for."""
    return get_user(request) if SESSION_KEY in request.session else None


def test_a_browser_holds_the_session_it_was_given(
    signed_in: HttpRequest, ana: User, realm: Realm, now: datetime
) -> None:
    assert person_in(signed_in, realm, now) == ana


def test_a_browser_without_a_cookie_holds_none(realm: Realm, now: datetime) -> None:
    request = request_with()
    assert person_in(request, realm, now) is None
    assert not request.session.modified


@pytest.mark.spec("RFC 9700 §4.7, session fixation")
def test_a_cookie_that_was_there_before_the_sign_in_is_worth_nothing_after_it(
    ana: User, realm: Realm, now: datetime
) -> None:
    planted = request_with()
    planted.session["planted"] = True
    planted.session.save()
    victim = request_with(planted.session.session_key)
    token_before = victim.META["CSRF_COOKIE"] = "x" * 32
    browser.remember(victim, begin(ana, realm, now))
    after = next_request(victim)
    assert after.session.session_key != planted.session.session_key
    assert not CookieSession.objects.filter(session_key=planted.session.session_key).exists()
    assert person_in(request_with(planted.session.session_key), realm, now) is None
    assert victim.META["CSRF_COOKIE"] != token_before


def test_each_realm_has_its_own_session(signed_in: HttpRequest, ana: User, realm: Realm, now: datetime) -> None:
    other = make_realm("other", purposes=())
    Membership.objects.create(user=ana, realm=other, created_at=now)
    assert person_in(signed_in, other, now) is None
    browser.remember(signed_in, begin(ana, other, now))
    both = next_request(signed_in)
    assert (person_in(both, realm, now), person_in(both, other, now)) == (ana, ana)
    browser.forget(both, other)
    rest = next_request(both)
    assert (person_in(rest, realm, now), person_in(rest, other, now)) == (ana, None)


@pytest.mark.spec("tokens.md, a session of one realm satisfies no other")
def test_a_sid_put_under_another_realm_counts_for_nothing(signed_in: HttpRequest, realm: Realm, now: datetime) -> None:
    other = make_realm("other", purposes=())
    signed_in.session[SIDS] = {"other": signed_in.session[SIDS]["default"]}
    assert person_in(signed_in, other, now) is None
    assert person_in(signed_in, realm, now) is None


def test_forgetting_the_last_session_leaves_no_row_for_the_cookie(signed_in: HttpRequest, realm: Realm) -> None:
    browser.forget(signed_in, realm)
    assert not CookieSession.objects.exists()


def test_forgetting_where_nothing_is_held_is_nothing(realm: Realm, now: datetime) -> None:
    request = request_with()
    browser.forget(request, realm)
    assert person_in(request, realm, now) is None


def test_an_operator_stays_signed_in_when_a_person_signs_in_and_out(
    operator: User, ana: User, realm: Realm, now: datetime
) -> None:
    request = request_with()
    login(request, operator)
    request = next_request(request)
    browser.remember(request, begin(ana, realm, now))
    request = next_request(request)
    assert (admin_user(request), person_in(request, realm, now)) == (operator, ana)
    browser.forget(request, realm)
    request = next_request(request)
    assert (admin_user(request), person_in(request, realm, now)) == (operator, None)


def test_a_person_stays_signed_in_when_operators_sign_in_and_out(
    signed_in: HttpRequest, operator: User, ana: User, realm: Realm, now: datetime
) -> None:
    cookies = {signed_in.session.session_key}
    request = signed_in
    for somebody in (operator, make_person("second", realm=None, is_staff=True)):
        login(request, somebody)
        request = next_request(request)
        assert (admin_user(request), person_in(request, realm, now)) == (somebody, ana)
        cookies.add(request.session.session_key)
    request.user = operator
    logout(request)
    request = next_request(request)
    assert (admin_user(request), person_in(request, realm, now)) == (None, ana)
    cookies.add(request.session.session_key)
    assert len(cookies) == 4  # another value each time


def test_an_operators_sign_out_leaves_nothing_where_no_person_is_signed_in(operator: User) -> None:
    request = request_with()
    login(request, operator)
    request = next_request(request)
    request.session["of the admin"] = "kept nowhere"
    logout(request)
    assert request.session.is_empty()
    assert not CookieSession.objects.exists()


def test_an_operators_sign_out_carries_nothing_else_over(signed_in: HttpRequest, operator: User, realm: Realm) -> None:
    login(signed_in, operator)
    signed_in.session["of the admin"] = "not carried over"
    logout(signed_in)
    assert set(signed_in.session.keys()) == {SIDS}
