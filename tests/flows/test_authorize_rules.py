"""What an authorization request may say and how it is answered, whatever is asked for."""

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from accounts.models import Session, User
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, CHALLENGE, OTHER_SITE, OUR_SITE, App, post, register, resent, sent_back
from tests.flows.test_code_exchange import claims_of
from tests.provider import Browser
from tokens.models import Client, Grant
from tokens.vocabulary import AuthMethod, GrantType, ResponseType

ISSUER = "https://id.example.test"
TEXT = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")  # RFC 6749, Appendix A.7 and A.8


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now)
    found.sign_in()
    return found


@pytest.mark.spec("RFC 6749 §3.1 empty-is-omitted, RFC 6749 §4.1.2 state")
def test_a_parameter_without_a_value_is_as_good_as_left_out(app: App) -> None:
    empty = ("state", "nonce", "prompt", "max_age", "response_mode", "resource", "request", "request_uri", "display")
    answer = sent_back(app.authorize(**dict.fromkeys(empty, "")))
    assert answer.keys() == {"code", "iss"}
    assert "nonce" not in claims_of(app.exchange(answer["code"]).json()["id_token"])
    refused = sent_back(app.authorize(response_type="", state=""))
    assert (refused["error"], "state" in refused) == ("invalid_request", False)
    assert "Location" not in app.authorize(redirect_uri="")


@pytest.mark.spec(
    "RFC 6749 §3.1 unknown-ignored, OIDC Core §15.1 display, OIDC Core §15.1 locales, OIDC Core §15.1 acr-values"
)
def test_what_the_provider_does_not_use_changes_nothing(app: App) -> None:
    more = {"display": "popup", "ui_locales": "pt-PT fr", "claims_locales": "de", "acr_values": "urn:a", "x-y": "1"}
    assert sent_back(app.authorize(**more)).keys() == {"code", "state", "iss"}


@pytest.mark.spec("RFC 6749 §3.1.2 query-kept")
@pytest.mark.parametrize("mode", ["query", "fragment"])
def test_the_query_of_a_redirect_uri_is_kept(
    mode: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    uri = f"{CALLBACK}?tenant=1&empty=&path=a%2Fb"
    app = register(realm, browser, now, redirect_uris=(uri,))
    app.sign_in()
    target = app.authorize(redirect_uri=uri, response_mode=mode)["Location"]
    assert target.startswith(uri)
    separator = "&" if mode == "query" else "#"
    assert target[len(uri)] == separator
    assert parse_qs(target[len(uri) + 1 :]).keys() == {"code", "state", "iss"}


@pytest.mark.spec("RFC 6749 §3.1.2.3 named, RFC 6749 §3.1.2.3 compared, OIDC Core §3.1.2.1 redirect-uri")
def test_a_client_with_several_redirect_uris_names_one(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, redirect_uris=(f"{CALLBACK}1", CALLBACK, f"{CALLBACK}2"))
    app.sign_in()
    assert "code" in sent_back(app.authorize())
    for uri in (None, f"{CALLBACK}3", f"{CALLBACK}1 {CALLBACK}", CALLBACK.upper(), f"{CALLBACK}?"):
        answer = app.authorize(redirect_uri=uri)
        assert (answer.status_code, "Location" in answer) == (400, False)


@pytest.mark.spec("OIDC Core §14 code-points, RFC 8414 §4 code-points, OIDC Discovery §5 code-points")
def test_strings_are_compared_and_given_back_code_point_by_code_point(app: App) -> None:
    composed, decomposed = "é", "e\u0301"
    for text in (composed, decomposed, "ﬁ", "\u2126", "+ %2B&="):
        answer = sent_back(app.authorize(state=text, nonce=text))
        assert answer["state"] == text
        assert claims_of(app.exchange(answer["code"]).json()["id_token"])["nonce"] == text
    for lookalike in ("ａｐｐ", "App", "app\u200b", "ap\u0070\u0301"):
        assert b"Invalid client_id" in app.authorize(client_id=lookalike).content


@pytest.mark.spec("RFC 6749 §4.1.2.1 characters, RFC 6749 §4.1.2.1 error")
@pytest.mark.parametrize(
    "query",
    [
        [("é", "1"), ("é", "1")],
        [('"<\\', "1"), ('"<\\', "1")],
        [("scope", 'a"b\\c')],
        [("scope", "é")],
        [("prompt", '"')],
        [("max_age", "\\")],
        [("response_type", '"')],
        [("response_mode", "é")],
        [("resource", '"é"')],
        [("code_challenge", '"'), ("code_challenge_method", "é")],
        [("nonce", "x" * 513)],
    ],
)
def test_an_error_is_told_in_plain_characters(query: list[tuple[str, str]], app: App) -> None:
    named = dict(query)
    base = {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": CALLBACK,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    pairs = [(name, value) for name, value in base.items() if name not in named] + query
    answer = sent_back(app.browser.get(f"/authorize?{urlencode(pairs)}"))
    assert re.fullmatch(r"[a-z_]+", answer["error"])
    assert TEXT.fullmatch(answer["error_description"])


@pytest.mark.spec("RFC 9700 §4.11.2 authenticate-first, RFC 6749 §3.1 owner-first")
def test_nobody_is_sent_to_a_client_before_they_signed_in_not_even_with_an_error(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now)
    wrong: dict[str, str | None] = {"scope": "openid admin", "login_hint": "ana"}
    page = urlsplit(app.authorize(**wrong)["Location"])
    assert page.path == "/sign-in"
    query = parse_qs(page.query)
    assert query["login_hint"] == ["ana"]
    onwards = app.sign_in(next=query["next"][0])["Location"]
    assert sent_back(app.browser.get(onwards))["error"] == "invalid_scope"


@pytest.mark.spec("RFC 9700 §4.11.2 authenticate-first, OIDC Core §3.1.2.3 prompt-none")
@pytest.mark.parametrize("prompt", ["none", "none login", "login none"])
def test_a_silent_request_is_answered_at_once_whatever_is_wrong(
    prompt: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now)
    assert sent_back(app.authorize(prompt=prompt, scope="openid admin")).keys() >= {"error", "state", "iss"}


@pytest.mark.spec("OIDC Core §3.1.2.1 max-age-auth-time, OIDC Core §2 auth-time, OIDC Core §15.1 max-age")
def test_whoever_asks_for_a_young_sign_in_learns_how_old_it_is(app: App) -> None:
    signed_in_at = int(Session.objects.get().auth_time.timestamp())
    for max_age in ("60", "100000"):
        identity = app.exchange(app.code(max_age=max_age)).json()["id_token"]
        assert claims_of(identity)["auth_time"] == signed_in_at


@pytest.mark.spec("OIDC Core §3.1.2.1 prompt-none-alone")
def test_prompt_none_stands_alone(app: App) -> None:
    for prompt in ("none login", "none consent", "select_account none"):
        assert sent_back(app.authorize(prompt=prompt))["error"] == "invalid_request"


@pytest.mark.spec(
    "OIDC Core §3.1.2.1 prompt-login, OIDC Core §3.1.2.1 prompt-consent, OIDC Core §3.1.2.1 prompt-select-account",
    "OIDC Core §15.1 prompt",
)
def test_a_prompt_that_was_not_followed_is_never_a_success(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, first_party=False)
    app.sign_in()
    post(app.browser, app.authorize()["Location"], {"decision": "allow"})
    assert "code" in sent_back(app.authorize())
    Grant.objects.all().delete()
    for prompt, page in (("login", "/sign-in"), ("select_account", "/sign-in"), ("consent", "/consent")):
        asked = app.authorize(prompt=prompt)["Location"]
        assert urlsplit(asked).path == page
    following = parse_qs(urlsplit(app.authorize(prompt="login")["Location"]).query)["next"][0]
    assert app.sign_in(password="wrong", next=following).status_code == 422
    assert sent_back(post(app.browser, asked, {"decision": "deny"}))["error"] == "access_denied"
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 9700 §2.1.1 pkce-for-public, RFC 8252 §8.1 pkce-required, RFC 7636 §4.4.1 challenge-missing")
def test_a_public_client_can_not_do_without_pkce(realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
    app = register(realm, browser, now, auth_method=AuthMethod.NONE)
    app.sign_in()
    bare: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    assert sent_back(app.authorize(**bare))["error"] == "invalid_request"
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 9700 §2.1.1 pkce-for-confidential")
def test_a_confidential_client_does_without_pkce_only_if_it_is_registered_so(
    app: App, realm: Realm, browser: Browser, now: datetime
) -> None:
    bare: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    assert sent_back(app.authorize(**bare))["error"] == "invalid_request"
    Client.objects.filter(pk=app.client.pk).update(require_pkce=False)
    assert "code" in sent_back(app.authorize(**bare))


@pytest.mark.spec("OIDC Core §11 consent, RFC 6749 §10.12 explicit-consent")
def test_offline_access_is_had_only_where_the_person_allowed_it(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, first_party=False)
    app.sign_in()
    post(app.browser, app.authorize(scope="openid")["Location"], {"decision": "allow"})
    assert "refresh_token" not in app.exchange(app.code(scope="openid")).json()
    assert sent_back(app.authorize(scope="openid offline_access", prompt="none"))["error"] == "consent_required"
    page = app.authorize(scope="openid offline_access")["Location"]
    assert urlsplit(page).path == "/consent"
    assert "while you are away" in app.browser.get(page).content.decode()
    code = sent_back(post(app.browser, page, {"decision": "allow"}))["code"]
    assert "refresh_token" in app.exchange(code).json()


@pytest.mark.spec("RFC 6749 §3.3 scope-told, RFC 6749 §5.1 scope, RFC 6749 §3.3 scope-default")
def test_the_answer_says_what_was_granted_where_that_is_less(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, grant_types=(GrantType.AUTHORIZATION_CODE,))
    app.sign_in()
    assert app.exchange(app.code(scope="openid offline_access")).json()["scope"] == "openid"
    everything = app.exchange(app.code(scope=None)).json()["scope"]
    assert everything == "openid profile email notes:read"
    nothing = sent_back(app.authorize(scope="offline_access"))
    assert nothing["error"] == "invalid_scope"


@pytest.mark.spec("RFC 9207 §2 iss")
@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
@pytest.mark.parametrize("changes", [{}, {"scope": "openid admin"}, {"response_type": "x"}, {"prompt": "dance"}])
def test_every_answer_names_the_issuer(mode: str, changes: dict[str, Any], app: App) -> None:
    answer = app.authorize(response_mode=mode, **changes)
    if mode == "form_post":
        assert f'name="iss" value="{ISSUER}"' in answer.content.decode()
        return
    target = urlsplit(answer["Location"])
    assert dict(parse_qsl(target.fragment or target.query))["iss"] == ISSUER


@pytest.mark.spec("RFC 9700 §2.6 no-cors")
@pytest.mark.parametrize("path", ["/authorize", "/consent", "/sign-in"])
def test_scripts_of_other_sites_read_nothing_at_the_pages(path: str, app: App) -> None:
    headers = {"origin": "https://app.example.org", "access-control-request-method": "POST"}
    for method in ("GET", "POST", "OPTIONS"):
        answer = app.browser.generic(method, f"{path}?client_id=app", headers=headers)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.spec("RFC 7636 §4.4 challenge-kept, RFC 7636 §4.4 challenge-hidden, RFC 9700 §4.8.2 challenge-bound")
def test_a_code_keeps_its_challenge_to_itself(app: App) -> None:
    with_one, without = app.code(), app.code(code_challenge=CHALLENGE[::-1].replace("-", "A"))
    assert len(with_one) == len(without)
    assert CHALLENGE not in with_one
    assert {grant.code_challenge for grant in Grant.objects.all()} == {CHALLENGE, CHALLENGE[::-1].replace("-", "A")}
    assert app.exchange(without).json()["error"] == "invalid_grant"
    assert app.exchange(with_one).status_code == 200


@pytest.mark.spec("RFC 6749 §4.2.1 registered-uri, RFC 6749 §4.2.2.1 nowhere")
@pytest.mark.parametrize(
    "response_type", ["code id_token", "id_token", "code token", "code id_token token", "id_token token"]
)
@pytest.mark.parametrize(
    "changes", [{"redirect_uri": None}, {"redirect_uri": CALLBACK + "x"}, {"client_id": None}, {"client_id": "nobody"}]
)
def test_no_token_goes_where_client_or_uri_are_in_doubt(
    response_type: str, changes: dict[str, str | None], realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, response_types=tuple(ResponseType))
    app.sign_in()
    for prompt in (None, "none"):
        answer = app.authorize(response_type=response_type, prompt=prompt, **changes)
        assert (answer.status_code, "Location" in answer) == (400, False)
    assert not Grant.objects.exists()


@pytest.mark.spec("OIDC Core §5.5 unknown-members, OIDC Core §5.5.1 unknown-members, OIDC Core §5.5.1 no-error")
def test_a_request_for_claims_that_nobody_has_is_no_error(app: App) -> None:
    claims = {
        "id_token": {
            "email": {"essential": True, "urn:example:how": "well"},
            "no_such_claim": {"essential": True},
            "name#ja-Kana-JP": None,
        },
        "userinfo": {"phone_number": {"essential": True}, "urn:example:size": {"value": 7, "values": [7, 8]}},
        "urn:example:place": {"email": None},
    }
    tokens = app.exchange(app.code(claims=json.dumps(claims))).json()
    assert not {"email", "no_such_claim", "name#ja-Kana-JP"} & claims_of(tokens["id_token"]).keys()
    told = app.browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}).json()
    assert told.keys() == {"sub"}


@pytest.mark.spec("OIDC Core §3.1.2.1 get-and-post, house: a form of another site comes without the cookie (SameSite)")
def test_whoever_is_signed_in_stays_so_for_a_form_of_another_site(app: App) -> None:
    form = {
        "response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "scope": "openid", "prompt": "none",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": '"><script>alert(1)</script>',
        "<b x='": "y",
    }  # fmt: skip
    page = post(Browser(), "/authorize", form, **OTHER_SITE)
    assert (page.status_code, page["Cache-Control"]) == (200, "no-store")
    assert resent(page) == form
    assert b"<script>" not in page.content
    assert "form-action" not in page["Content-Security-Policy"]
    answer = sent_back(post(app.browser, "/authorize", resent(page), **OUR_SITE))
    assert (answer["state"], "code" in answer) == (form["state"], True)
    others: tuple[dict[str, str], ...] = (
        {},
        {**OTHER_SITE, "sec-fetch-site": "same-site"},
        {**OTHER_SITE, "sec-fetch-dest": "iframe"},
    )
    for headers in others:  # the cookie came along, or the page would not be shown
        assert sent_back(post(Browser(), "/authorize", form, **headers))["error"] == "login_required"
    assert "code" in sent_back(post(app.browser, "/authorize", form, **OTHER_SITE))
