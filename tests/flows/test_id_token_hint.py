"""`id_token_hint` at `/authorize`: the answer is about that person, or there is none."""

import base64
import json
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from accounts.models import User
from keys import api
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, CHALLENGE, App, post, register, sent_back, sent_by_fragment
from tests.flows.test_code_exchange import claims_of
from tests.provider import Browser, make_person, make_realm
from tokens.models import Grant
from tokens.vocabulary import ResponseType

pytestmark = pytest.mark.spec("OpenID Connect Core §3.1.2.1, id_token_hint, OpenID Connect Core §3.1.2.2")


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, response_types=tuple(ResponseType))
    found.sign_in()
    return found


def id_token(app: App) -> str:
    """One of whoever is signed in."""
    found: str = app.exchange(app.code()).json()["id_token"]
    return found


def of_somebody_else(app: App, realm: Realm) -> str:
    """The same client's, from another browser."""
    make_person("bo", realm=realm)
    other = App(app.client, app.secret, Browser(), app.base)
    other.sign_in("bo")
    return id_token(other)


@pytest.mark.parametrize("prompt", [None, "none"])
@pytest.mark.parametrize("response_type", ResponseType)
def test_ones_own_is_met(prompt: str | None, response_type: str, app: App) -> None:
    read = sent_back if response_type == "code" else sent_by_fragment
    by_code = id_token(app)
    by_browser = sent_by_fragment(app.authorize(response_type="id_token"))["id_token"]
    for hint in (by_code, by_browser):
        answer = app.authorize(response_type=response_type, id_token_hint=hint, prompt=prompt)
        assert "error" not in read(answer)


def test_one_that_is_over_is_still_a_hint(app: App) -> None:
    hint = id_token(app)
    with time_machine.travel(datetime.now().astimezone() + timedelta(hours=2)):
        assert "code" in sent_back(app.authorize(id_token_hint=hint, prompt="none"))


def test_by_post_it_is_the_same(app: App) -> None:
    form = {
        "response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "scope": "openid", "prompt": "none",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "id_token_hint": id_token(app),
    }  # fmt: skip
    assert "code" in sent_back(post(app.browser, "/authorize", form))


@pytest.mark.spec("OIDC Core §3.1.2.1 hint-of-another, OIDC Core §3.1.2.2 sub-of-another")
@pytest.mark.parametrize("response_type", ResponseType)
def test_while_another_person_is_signed_in_there_is_no_answer(response_type: str, app: App, realm: Realm) -> None:
    read = sent_back if response_type == "code" else sent_by_fragment
    hint = of_somebody_else(app, realm)
    Grant.objects.all().delete()
    silent = read(app.authorize(response_type=response_type, id_token_hint=hint, prompt="none"))
    assert (silent["error"], silent["state"]) == ("login_required", "s1")
    page = urlsplit(app.authorize(response_type=response_type, id_token_hint=hint)["Location"])
    assert page.path == "/sign-in"
    assert not Grant.objects.exists()
    following = parse_qs(page.query)["next"][0]
    wrong = app.sign_in("ana", next=following)
    assert urlsplit(app.browser.get(wrong["Location"])["Location"]).path == "/sign-in"
    right = app.sign_in("bo", next=following)
    assert "error" not in read(app.browser.get(right["Location"]))
    assert Grant.objects.get().user.username == "bo"


def test_while_nobody_is_signed_in_somebody_signs_in_first(app: App) -> None:
    hint = id_token(app)
    app.browser.cookies.clear()
    assert sent_back(app.authorize(id_token_hint=hint, prompt="none"))["error"] == "login_required"
    assert urlsplit(app.authorize(id_token_hint=hint)["Location"]).path == "/sign-in"


def test_two_expectations_that_differ_nobody_meets(app: App, realm: Realm, ana: User) -> None:
    hint = of_somebody_else(app, realm)
    claims = json.dumps({"id_token": {"sub": {"value": ana.subject}}})
    assert sent_back(app.authorize(id_token_hint=hint, claims=claims, prompt="none"))["error"] == "login_required"
    own = id_token(app)
    assert "code" in sent_back(app.authorize(id_token_hint=own, claims=claims, prompt="none"))


def refused(app: App, hint: str) -> None:
    """Neither a silent request nor any other gets further."""
    Grant.objects.all().delete()
    for prompt in (None, "none", "consent"):
        answer = sent_back(app.authorize(id_token_hint=hint, prompt=prompt))
        assert answer["error"] == "invalid_request"
        assert answer["error_description"] == "The id_token_hint is no ID token of this client."
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 8725 §3.9")
def test_another_clients_is_refused(app: App, realm: Realm, now: datetime) -> None:
    other = register(realm, app.browser, now, client_id="other")
    hint = id_token(other)
    assert claims_of(hint)["aud"] == "other"
    refused(app, hint)


@pytest.mark.spec("RFC 8725 §3.8, OIDC Core §3.1.2.2 hint-of-ours")
def test_another_realms_is_refused(app: App, now: datetime) -> None:
    realm = make_realm("other")
    make_person("bo", realm=realm)
    there = register(realm, Browser(), now)
    there.sign_in("bo")
    refused(app, id_token(there))


@pytest.mark.spec("RFC 8725 §3.11")
def test_a_token_of_another_kind_is_refused(app: App, realm: Realm, ana: User, now: datetime) -> None:
    answer = sent_by_fragment(app.authorize(response_type="code id_token token"))
    for token in (answer["access_token"], answer["code"]):
        refused(app, token)
    moment = int(now.timestamp())
    claims = {"iss": realm.issuer, "sub": ana.subject, "aud": "app", "iat": moment, "exp": moment + 60}
    for typ in ("at+jwt", "logout+jwt", "userinfo+jwt", "secevent+jwt"):
        refused(app, api.sign_jwt(claims, realm=realm, typ=typ, now=now, algorithm="ES256").token)
    good = api.sign_jwt(claims, realm=realm, typ="JWT", now=now, algorithm="ES256").token
    assert "code" in sent_back(app.authorize(id_token_hint=good, prompt="none"))


@pytest.mark.spec("RFC 8725 §3.1, RFC 8725 §3.2, RFC 7515 §5.2, OIDC Core §3.1.2.2 hint-of-ours")
def test_what_is_tampered_with_is_refused(app: App) -> None:
    header, payload, signature = id_token(app).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT","kid":"x"}').rstrip(b"=").decode()
    forged = base64.urlsafe_b64encode(b'{"sub":"x"}').rstrip(b"=").decode()
    for hint in (
        f"{header}.{payload}.{signature[:-4]}AAAA", f"{header}.{forged}.{signature}", f"{none}.{payload}.",
        f"{none}.{payload}.{signature}", f"{header}.{payload}", f"{header}.{payload}.{signature}.x",
        f" {header}.{payload}.{signature}", f"{header}.{payload}.{signature}=", "x", "..", "é.é.é", "a" * 3_000,
    ):  # fmt: skip
        refused(app, hint)


@pytest.mark.spec("RFC 6749 §3.1 empty-is-omitted")
def test_an_empty_one_is_none(app: App) -> None:
    assert "code" in sent_back(app.authorize(id_token_hint="", prompt="none"))


@pytest.mark.spec("house: bounded sizes, RFC 9964 long signatures")
def test_one_as_long_as_the_longest_signature_fits_into_a_form(app: App) -> None:
    form = {"response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "prompt": "none", "state": "s1"}
    answer = sent_back(post(app.browser, "/authorize", {**form, "id_token_hint": "a" * 9_000}))
    assert answer["error"] == "invalid_request"
    assert post(app.browser, "/logout", {"id_token_hint": "a" * 9_000})["Location"] == "/logout/confirm?"
    app.browser.cookies.clear()
    assert post(app.browser, "/logout", {"id_token_hint": "a" * 9_000}).status_code == 200
    assert post(app.browser, "/authorize", {**form, "id_token_hint": "a" * 12_289}).status_code == 400
