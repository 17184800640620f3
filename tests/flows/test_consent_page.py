"""The consent page: who asks, for what, and who gets the answer, in plain words (OpenID Connect Core §3.1.2.4)."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.template import engines

from accounts.models import User
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, register
from tests.pages import Elements
from tests.provider import Browser, make_person
from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.scopes import STANDARD_SCOPES
from tokens.services.clients import ClientRefused, create_client
from tokens.templatetags.signet_consent import in_plain_words, where_it_leads

pytestmark = pytest.mark.spec("OpenID Connect Core §3.1.2.4, OpenID Connect Registration §2")
LOGO = "https://static.example.org:8443/logo.svg?v=1&w=2"
SHOWN = {
    "client_uri": "https://notes.example.org/?a=1&b=2",
    "logo_uri": LOGO,
    "policy_uri": "https://notes.example.org/privacy",
    "tos_uri": "https://notes.example.org/terms",
}


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, first_party=False, scopes=("openid", "email", "notes:read"), **SHOWN)
    found.sign_in()
    return found


def ask(app: App, **changes: str | None) -> Any:
    """The consent page."""
    page = app.browser.get(app.authorize(**changes)["Location"])
    assert page.status_code == 200
    return page


def policy(answer: Any) -> dict[str, str]:
    """The Content-Security-Policy by directive."""
    parts = [part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";")]
    assert len({name for name, _, _ in parts}) == len(parts)
    return {name: sources for name, _, sources in parts}


def test_the_page_says_who_asks_for_what_and_who_gets_the_answer(app: App) -> None:
    page = ask(app, scope="openid email notes:read")
    body = page.content.decode()
    elements = Elements(page.content)
    assert "<bdi>Notes</bdi></strong> asks to use your account <strong><bdi>ana</bdi>" in body
    for words in ("know who you are here", "read your email address", "notes:read"):
        assert f"<li>{words}</li>" in body
    assert '<strong id="consent-destination">app.example.org</strong>' in body
    links = {"consent-home": "client_uri", "consent-policy": "policy_uri", "consent-terms": "tos_uri"}
    for identity, column in links.items():
        link = elements.one(id=identity)
        assert (link["href"], link["rel"], link["target"]) == (SHOWN[column], "noopener noreferrer", "_blank")
    logo = elements.one(id="consent-logo")
    assert (logo["src"], logo["alt"], logo["referrerpolicy"]) == (LOGO, "Logo of Notes", "no-referrer")


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_somebody_else_may_answer(app: App, realm: Realm) -> None:
    make_person("bo", realm=realm)
    page = ask(app, scope="openid email", prompt="consent")
    link = str(Elements(page.content).one(id="consent-other-person")["href"])
    assert b'id="login-submit"' in app.browser.get(link).content
    following = parse_qs(urlsplit(link).query)["next"][0]
    assert app.sign_in("bo", next=following)["Location"] == following
    body = app.browser.get(app.browser.get(following)["Location"]).content.decode()
    assert "asks to use your account <strong><bdi>bo</bdi>" in body


@pytest.mark.spec("CSP Level 3 §6.1.6: img-src")
def test_only_this_page_may_load_the_logo_and_only_from_where_it_is(app: App) -> None:
    usual = policy(app.browser.get("/sign-in"))
    found = policy(ask(app))
    assert found["img-src"] == "'self' https://static.example.org:8443"
    assert {name: sources for name, sources in found.items() if name != "img-src"} == {
        name: sources for name, sources in usual.items() if name != "img-src"
    }
    assert policy(app.browser.get("/sign-in")) == usual
    assert usual["img-src"] == "'self'"


def test_a_client_that_tells_nothing_of_itself_gets_no_empty_places(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, first_party=False)
    app.sign_in()
    page = ask(app)
    elements = Elements(page.content)
    assert not any(
        elements.all(id=name) for name in ("consent-logo", "consent-home", "consent-policy", "consent-terms")
    )
    assert b"client-pages" not in page.content
    assert not elements.all(href="")
    assert policy(page)["img-src"] == "'self'"


@pytest.mark.spec("RFC 9700 §4.1, OpenID Connect Registration §2: display strings are not trusted")
@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7|add:7 }}",
        "{% debug %}",
        "אבג (100%)",
        "&lt;b&gt;",
    ],
)
def test_a_name_is_text_and_nothing_else(name: str, app: App) -> None:
    Client.objects.filter(pk=app.client.pk).update(name=name)
    page = ask(app)
    elements = Elements(page.content)
    assert not [tag for tag, _ in elements.found if tag == "script"]
    assert len([tag for tag, _ in elements.found if tag == "img"]) == 2  # ours, and the client's
    assert elements.one(id="consent-logo")["alt"] == f"Logo of {name}"
    assert engines["django"].from_string("<bdi>{{ name }}</bdi>").render({"name": name}) in page.content.decode()


@pytest.mark.spec("Unicode UAX 9 §2.7: a name can't turn the words around it")
@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\n", "\0", "\u2028"])
def test_a_name_with_a_character_that_hides_cannot_be_registered(character: str, realm: Realm, now: datetime) -> None:
    with pytest.raises(ClientRefused, match="A name has"):
        create_client(
            realm=realm, client_id="x", name=f"a{character}b", metadata=ClientMetadata(), actor="test", now=now
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"logo_uri": "javascript:alert(1)"},
        {"client_uri": "data:text/html,x"},
        {"tos_uri": "http://notes.example.org/terms"},
        {"policy_uri": "org.example.app:/privacy"},
        {"logo_uri": "https://evil.example;script-src/x"},
        {"logo_uri": "https://evil.example,x/"},
        {"logo_uri": 'https://a.example/"onerror="x'},
    ],
)
def test_an_address_that_no_browser_should_open_cannot_be_registered(
    changes: dict[str, str], realm: Realm, browser: Browser, now: datetime
) -> None:
    with pytest.raises(ClientRefused, match="The address"):
        register(realm, browser, now, **changes)


@pytest.mark.spec("RFC 8252 §7, RFC 9700 §4.1")
@pytest.mark.parametrize(
    ("redirect_uri", "words"),
    [
        (CALLBACK, "app.example.org"),
        ("https://app.example.org:8443/cb?x=1", "app.example.org:8443"),
        ("https://xn--pple-43d.example/cb", "xn--pple-43d.example"),
        ("http://127.0.0.1:5000/cb", "a program on this device (127.0.0.1:5000)"),
        ("http://[::1]/cb", "a program on this device ([::1])"),
        ("org.example.app:/cb", "the app org.example.app on this device"),
    ],
)
def test_the_destination_is_told_in_words(redirect_uri: str, words: str) -> None:
    assert where_it_leads(redirect_uri) == words


@pytest.mark.spec("RFC 8252 §7.3")
def test_the_destination_is_the_one_of_this_request(realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
    both = (CALLBACK, "http://127.0.0.1/cb")
    app = register(realm, browser, now, first_party=False, redirect_uris=both)
    app.sign_in()
    assert b"(127.0.0.1:51004)" in ask(app, redirect_uri="http://127.0.0.1:51004/cb").content
    assert b">app.example.org<" in ask(app).content
    assert app.browser.get(f"/consent?client_id=app&redirect_uri={quote('https://evil.example/')}").status_code == 400


@pytest.mark.parametrize("scope", STANDARD_SCOPES)
def test_every_standard_scope_has_words(scope: str) -> None:
    assert in_plain_words(scope) != scope
    assert in_plain_words(f"{scope}x") == f"{scope}x"
