"""Nothing travels in clear text, and nobody frames the pages."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Session, User
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, post, register
from tests.flows.test_methods import PATHS
from tests.pages import Elements
from tests.provider import PASSWORD, Browser
from tokens.models import Grant

PROBES = ("livez", "readyz", "health")  # say nothing, take nothing
PAGES = ("sign-in", "signed-in", "consent", "logout/confirm", "admin/login/")


@pytest.mark.spec(
    "RFC 6749 §2.3.1 tls, RFC 6749 §3.1 tls, RFC 6749 §3.2 tls, RFC 6749 §10.3 token-tls, RFC 6749 §10.4 token-tls",
    "RFC 6749 §10.8 no-clear-text, RFC 6749 §10.9 tls, RFC 6749 §10.11 tls, RFC 6750 §5.2 tls, RFC 7009 §2 tls",
    "RFC 7662 §2 tls, RFC 7662 §4 tls, RFC 8414 §6.1 tls, OIDC Core §3.1.2 tls, OIDC Core §3.1.3 tls",
    "OIDC Core §5.3 tls, OIDC Core §16.17 tls, OIDC Discovery §7.1 tls, RFC 8628 §3.1 tls",
)
@pytest.mark.parametrize("path", [path for path in (*PATHS, *PAGES) if path not in PROBES])
@pytest.mark.parametrize("prefix", ["/", "/realms/default/"])
def test_in_clear_text_nothing_is_answered(prefix: str, path: str, client: Client, ana: User) -> None:
    form = urlencode({"username": "ana", "password": PASSWORD, "grant_type": "client_credentials", "client_id": "x"})
    for answer in (
        client.get(prefix + path),
        client.post(prefix + path, form, content_type="application/x-www-form-urlencoded"),
    ):
        assert answer.status_code == 301
        assert urlsplit(answer["Location"]).scheme == "https"
        assert answer.content == b""
        assert not answer.cookies
    assert not Session.objects.exists()
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 6749 §10.9 tls")
def test_browsers_are_told_to_stay_with_tls(browser: Browser, realm: Realm) -> None:
    assert re.match(r"max-age=\d{8}", browser.get("/sign-in")["Strict-Transport-Security"])
    assert settings.SESSION_COOKIE_SECURE
    assert settings.CSRF_COOKIE_SECURE


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    return register(realm, browser, now, first_party=False)


def pages(app: App) -> dict[str, Any]:
    """Every page that a person meets on the way to a client and back."""
    found = {"sign-in": app.browser.get("/sign-in"), "refused": app.sign_in(password="wrong")}
    found["error"] = app.authorize(client_id="nobody")
    found["malformed"] = app.browser.get("/authorize?state=%ff")
    app.sign_in()
    found["signed in"] = app.browser.get("/signed-in")
    consent = app.authorize()["Location"]
    found["consent"] = app.browser.get(consent)
    post(app.browser, consent, {"decision": "allow"})
    found["form post"] = app.authorize(response_mode="form_post")
    found["sign-out"] = app.browser.get("/logout/confirm")
    found["signed out"] = post(app.browser, "/logout/confirm", {"go": "on"})
    assert {answer.status_code for answer in found.values()} == {200, 400, 422}
    return found


@pytest.mark.spec(
    "RFC 9700 §4.16 no-framing, RFC 9700 §4.16 csp, RFC 9700 §4.16 older-browsers",
    "OIDC Core §3.1.2.3 clickjacking",
)
def test_nobody_frames_a_page(app: App) -> None:
    for name, answer in pages(app).items():
        policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
        assert policy["frame-ancestors"] == policy["default-src"] == "'none'", name
        assert answer["X-Frame-Options"] == "DENY", name


@pytest.mark.spec("RFC 9700 §4.2.4 no-third-parties")
def test_no_page_loads_from_or_links_to_another_site(app: App) -> None:
    for name, answer in pages(app).items():
        for tag, have in Elements(answer.content).found:
            if (tag, have.get("id")) == ("form", "form-post"):
                assert have["action"] == CALLBACK
                continue
            for attribute in ("src", "href", "action", "srcset", "data", "poster", "formaction"):
                target = urlsplit(have.get(attribute) or "")
                assert (target.scheme, target.netloc) == ("", ""), f"{name}: {tag} {attribute}"
        assert answer["Referrer-Policy"] in ("same-origin", "no-referrer"), name
