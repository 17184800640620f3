"""The registration page of a realm: an account and a session at once where it is open, nothing where it is closed."""

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from django.conf import LazySettings
from django.db import OperationalError
from django.urls import reverse

from accounts import hashers
from accounts.budget import REGISTRATION
from accounts.errors import HashingBusy
from accounts.models import Membership, Session, User
from accounts.services.attempts import Attempt, reserve
from accounts.views import registration as registration_page
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.pages import FORM, NEXT, Elements, post, whose
from tests.provider import PASSWORD, Browser, make_realm

PAGE = "/register"
pytestmark = pytest.mark.spec("Initiating User Registration via OpenID Connect §4.1")


@pytest.fixture
def open_realm(realm: Realm) -> Realm:
    Realm.objects.update(registration="open")
    return Realm.objects.get()


def register(browser: Browser, page: str = PAGE, **fields: str) -> Any:
    return post(browser, page, **{"username": "bea", **fields})


def test_a_person_registers_and_goes_on(browser: Browser, open_realm: Realm) -> None:
    answer = register(browser, next=NEXT)
    assert (answer.status_code, answer["Location"]) == (303, NEXT)
    assert answer["Cache-Control"] == "no-store"
    person = User.objects.get()
    session = Session.objects.get()
    assert (person.username, person.email) == ("bea", "")
    assert (session.user, session.methods) == (person, ["pwd"])
    cookie = answer.cookies["sessionid"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
    assert whose(browser) == "bea"


def test_without_a_way_on_the_page_says_that_one_is_signed_in(browser: Browser, open_realm: Realm) -> None:
    answer = register(browser)
    assert (answer.status_code, answer["Location"]) == (303, "/signed-in")
    other = Browser()
    assert post(other, username="BEA").status_code == 303
    assert whose(other) == "bea"


def test_each_realm_says_for_itself_whether_it_is_open(browser: Browser, realm: Realm) -> None:
    make_realm("other", purposes=())
    Realm.objects.filter(slug="other").update(registration="open")
    page = reverse("realm:register", kwargs={"realm": "other"})
    assert page == "/realms/other/register"
    assert Elements(browser.get(page).content).one(id="register-form")["action"] == page
    following = "/realms/other/authorize?client_id=app"
    assert register(browser, page, next=following)["Location"] == following
    assert Membership.objects.get().realm.slug == "other"
    assert whose(browser) == ""
    assert register(browser).status_code == 403


@pytest.mark.parametrize("username", ["bea", ""])
def test_a_closed_realm_says_so_and_links_nothing(username: str, browser: Browser, realm: Realm) -> None:
    for answer in (browser.get(f"{PAGE}?next={quote(NEXT)}"), register(browser, username=username, next=NEXT)):
        assert answer.status_code == 403
        assert answer["Cache-Control"] == "no-store"
        page = Elements(answer.content)
        assert b"Registration is closed" in answer.content
        assert not {"a", "form"} & {tag for tag, _have in page.found}
    assert not User.objects.exists()


def test_the_form_works_without_a_script_and_for_everybody(browser: Browser, open_realm: Realm) -> None:
    Realm.objects.update(name="Acme & <Sons>")
    answer = browser.get(f"{PAGE}?{urlencode({'next': NEXT, 'login_hint': 'bea'})}")
    page = Elements(answer.content)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    username, password = page.one(id="username"), page.one(id="password")
    assert (username["name"], username["autocomplete"], username["value"]) == ("username", "username", "bea")
    assert (password["name"], password["autocomplete"]) == ("password", "new-password")
    assert ["autofocus" in field for field in (username, password)] == [False, True]
    assert {"username", "password"} == {label["for"] for tag, label in page.found if tag == "label"}
    assert page.one(id="register-submit")["type"] == "submit"
    assert page.one(name="next")["value"] == NEXT
    assert page.one(id=password["aria-describedby"] or "")
    assert b"At least 15 characters" in answer.content
    assert b"Acme &amp; &lt;Sons&gt;" in answer.content
    assert not re.search(rb"\s(style|on\w+)=|<script|<style", answer.content)
    assert "form-action" not in answer["Content-Security-Policy"]


@pytest.mark.parametrize("base", ["", "/realms/other"])
def test_the_two_pages_lead_to_each_other_and_onwards(base: str, browser: Browser, open_realm: Realm) -> None:
    make_realm("other", purposes=())
    Realm.objects.update(registration="open")
    onward = f"{base}/authorize?client_id=app&state=a%26b"
    signing_in = Elements(browser.get(f"{base}/sign-in?{urlencode({'next': onward})}").content)
    there = signing_in.one(id="register-link")["href"] or ""
    assert urlsplit(there).path == f"{base}/register"
    registering = Elements(browser.get(there).content)
    assert registering.one(name="next")["value"] == onward
    back = registering.one(id="sign-in-link")["href"] or ""
    assert (urlsplit(back).path, parse_qs(urlsplit(back).query)) == (f"{base}/sign-in", {"next": [onward]})


def test_the_sign_in_page_of_a_closed_realm_links_no_registration(browser: Browser, realm: Realm) -> None:
    assert not Elements(browser.get("/sign-in").content).all(id="register-link")


WRONG = {
    "an empty name": ({"username": ""}, "username", "Choose a user name."),
    "an empty password": ({"password": ""}, "password", "Choose a password."),
    "a taken name": ({"username": "ANA"}, "username", "is taken"),
    "a space": ({"username": "b ea"}, "username", "no white space"),
    "NUL in the name": ({"username": "b\0ea"}, "username", "nothing invisible"),
    "a long name": ({"username": "x" * 5_000}, "username", "at most 150 characters"),
    "a name that folds to a long one": ({"username": "ﷺ" * 9}, "username", "at most 150 characters"),
    "a name turned round": ({"username": "\u202eana"}, "username", "nothing invisible"),
    "a short password": ({"password": "short"}, "password", "too short"),
    "a common password": ({"password": "passwordpassword"}, "password", "Many people have"),
    "the name as password": (
        {"username": "beatrice.maria", "password": "beatrice.maria"},
        "password",
        "little more than a name",
    ),
    "a long password": ({"password": "x1" * 5_000}, "password", "too long"),
    "NUL in the password": ({"password": f"{PASSWORD}\0"}, "password", "control characters"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_stands_beside_its_field(fault: str, browser: Browser, open_realm: Realm, ana: User) -> None:
    fields, field, said = WRONG[fault]
    answer = register(browser, **{"next": NEXT, **fields})
    assert answer.status_code == 422
    page = Elements(answer.content)
    assert said in answer.content.decode()
    assert page.one(id=field)["aria-invalid"] == "true"
    assert f"{field}-error" in (page.one(id=field)["aria-describedby"] or "").split()
    assert page.one(id=f"{field}-error")
    assert "value" not in page.one(id="password")
    assert page.one(name="next")["value"] == NEXT
    assert b"<title>Error:" in answer.content
    assert User.objects.get() == ana
    assert "sessionid" not in answer.cookies


def test_several_validators_each_have_their_say(browser: Browser, open_realm: Realm) -> None:
    said = register(browser, password="password").content.decode()
    assert "too short" in said
    assert "Many people have" in said


@pytest.mark.spec("threat-model.md: no address is asked for, so none is told of")
def test_no_address_is_taken_from_the_form(browser: Browser, open_realm: Realm, ana: User) -> None:
    User.objects.filter(pk=ana.pk).update(email="ana@example.org", email_canonical="ana@example.org")
    assert register(browser, email="ana@example.org", is_staff="on", roles="owner").status_code == 303
    bea = User.objects.get(username="bea")
    assert (bea.email, bea.email_canonical, bea.is_staff) == ("", None, False)
    assert Membership.objects.get(user=bea).roles == []


@pytest.mark.spec("RFC 6585 §4")
def test_registrations_meet_the_limit(browser: Browser, open_realm: Realm, now: Any) -> None:
    for _ in range(REGISTRATION.burst):
        reserve(Attempt.REGISTRATION, address="127.0.0.1", now=now)
    answer = register(browser, next=NEXT)
    assert answer.status_code == 429
    wait = int(answer["Retry-After"])
    assert 0 < wait <= REGISTRATION.interval.total_seconds()
    assert f"Try again in {wait} seconds" in answer.content.decode()
    assert Elements(answer.content).one(name="next")["value"] == NEXT
    assert not User.objects.exists()


@pytest.mark.spec("RFC 9110 §15.6.4")
def test_a_busy_server_says_when_to_come_back(
    browser: Browser, open_realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_args: object) -> None:
        raise HashingBusy

    monkeypatch.setattr(hashers.BoundedArgon2, "encode", busy)
    answer = register(browser)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert Elements(answer.content).one(role="alert")
    assert not User.objects.exists()


@pytest.mark.spec("RFC 9110 §15.6.4")
def test_an_outage_is_a_page_too(browser: Browser, open_realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> None:
        raise OperationalError("connection to 10.0.0.7 refused")

    monkeypatch.setattr(registration_page, "register", away)
    answer = register(browser)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"10.0.0.7" not in answer.content


def test_the_validators_of_the_settings_decide(browser: Browser, open_realm: Realm, settings: LazySettings) -> None:
    name = "django.contrib.auth.password_validation.NumericPasswordValidator"
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": name}]
    assert b"entirely numeric" in browser.get(PAGE).content
    assert register(browser, password="83649120573").status_code == 422
    assert register(browser, password="short").status_code == 303


def test_whoever_was_signed_in_with_the_same_browser_is_replaced(
    browser: Browser, open_realm: Realm, ana: User
) -> None:
    post(browser)
    register(browser)
    assert whose(browser) == "bea"
    assert Session.objects.get(user=ana).end_reason == SessionEnd.REPLACED


def test_what_is_logged_holds_neither_names_nor_passwords(
    browser: Browser, open_realm: Realm, ana: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="signet")
    register(browser, username="ana")
    register(browser, username="bea-secret-name")
    assert "secret" not in caplog.text
    assert PASSWORD not in caplog.text
    assert not Event.objects.exclude(name=EventName.SESSION_BEGUN).filter(target__icontains="bea").exists()


def test_head_goes_with_get_and_other_methods_are_not_allowed(browser: Browser, open_realm: Realm) -> None:
    assert browser.head(PAGE).status_code == 200
    answer = browser.put(PAGE, b"x", FORM)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")
