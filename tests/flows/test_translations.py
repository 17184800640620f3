"""The languages that there are: English, German and French (OpenID Connect Core §3.1.2.1, `ui_locales`)."""

import re

import pytest

from accounts.models import User
from realms.models import Realm
from tests.flows.code_flow import post
from tests.pages import Elements
from tests.provider import PASSWORD, Browser

pytestmark = pytest.mark.spec("OpenID Connect Core §3.1.2.1, ui_locales")


@pytest.mark.parametrize(
    ("query", "header", "language", "title", "refusal", "rule"),
    [
        ("", "", "en", "Sign in", "The user name or the password is wrong.", "15 characters"),
        ("?ui_locales=de-CH", "fr", "de", "Anmelden", "Der Benutzername oder das Passwort ist falsch.", "15 Zeichen"),
        ("", "fr-CA,de;q=0.5", "fr", "Se connecter", "Le nom d’utilisateur ou le mot de passe est incorrect.", "15"),
        ("?ui_locales=it+fr+de", "en", "fr", "Se connecter", "Le nom d’utilisateur ou le mot de passe", "caractères"),
        ("?ui_locales=it", "it", "en", "Sign in", "The user name or the password is wrong.", "15 characters"),
    ],
)
def test_pages_speak_it(
    query: str, header: str, language: str, title: str, refusal: str, rule: str, browser: Browser, ana: User
) -> None:
    Realm.objects.update(registration="open")
    wish = {"accept-language": header}
    page = browser.get(f"/sign-in{query}", headers=wish)
    assert page["Content-Language"] == language
    assert f"<h1>{title}</h1>" in page.content.decode()
    action = Elements(page.content).one(id="login-form")["action"] or ""
    refused = browser.post(
        action,
        data="username=ana&password=x",
        content_type="application/x-www-form-urlencoded",
        headers=wish,
    )
    assert refusal in refused.content.decode()
    registering = browser.get(f"/register{query}", headers=wish)
    assert rule in registering.content.decode()


@pytest.mark.spec("OpenID Connect Discovery §3, ui_locales_supported")
def test_discovery_lists_them(browser: Browser, realm: Realm) -> None:
    for document in ("openid-configuration", "oauth-authorization-server"):
        assert browser.get(f"/.well-known/{document}").json()["ui_locales_supported"] == ["en", "de", "fr"]


def test_the_admin_speaks_english(realm: Realm) -> None:
    assert b"<h1>Sign in to the admin</h1>" in Browser().get("/admin/login/", headers={"accept-language": "de"}).content


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", r"Signed in on \d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC"),
        ("de", r"Angemeldet am \d{1,2}\. [A-Z]\w+ \d{4}, \d\d:\d\d UTC"),
        ("fr", r"Connexion le \d{1,2} [a-zéû]+ \d{4}, \d\d:\d\d UTC"),
    ],
)
def test_dates_are_written_as_people_write_them(language: str, written: str, browser: Browser, ana: User) -> None:
    post(browser, "/sign-in", {"username": "ana", "password": PASSWORD})
    page = browser.get("/account/sessions", headers={"accept-language": language}).content.decode()
    assert re.search(written, page), page
