"""The registration page and those who mean harm: races, open redirects, planted cookies, forms of other sites."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib.sessions.models import Session as CookieSession
from django.db import close_old_connections, connections

from accounts.models import Membership, Session, User
from accounts.services import people
from accounts.views.page import MAX_FORM
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.accounts.test_return_path import OPEN_REDIRECTS
from tests.flows.test_registration import PAGE, open_realm, register
from tests.pages import FORM, NEXT, Elements, whose
from tests.provider import PASSWORD, Browser, make_person, make_realm

__all__ = ["open_realm"]


@pytest.fixture
def strict() -> Browser:
    """A browser whose forms are checked as in production."""
    return Browser(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("looked", [True, False])
def test_of_many_who_want_a_name_at_once_one_gets_it(looked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others read that it is taken, whether the look or the database's constraint finds out."""
    make_realm(purposes=())
    Realm.objects.update(registration="open")
    if not looked:
        monkeypatch.setattr(people, "name_taken", lambda *_args, **_kwargs: False)

    def want(name: str) -> tuple[int, bool]:
        close_old_connections()
        try:
            answer = register(Browser(raise_request_exception=False), username=name)
            return answer.status_code, b"is taken" in answer.content
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(want, ["bea", "Bea", "BEA", "ｂｅａ"]))
    assert answers == [(303, False), (422, True), (422, True), (422, True)]
    assert [User.objects.count(), Membership.objects.count(), Session.objects.count()] == [1, 1, 1]
    assert Event.objects.filter(name=EventName.PERSON_CREATED).count() == 1


@pytest.mark.spec("RFC 9700 §4.11.2")
@pytest.mark.parametrize("target", [text for text in OPEN_REDIRECTS if text.isprintable() or "\r" in text])
def test_it_leads_nowhere_else(target: str, browser: Browser, open_realm: Realm) -> None:
    shown = Elements(browser.get(f"{PAGE}?next={quote(target, errors='surrogatepass')}").content)
    assert not shown.all(name="next")
    assert shown.one(id="sign-in-link")["href"] == "/sign-in"
    signing_in = Elements(browser.get(f"/sign-in?next={quote(target, errors='surrogatepass')}").content)
    assert signing_in.one(id="register-link")["href"] == PAGE
    assert register(browser, next=target)["Location"] == "/signed-in"


@pytest.mark.parametrize("hint", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:7 }}"])
def test_a_hint_is_shown_as_text(hint: str, browser: Browser, open_realm: Realm) -> None:
    page = Elements(browser.get(f"{PAGE}?{urlencode({'login_hint': hint})}").content)
    assert page.one(id="username")["value"] == hint
    assert not page.all(src="x")


@pytest.mark.parametrize("name", ["<b>bea</b>", '"><img/src=x>', "{{bea}}"])
def test_a_name_is_shown_as_text(name: str, browser: Browser, open_realm: Realm) -> None:
    assert register(browser, username=name).status_code == 303
    page = Elements(browser.get("/signed-in").content)
    assert {"b", "script"} & {tag for tag, _have in page.found} == set()
    assert not page.all(src="x")


@pytest.mark.spec("RFC 9700 §4.7, session fixation")
def test_a_planted_cookie_is_worth_nothing_after_it(browser: Browser, open_realm: Realm) -> None:
    attacker = Browser()
    planted = attacker.session
    planted["planted"] = True
    planted.save()
    browser.cookies["sessionid"] = str(planted.session_key)
    assert register(browser).status_code == 303
    assert browser.cookies["sessionid"].value != planted.session_key
    assert not CookieSession.objects.filter(session_key=planted.session_key).exists()
    attacker.cookies["sessionid"] = str(planted.session_key)
    assert whose(attacker) == ""


@pytest.mark.spec("RFC 9700 §4.7, CSRF")
def test_a_form_of_another_site_registers_nobody(strict: Browser, open_realm: Realm) -> None:
    answer = register(strict)
    assert answer.status_code == 403
    assert b"This page is out of date" in answer.content
    assert not User.objects.exists()


@pytest.mark.spec("RFC 9700 §4.7, CSRF")
def test_our_own_form_does(strict: Browser, open_realm: Realm) -> None:
    token = Elements(strict.get(PAGE).content).first(name="csrfmiddlewaretoken")["value"] or ""
    referer: dict[str, Any] = {"HTTP_HOST": "testserver", "HTTP_REFERER": "https://testserver/register"}
    body = urlencode({"username": "bea", "password": PASSWORD, "csrfmiddlewaretoken": token})
    assert strict.post(PAGE, body, FORM, HTTP_ORIGIN="https://evil.example").status_code == 403
    assert strict.post(PAGE, body, FORM, **referer).status_code == 303
    other = body.replace("bea", "cleo")
    assert strict.post(PAGE, other, FORM, **referer).status_code == 403  # the token changed with the session


@pytest.mark.parametrize(
    ("content_type", "body", "headers", "status"),
    [
        ("application/json", b"{}", {}, 415),
        ("multipart/form-data; boundary=x", b"--x--", {}, 415),
        ("", b"", {}, 415),
        (FORM, b"x" * (MAX_FORM + 1), {}, 413),
        (FORM, b"username=a&username=b", {}, 400),
        (FORM, b"password=a&password=b", {}, 400),
        (FORM, b"next=a&next=b", {}, 400),
        (FORM, b"&" * 500, {}, 422),
        (FORM, b"username=%ff%fe&password=correct+horse+battery", {}, 422),
        (FORM, b"username=%ed%a0%80&password=correct+horse+battery", {}, 422),
        (FORM, b"username=%00&password=%00", {}, 422),
        (FORM, b"a=1&" * 2_000, {}, 400),
        (FORM, b"username=bea", {"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        (FORM, b"username=bea", {"CONTENT_LENGTH": "-1"}, 413),
    ],
)
def test_a_malformed_form_is_refused(
    content_type: str, body: bytes, headers: dict[str, Any], status: int, browser: Browser, open_realm: Realm
) -> None:
    assert browser.generic("POST", PAGE, body, content_type, **headers).status_code == status
    assert not User.objects.exists()


@pytest.mark.parametrize("query", ["next=a&next=b", "login_hint=a&login_hint=b"])
def test_a_repeated_parameter_is_refused(query: str, browser: Browser, open_realm: Realm) -> None:
    answer = browser.get(f"{PAGE}?{query}")
    assert answer.status_code == 400
    assert b"Malformed request" in answer.content


@pytest.mark.parametrize("slug", ["nowhere", "shut"])
def test_a_realm_that_is_not_there_is_a_page_that_says_so(slug: str, browser: Browser, open_realm: Realm) -> None:
    make_realm("shut", purposes=())
    Realm.objects.filter(slug="shut").update(enabled=False, registration="open")
    for answer in (browser.get(f"/realms/{slug}/register"), register(browser, f"/realms/{slug}/register")):
        assert answer.status_code == 404
        assert b"There is no such realm here" in answer.content


def test_a_person_of_another_realm_gets_no_second_account_under_their_name(browser: Browser, open_realm: Realm) -> None:
    make_person("bea", realm=make_realm("other", purposes=()))
    answer = register(browser, next=NEXT)
    assert answer.status_code == 422
    assert not Membership.objects.filter(realm=open_realm).exists()
    assert not Session.objects.exists()
