"""What `/authorize` answers to each response type, and by which way."""

from datetime import datetime
from itertools import permutations
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from accounts.models import User
from keys.algorithms import Purpose
from realms.models import Realm
from tests.flows.code_flow import (
    CALLBACK,
    CHALLENGE,
    App,
    post,
    posted_back,
    register,
    sent_back,
    sent_by_fragment,
)
from tests.provider import Browser, distrust
from tokens.models import Client, Grant
from tokens.vocabulary import AuthMethod, ResponseMode, ResponseType

ISSUER = "https://id.example.test"
ACCESS_TOKEN = {"access_token", "token_type", "expires_in", "scope"}
WITH_EVERY = {"state", "iss"}
ANSWERS = {
    "code id_token": {"code", "id_token"},
    "id_token": {"id_token"},
    "code token": {"code", *ACCESS_TOKEN},
    "code id_token token": {"code", "id_token", *ACCESS_TOKEN},
    "id_token token": {"id_token", *ACCESS_TOKEN},
}


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    """A client that may use them all."""
    found = register(realm, browser, now, response_types=tuple(ResponseType))
    found.sign_in()
    return found


def answered(app: App, **changes: str | None) -> dict[str, str]:
    return sent_by_fragment(app.authorize(**changes))


@pytest.mark.spec(
    "OIDC Core §3.2.2.5 fragment, OIDC Core §3.2.2.5 members, OIDC Core §3.3.2.5 fragment, OIDC Core §3.3.2.5 members",
    "OAuth 2.0 Multiple Response Types §3, OAuth 2.0 Multiple Response Types §5, RFC 9207 §2 iss",
    "RFC 6749 §4.2.2 members, RFC 6749 §4.2.2 state",
)
@pytest.mark.parametrize("response_type", ANSWERS)
def test_exactly_what_was_asked_for_comes_back_and_by_the_fragment(response_type: str, app: App) -> None:
    response = app.authorize(response_type=response_type)
    answer = sent_by_fragment(response)
    assert answer.keys() == ANSWERS[response_type] | WITH_EVERY
    assert (answer["state"], answer["iss"]) == ("s1", ISSUER)
    if "access_token" in answer:
        assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", "600", "openid")
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert not response.content
    assert "state" not in answered(app, response_type=response_type, state=None)


def test_every_response_type_is_tried_here() -> None:
    assert {*ANSWERS, "code"} == {*ResponseType}


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode §2")
@pytest.mark.parametrize("response_type", ["code", *ANSWERS])
def test_by_form_post_the_same_comes_back_and_nothing_by_the_address(response_type: str, app: App) -> None:
    response = app.authorize(response_type=response_type, response_mode="form_post", state='"><b>')
    answer = posted_back(response)
    assert answer.keys() == ANSWERS.get(response_type, {"code"}) | WITH_EVERY
    assert (answer["state"], answer["iss"]) == ('"><b>', ISSUER)
    assert "Location" not in response
    assert "no-store" in response["Cache-Control"]


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §5, OpenID Connect Core §3.3.2.5")
@pytest.mark.parametrize("response_type", ANSWERS)
def test_tokens_never_travel_in_a_query(response_type: str, app: App) -> None:
    answer = answered(app, response_type=response_type, response_mode="query")
    assert answer.keys() == {"error", "error_description"} | WITH_EVERY
    assert answer["error"] == "invalid_request"
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 9700 §2.1.2, RFC 6749 §4.1.2.1, unauthorized_client")
@pytest.mark.parametrize("response_type", ANSWERS)
def test_whatever_is_more_than_a_code_is_off_unless_it_is_registered(
    response_type: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now)
    app.sign_in()
    assert answered(app, response_type=response_type)["error"] == "unauthorized_client"
    others = [kind.value for kind in ResponseType if kind != response_type]
    Client.objects.filter(pk=app.client.pk).update(response_types=others)
    assert answered(app, response_type=response_type)["error"] == "unauthorized_client"
    Client.objects.filter(pk=app.client.pk).update(response_types=[response_type])
    assert "error" not in answered(app, response_type=response_type)
    assert sent_back(app.authorize())["error"] == "unauthorized_client"


@pytest.mark.spec("RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Types §4")
@pytest.mark.parametrize("words", [order for kind in ANSWERS for order in permutations(kind.split(" "))])
def test_the_order_of_the_words_means_nothing(words: tuple[str, ...], app: App) -> None:
    canonical = next(kind for kind in ANSWERS if {*kind.split(" ")} == {*words})
    assert answered(app, response_type=" ".join(words)).keys() == ANSWERS[canonical] | WITH_EVERY


@pytest.mark.spec(
    "RFC 6749 §3.1.1 response-type, RFC 6749 §4.1.2.1, unsupported_response_type, RFC 6749 §4.2.2.1",
    "OAuth 2.0 Multiple Response Types §5",
)
@pytest.mark.parametrize(
    ("response_type", "mode"),
    [
        ("token", "fragment"),
        ("none", "query"),
        ("code none", "query"),
        ("code code", "query"),
        ("id_token id_token", "fragment"),
        ("code id_token ", "fragment"),
        (" id_token", "fragment"),
        ("code  token", "fragment"),
        ("code ", "query"),
        ("CODE", "query"),
        ("Id_Token", "query"),
        ("code,token", "query"),
        ("code%20token", "query"),
        ("code\u00a0token", "query"),
        ("code device", "query"),
    ],
)
def test_what_is_no_response_type_is_told_where_its_client_looks(response_type: str, mode: str, app: App) -> None:
    read = sent_by_fragment if mode == "fragment" else sent_back
    answer = read(app.authorize(response_type=response_type))
    assert (answer["error"], answer["state"], answer["iss"]) == ("unsupported_response_type", "s1", ISSUER)
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 6749 §3.1 once")
@pytest.mark.parametrize("name", ["response_type", "response_mode", "nonce", "claims", "id_token_hint", "state"])
def test_a_repeated_parameter_is_refused_and_neither_of_the_two_is_used(name: str, app: App) -> None:
    pairs = [
        ("response_type", "id_token token"), ("client_id", "app"), ("redirect_uri", CALLBACK), ("scope", "openid"),
        ("nonce", "n1"), ("response_mode", "fragment"), (name, "code"),
    ]  # fmt: skip
    pairs += [] if name in dict(pairs[:-1]) else [(name, "code")]
    answer = sent_by_fragment(app.browser.get(f"/authorize?{urlencode(pairs)}"))
    assert (answer["error"], answer["error_description"]) == ("invalid_request", f"{name} is there more than once.")
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 6749 §3.1")
@pytest.mark.parametrize("response_type", ["code\0", "code\tid_token", "id_token\n", "token\x7f", "\ud800"])
def test_a_response_type_with_a_control_character_is_nobodys_request(response_type: str, app: App) -> None:
    raw = urlencode(
        {"client_id": "app", "redirect_uri": CALLBACK, "response_type": response_type}, errors="surrogatepass"
    )
    answer = app.browser.get(f"/authorize?{raw}")
    assert (answer.status_code, "Location" in answer) == (400, False)


@pytest.mark.spec("OIDC Core §3.2.2.1 nonce-required, OpenID Connect Core §3.3.2.1, nonce")
@pytest.mark.parametrize("response_type", ANSWERS)
def test_an_id_token_through_the_browser_needs_a_nonce(response_type: str, app: App) -> None:
    for nonce in (None, ""):
        answer = answered(app, response_type=response_type, nonce=nonce)
        assert answer.get("error", "") == ("invalid_request" if "id_token" in response_type else "")
    assert Grant.objects.exists() != ("id_token" in response_type)


@pytest.mark.spec("OpenID Connect Core §3.1.2.1, openid, OAuth 2.0 Multiple Response Types §3")
@pytest.mark.parametrize("response_type", ANSWERS)
@pytest.mark.parametrize("scope", [None, "email", "notes:read"])
def test_an_id_token_needs_the_scope_openid(response_type: str, scope: str | None, app: App) -> None:
    answer = answered(app, response_type=response_type, scope=scope)
    assert answer.get("error", "") == ("invalid_request" if "id_token" in response_type else "")


@pytest.mark.spec("RFC 9700 §2.1.1 pkce-for-public, RFC 7636 §4.4.1 challenge-missing")
@pytest.mark.parametrize("response_type", ANSWERS)
@pytest.mark.parametrize("method", [AuthMethod.POST, AuthMethod.NONE])
def test_pkce_is_needed_exactly_where_a_code_comes(
    response_type: str, method: AuthMethod, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, response_types=tuple(ResponseType), auth_method=method)
    app.sign_in()
    bare: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    answer = answered(app, response_type=response_type, **bare)
    assert answer.get("error", "") == ("invalid_request" if "code" in response_type else "")
    plain: dict[str, str | None] = {"code_challenge": CHALLENGE, "code_challenge_method": "plain"}
    assert answered(app, response_type=response_type, **plain)["error"] == "invalid_request"


@pytest.mark.spec(
    "OIDC Core §3.2.2.6 fragment, OIDC Core §3.3.2.6 fragment, RFC 6749 §4.2.2.1 error, RFC 9207 §2 iss",
    "OIDC Core §6.1 request, OIDC Core §6.2 request-uri",
)
@pytest.mark.parametrize("response_type", ANSWERS)
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none", "max_age": "0"}, "login_required"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://x.example"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"response_mode": "pigeon"}, "invalid_request"),
        ({"claims": "x"}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"nonce": "x" * 513}, "invalid_request"),
    ],
)
def test_errors_travel_by_the_fragment_too(response_type: str, changes: dict[str, str], word: str, app: App) -> None:
    answer = answered(app, response_type=response_type, **changes)
    assert answer.keys() == {"error", "error_description"} | WITH_EVERY
    assert (answer["error"], answer["state"], answer["iss"]) == (word, "s1", ISSUER)
    assert not Grant.objects.exists()
    if "response_mode" not in changes:
        told = posted_back(app.authorize(response_type=response_type, response_mode="form_post", **changes))
        assert (told["error"], told["state"], told["iss"]) == (word, "s1", ISSUER)


@pytest.mark.spec(
    "OpenID Connect Core §3.2.2.4, OpenID Connect Core §3.3.2.4, RFC 6749 §4.2.2.1, access_denied",
    "OIDC Core §3.1.2.4 consent",
)
@pytest.mark.parametrize("response_type", ANSWERS)
def test_a_person_is_asked_whatever_is_to_come_back(
    response_type: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, response_types=tuple(ResponseType), first_party=False)
    following = parse_qs(urlsplit(app.authorize(response_type=response_type)["Location"]).query)["next"][0]
    page = app.browser.get(app.sign_in(next=following)["Location"])["Location"]
    assert urlsplit(page).path == "/consent"
    assert answered(app, response_type=response_type, prompt="none")["error"] == "consent_required"
    assert sent_by_fragment(post(app.browser, page, {"decision": "deny"}))["error"] == "access_denied"
    assert not Grant.objects.exists()
    allowed = sent_by_fragment(post(app.browser, page, {"decision": "allow"}))
    assert allowed.keys() == ANSWERS[response_type] | WITH_EVERY
    assert "error" not in answered(app, response_type=response_type, prompt="none")


@pytest.mark.spec("house: a failure hands nothing out, and wastes nothing")
@pytest.mark.parametrize("response_type", ["code", *ANSWERS])
def test_without_a_key_there_is_neither_an_answer_nor_a_row(response_type: str, app: App) -> None:
    distrust(Purpose.MAC if "code" in response_type else Purpose.SIGN)
    answer = app.authorize(response_type=response_type)
    assert (answer.status_code, "Location" in answer) == (503, False)
    assert not Grant.objects.exists()


@pytest.mark.spec("house: no query more than is needed")
@pytest.mark.parametrize("response_type", ["code", *ANSWERS])
def test_no_response_type_costs_more_queries_than_it_needs(
    response_type: str, app: App, django_assert_num_queries: Any
) -> None:
    app.authorize(response_type=response_type)  # keys are in memory now
    # The realm, the cookie, the session with its person, the client, and the grant's row. Tokens hold the session
    # as well, which takes a transaction.
    needed = 5 if response_type == "code" else 5 + 1 + 2
    for claims in (None, '{"id_token": {"email": null}}'):
        with django_assert_num_queries(needed):
            app.authorize(response_type=response_type, claims=claims)


@pytest.mark.spec("OpenID Connect Discovery §3, RFC 8414 §2, OAuth 2.0 Multiple Response Types §6")
def test_discovery_lists_the_response_types_and_modes(app: App) -> None:
    found = app.browser.get("/.well-known/openid-configuration").json()
    assert {*found["response_types_supported"]} == {"code", *ANSWERS}
    assert {*found["response_modes_supported"]} == {*ResponseMode}
    assert "implicit" in found["grant_types_supported"]
    assert found["claims_parameter_supported"] is True
