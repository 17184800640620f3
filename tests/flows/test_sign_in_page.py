"""The sign-in page of a realm: one way on, the same words for every refusal, and nothing that a script has to do."""

import re
from urllib.parse import urlencode

import pytest
from django.db import OperationalError
from django.urls import reverse

from accounts import hashers
from accounts.budget import ACCOUNT_AND_ADDRESS
from accounts.errors import HashingBusy
from accounts.models import Session, User
from accounts.views import sign_in as sign_in_page
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.pages import FORM, NEXT, PAGE, Elements, post, whose
from tests.provider import PASSWORD, Browser, make_person, make_realm

REFUSED = b"The user name or the password is wrong."


@pytest.mark.spec("RFC 9700 §4.12 no-307, RFC 9700 §4.12 see-other, RFC 9700 §2.1 no-credentials-forwarded")
def test_a_person_signs_in_and_goes_on(browser: Browser, ana: User) -> None:
    answer = post(browser, next=NEXT)
    assert (answer.status_code, answer["Location"]) == (303, NEXT)
    assert answer["Cache-Control"] == "no-store"
    session = Session.objects.get()
    assert (session.user, session.methods) == (ana, ["pwd"])
    cookie = answer.cookies["sessionid"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
    assert session.sid not in cookie.value
    assert whose(browser) == "ana"


def test_another_realm_has_its_own_page_and_way_on(browser: Browser, ana: User) -> None:
    other = make_realm("other", purposes=())
    make_person("bea", realm=other)
    page = reverse("realm:sign-in", kwargs={"realm": "other"})
    assert page == "/realms/other/sign-in"
    assert Elements(browser.get(page).content).one(id="login-form")["action"] == page
    following = "/realms/other/authorize?client_id=app"
    assert post(browser, page, username="bea", next=following)["Location"] == following
    assert post(browser, page, username="bea", next=NEXT)["Location"] == "/realms/other/signed-in"
    assert whose(browser) == ""
    assert b"bea" in browser.get("/realms/other/signed-in").content
    assert browser.get("/signed-in")["Location"] == PAGE


def test_without_a_way_on_the_page_says_that_one_is_signed_in(browser: Browser, ana: User) -> None:
    answer = post(browser)
    assert (answer.status_code, answer["Location"]) == (303, "/signed-in")
    page = browser.get("/signed-in")
    assert b"You are signed in" in page.content
    assert page["Cache-Control"] == "no-store"


def test_the_form_works_without_a_script_and_for_everybody(browser: Browser, realm: Realm) -> None:
    Realm.objects.update(name="Acme & <Sons>")
    answer = browser.get(f"{PAGE}?{urlencode({'next': NEXT, 'login_hint': 'ana'})}")
    page = Elements(answer.content)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    username, password = page.one(id="username"), page.one(id="password")
    assert (username["name"], username["autocomplete"], username["value"]) == ("username", "username", "ana")
    assert (password["name"], password["autocomplete"]) == ("password", "current-password")
    assert ["autofocus" in field for field in (username, password)] == [False, True]
    assert {"username", "password"} == {label["for"] for tag, label in page.found if tag == "label"}
    assert page.one(id="login-submit")["type"] == "submit"
    assert page.one(name="next")["value"] == NEXT
    assert page.one(lang="en")
    assert b"Acme &amp; &lt;Sons&gt;" in answer.content
    assert not page.all(role="alert")


@pytest.mark.spec("RFC 9700 §4.16 no-framing, RFC 9700 §4.16 csp")
def test_nothing_on_the_page_is_inline(browser: Browser, realm: Realm) -> None:
    answer = browser.get(PAGE)
    elements = Elements(answer.content)
    assert "style" not in {tag for tag, _have in elements.found}
    scripts = [have for tag, have in elements.found if tag == "script"]
    assert [each["src"] for each in scripts] == ["/static/signet/passkeys.js"]
    assert b"></script>" in answer.content
    assert not re.search(rb"\s(style|on\w+)=", answer.content)
    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["style-src"] == policy["script-src"] == "'self'"
    assert "form-action" not in policy  # Chromium would stop the way on to a client's address
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"


WRONG = {
    "unknown": {"username": "nobody"},
    "wrong password": {"password": "guess 1 of many"},
    "disabled": {"username": "disabled"},
    "no member": {"username": "stranger"},
    "NUL in the name": {"username": "a\0na"},
    "NUL in the password": {"password": f"{PASSWORD}\0"},
    "a long name": {"username": "x" * 5_000},
    "a long password": {"password": "x" * 5_000},
    "a password of long characters": {"password": "€" * 342},
    "spaces": {"username": " "},
    "SQL": {"username": "' OR 1=1 --"},
}


@pytest.fixture
def others(realm: Realm) -> None:
    make_person("disabled", realm=realm, is_active=False)
    make_person("stranger", realm=None)


@pytest.mark.spec("RFC 9110 §15.5.21")
@pytest.mark.parametrize("fault", WRONG)
def test_every_refusal_is_in_the_same_words(fault: str, browser: Browser, ana: User, others: None) -> None:
    answer = post(browser, **{"next": NEXT, **WRONG[fault]})
    assert answer.status_code == 422
    page = Elements(answer.content)
    alert = page.one(role="alert")
    assert answer.content.count(REFUSED) == 1
    for name in ("username", "password"):
        field = page.one(id=name)
        assert (field["aria-invalid"], field["aria-describedby"]) == ("true", alert["id"])
    assert page.one(name="next")["value"] == NEXT
    assert "value" not in page.one(id="password")
    assert WRONG[fault].get("password", PASSWORD).encode() not in answer.content
    assert "sessionid" not in answer.cookies
    assert not Session.objects.exists()
    assert answer["Cache-Control"] == "no-store"


def test_pages_of_refusals_differ_in_nothing_but_the_name(browser: Browser, ana: User, others: None) -> None:
    pages = set()
    for name in ("ana", "nobody", "disabled", "stranger"):
        answer = post(browser, username=name, password="wrong")
        token = re.sub(rb'csrfmiddlewaretoken" value="[^"]*"', b"", answer.content)
        pages.add(token.replace(f'value="{name}"'.encode(), b""))
    assert len(pages) == 1


def test_an_empty_field_is_named_and_costs_no_attempt(
    browser: Browser, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_page, "sign_in", lambda **_: pytest.fail("There was nothing to check."))
    answer = browser.post(PAGE, "username=ana", FORM)
    page = Elements(answer.content)
    assert answer.status_code == 422
    assert page.one(id="password")["aria-describedby"] == "password-error"
    assert page.one(id="password-error")
    assert "aria-invalid" not in page.one(id="username")
    assert "autofocus" in page.one(id="password")
    both = Elements(browser.post(PAGE, "next=", FORM).content)
    assert both.one(id="username")["aria-describedby"] == "username-error"
    assert ["autofocus" in both.one(id=name) for name in ("username", "password")] == [True, False]


@pytest.mark.spec("RFC 6585 §4, RFC 6749 §10.10 passwords-guarded")
def test_guesses_meet_the_limit(browser: Browser, ana: User) -> None:
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        assert post(browser, password="wrong").status_code == 422
    answer = post(browser, next=NEXT)
    assert answer.status_code == 429
    seconds = int(answer["Retry-After"])
    assert 0 < seconds <= ACCOUNT_AND_ADDRESS.interval.total_seconds()
    assert f"Try again in {seconds} seconds".encode() in answer.content
    assert Elements(answer.content).one(name="next")["value"] == NEXT
    assert not Session.objects.exists()


@pytest.mark.spec("RFC 9110 §15.6.4")
def test_a_busy_server_says_when_to_come_back(browser: Browser, ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_args: object) -> None:
        raise HashingBusy

    monkeypatch.setattr(hashers.BoundedArgon2, "verify", busy)
    answer = post(browser)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert Elements(answer.content).one(role="alert")


@pytest.mark.spec("RFC 9110 §15.6.4")
def test_an_outage_is_a_page_too(browser: Browser, ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> None:
        raise OperationalError("connection to 10.0.0.7 refused")

    monkeypatch.setattr(sign_in_page, "sign_in", away)
    answer = post(browser)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"10.0.0.7" not in answer.content
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.spec("tokens.md, how soon a stop takes hold")
def test_a_disabled_person_is_signed_in_no_more(browser: Browser, ana: User) -> None:
    post(browser)
    assert whose(browser) == "ana"
    User.objects.update(is_active=False)
    assert whose(browser) == ""


def test_another_person_in_the_same_browser_takes_the_place_of_the_first(
    browser: Browser, ana: User, realm: Realm
) -> None:
    bea = make_person("bea", realm=realm)
    post(browser)
    post(browser, username="bea")
    assert whose(browser) == "bea"
    assert Session.objects.get(user=ana).end_reason == SessionEnd.REPLACED
    event = Event.objects.get(name=EventName.SESSION_ENDED)
    assert event.actor == f"user:{bea.subject}"


def test_the_operators_admin_and_the_page_leave_each_other_alone(browser: Browser, ana: User) -> None:
    make_person("root", realm=None, is_staff=True, is_superuser=True)
    browser.post("/admin/login/", {"username": "root", "password": PASSWORD})
    assert post(browser).status_code == 303
    assert browser.get("/admin/").status_code == 200
    assert browser.post("/admin/logout/").status_code == 200
    assert browser.get("/admin/").status_code == 302
    assert whose(browser) == "ana"


def test_what_is_logged_holds_neither_names_nor_passwords(
    browser: Browser, ana: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="signet")
    post(browser, username="ana-secret-name", password="wrong-secret")
    post(browser, next=NEXT)
    session = Session.objects.get()
    assert "secret" not in caplog.text
    assert PASSWORD not in caplog.text
    assert browser.cookies["sessionid"].value not in caplog.text
    assert f"session.begun realm=default target={session.sid}" in caplog.text
