"""Pages speak the person's language as far as there is a translation (OpenID Connect Core §3.1.2.1, `ui_locales`)."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import LazySettings
from django.utils import translation

from accounts.errors import TooManyAttempts
from accounts.models import User
from accounts.views import sign_in as sign_in_page
from realms.models import Realm
from tests.catalogue import write_catalogue
from tests.flows.code_flow import App, post, register
from tests.pages import Elements
from tests.provider import PASSWORD, Browser

GERMAN = {
    "Sign in": "Anmelden",
    "The user name or the password is wrong.": "Der Benutzername oder das Passwort ist falsch.",
    "There were too many attempts. Try again in %(count)d second.\0"
    "There were too many attempts. Try again in %(count)d seconds.": "In einer Sekunde wieder.\0"
    "In %(count)d Sekunden wieder.",
    "Create an account": "Konto anlegen",
    "At least %(count)d character; spaces count, and four words do.\0"
    "At least %(count)d characters; spaces count, and four words do.": "Ein Zeichen.\0Mindestens %(count)d Zeichen.",
    "This password is too short. Take at least %(count)d character; four words do.\0"
    "This password is too short. Take at least %(count)d characters; four words do.": "Zu kurz.\0Zu kurz, weniger "
    "als %(count)d Zeichen.",
    "Registration is closed": "Die Registrierung ist geschlossen",
    "Choose a user name.": "Wählen Sie einen Benutzernamen.",
    "Allow <bdi>%(client)s</bdi>?": "<bdi>%(client)s</bdi> erlauben?",
    "read your email address": "Ihre E-Mail-Adresse lesen",
    "Sign out?": "Abmelden?",
    "You are signed out": "Sie sind abgemeldet",
    "You are signed in": "Sie sind angemeldet",
    "This page is out of date": "Diese Seite ist veraltet",
    "There is no such realm here": "Diesen Bereich gibt es hier nicht",
    "One moment": "Einen Augenblick",
}
pytestmark = [pytest.mark.spec("OpenID Connect Core §3.1.2.1, ui_locales"), pytest.mark.usefixtures("german")]


@pytest.fixture
def german(settings: LazySettings, tmp_path: Path) -> None:
    """A translation into German, beside English."""
    write_catalogue(tmp_path, "de", GERMAN)
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    """A client that asks for consent."""
    return register(realm, browser, now, first_party=False)


def speaks(answer: Any) -> str:
    """The language of a page, which its element and its header agree on."""
    [page] = [have for tag, have in Elements(answer.content).found if tag == "html"]
    assert answer["Content-Language"] == page["lang"]
    assert "Accept-Language" in answer["Vary"]
    return page["lang"] or ""


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", "", "en"),
        ("", "de-AT,de;q=0.9,en;q=0.5", "de"),
        ("", "fr,*;q=0.5", "en"),
        ("ui_locales=de", "", "de"),
        ("ui_locales=fr-CA+de-CH+en", "en", "de"),
        ("ui_locales=en", "de", "en"),
        ("ui_locales=fr", "de", "de"),
        ("ui_locales=tlh+%ff+de_DE+%3Cscript%3E", "", "en"),
        ("ui_locales=de&ui_locales=de", "", "en"),
        (urlencode({"next": "/authorize?ui_locales=de"}), "en", "de"),
        (urlencode({"next": "https://evil.example/?ui_locales=de"}), "en", "de"),  # leads nowhere, and harms nobody
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/register"])
def test_the_dearest_language_that_there_is(
    path: str, query: str, header: str, language: str, browser: Browser, realm: Realm
) -> None:
    Realm.objects.update(registration="open")
    answer = browser.get(f"{path}?{query}", headers={"accept-language": header})
    assert answer.status_code == 200
    assert speaks(answer) == language
    assert (b"Anmelden" in answer.content) == (language == "de")
    assert translation.get_language() == "en"


def test_a_form_and_what_it_leads_to_stay_in_the_language(browser: Browser, ana: User) -> None:
    Realm.objects.update(registration="open")
    page = Elements(browser.get("/sign-in?ui_locales=de-CH").content)
    action, there = page.one(id="login-form")["action"] or "", page.one(id="register-link")["href"] or ""
    refused = post(browser, action, {"username": "ana", "password": "x"})
    assert refused.status_code == 422
    assert "Der Benutzername oder das Passwort ist falsch." in refused.content.decode()
    registering = browser.get(there)
    assert b"<h1>Konto anlegen</h1>" in registering.content
    assert "Mindestens 15 Zeichen." in registering.content.decode()
    form = Elements(registering.content).one(id="register-form")["action"] or ""
    assert "Wählen Sie einen" in post(browser, form, {"username": ""}).content.decode()
    signed_in = post(browser, action, {"username": "ana", "password": PASSWORD})
    answer = browser.get(signed_in["Location"])
    assert speaks(answer) == "de"
    for name in ("sign-in", "logout"):
        [link] = [have["href"] for tag, have in Elements(answer.content).found if tag == "a" and name in str(have)]
        assert link == f"/{name}?ui_locales=de"


def test_what_is_validated_is_told_in_the_language_too(browser: Browser, realm: Realm) -> None:
    Realm.objects.update(registration="open")
    answer = post(browser, "/register?ui_locales=de", {"username": "bea", "password": "kurz"})
    assert "Zu kurz, weniger als 15 Zeichen." in answer.content.decode()


@pytest.mark.parametrize(("wait", "said"), [(1, "In einer Sekunde wieder."), (7, "In 7 Sekunden wieder.")])
def test_numbers_have_their_plural(
    wait: int, said: str, browser: Browser, realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limited(**_: object) -> None:
        raise TooManyAttempts(timedelta(seconds=wait))

    monkeypatch.setattr(sign_in_page, "sign_in", limited)
    answer = post(browser, "/sign-in?ui_locales=de", {"username": "ana", "password": PASSWORD})
    assert said in answer.content.decode()


def test_the_way_from_a_client_and_back_is_in_its_language(app: App) -> None:
    to_sign_in = app.authorize(ui_locales="fr de", scope="openid email")
    signing_in = app.browser.get(to_sign_in["Location"])
    assert speaks(signing_in) == "de"
    page = Elements(signing_in.content)
    action, onward = page.one(id="login-form")["action"] or "", page.one(name="next")["value"] or ""
    wrong = post(app.browser, action, {"username": "ana", "password": "x", "next": onward})
    assert speaks(wrong) == "de"
    signed_in = post(app.browser, action, {"username": "ana", "password": PASSWORD, "next": onward})
    consent = app.browser.get(app.browser.get(signed_in["Location"])["Location"])
    assert urlsplit(consent.request["PATH_INFO"]).path == "/consent"
    assert speaks(consent) == "de"
    assert b"<h1><bdi>Notes</bdi> erlauben?</h1>" in consent.content
    assert b"<li>Ihre E-Mail-Adresse lesen</li>" in consent.content


def test_signing_out_speaks_it_too(app: App) -> None:
    app.sign_in()
    confirm = app.browser.get("/logout?ui_locales=de")
    assert confirm.status_code == 303
    assert "Content-Language" not in confirm  # nothing to read
    asked = app.browser.get(confirm["Location"])
    assert speaks(asked) == "de"
    assert b"Abmelden?" in asked.content
    assert Elements(asked.content).one(id="logout-stay")["href"] == "/signed-in?ui_locales=de"
    gone = post(app.browser, confirm["Location"], {"sign": "out"})
    assert speaks(gone) == "de"
    assert b"Sie sind abgemeldet" in gone.content
    assert b'href="/sign-in?ui_locales=de"' in gone.content


def test_a_form_that_sends_itself_speaks_it_too(app: App, now: datetime) -> None:
    answer = app.authorize(response_mode="form_post", prompt="none", ui_locales="de")
    assert speaks(answer) == "de"
    assert b"Einen Augenblick" in answer.content


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/register?ui_locales=de", 403, "Die Registrierung ist geschlossen"),
        ("/realms/nowhere/sign-in?ui_locales=de", 404, "Diesen Bereich gibt es hier nicht"),
        ("/authorize?ui_locales=de", 400, "Invalid client_id"),  # stable words, for those who set up clients
    ],
)
def test_refusals_speak_it_too(path: str, status: int, said: str, browser: Browser, realm: Realm) -> None:
    answer = browser.get(path)
    assert answer.status_code == status
    assert speaks(answer) == "de"
    assert said in answer.content.decode()


def test_a_form_of_another_site_is_refused_in_the_language(realm: Realm) -> None:
    strict = Browser(enforce_csrf_checks=True)
    answer = post(strict, "/sign-in?ui_locales=de", {"username": "ana"})
    assert answer.status_code == 403
    assert speaks(answer) == "de"
    assert b"Diese Seite ist veraltet" in answer.content


@pytest.mark.spec("OpenID Connect Discovery §3, ui_locales_supported")
def test_discovery_lists_the_languages_that_there_are(browser: Browser, realm: Realm, settings: LazySettings) -> None:
    found = browser.get("/.well-known/openid-configuration").json()
    assert found["ui_locales_supported"] == ["en", "de"]
    assert browser.get("/.well-known/oauth-authorization-server").json()["ui_locales_supported"] == ["en", "de"]


def test_a_language_that_is_not_listed_is_not_spoken(browser: Browser, realm: Realm, settings: LazySettings) -> None:
    settings.LANGUAGES = [("en", "English")]
    assert browser.get("/.well-known/openid-configuration").json()["ui_locales_supported"] == ["en"]
    assert speaks(browser.get("/sign-in?ui_locales=de", headers={"accept-language": "de"})) == "en"
