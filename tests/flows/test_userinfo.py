"""`/userinfo`: by GET and POST, as JSON or signed, and never to somebody whose token is not good for it."""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from django.utils import timezone
from jwt import PyJWKSet

from accounts.models import Session, User
from keys import api
from keys.algorithms import Purpose
from keys.errors import TokenRefused
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, post, register
from tests.flows.test_code_exchange import claims_of, userinfo
from tests.provider import ISSUER, Browser
from tests.tokens.clients import basic
from tests.tokens.clients import register as register_machine
from tokens.models import Client, Grant
from tokens.vocabulary import SubjectType

FORM = "application/x-www-form-urlencoded"
BARE = 'Bearer realm="Signet"'
BOTH = f'{BARE}, DPoP algs="ES256 ES384 ES512 Ed25519 EdDSA RS256 PS256"'  # RFC 9449 §7.1
BOUND = timedelta(minutes=10)


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    """A client, with ana signed in."""
    User.objects.filter(pk=ana.pk).update(email="ana@example.org", name="Ana Lima")
    found = register(realm, browser, now)
    found.sign_in()
    return found


def token(app: App, scope: str = "openid", **changes: str) -> str:
    return str(app.exchange(app.code(scope=scope, **changes)).json()["access_token"])


def verified(app: App, text: str) -> dict[str, Any]:
    """The claims of a signed answer, as a client holds them against the published keys."""
    keys = PyJWKSet.from_dict(app.browser.get("/.well-known/jwks.json").json())
    kid = jwt.get_unverified_header(text)["kid"]
    found: dict[str, Any] = jwt.decode(
        text, keys[kid], audience="app", issuer=ISSUER, options={"require": ["iss", "sub", "aud", "exp"]}
    )
    return found


@pytest.mark.spec(
    "OIDC Core §5.3 bearer, OpenID Connect Core §5.4, RFC 6750 §2.1 header, OIDC Core §5.3.2 sub",
    "OIDC Core §5.6 normal-claims, RFC 9700 §2.3 actions",
)
def test_userinfo_tells_what_the_scopes_name(app: App, ana: User) -> None:
    shown = token(app, "openid profile email")
    answer = userinfo(app, shown)
    told = answer.json()
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/json", "no-store")
    assert (told["sub"], told["name"], told["email"]) == (ana.subject, "Ana Lima", "ana@example.org")
    assert userinfo(app, token(app)).json() == {"sub": ana.subject}


@pytest.mark.spec("OpenID Connect Core §5.3.1, RFC 6750 §2.1 header, RFC 6750 §2.2, OIDC Core §5.3 get-and-post")
def test_header_or_form_and_get_or_post_make_no_difference(app: App) -> None:
    shown = token(app, "openid email")
    bearer = {"authorization": f"Bearer {shown}"}
    told = userinfo(app, shown).json()
    assert post(app.browser, "/userinfo", {"access_token": shown}).json() == told
    assert app.browser.post("/userinfo", b"", FORM, headers=bearer).json() == told
    assert app.browser.post("/userinfo", b"", "application/json", headers=bearer).json() == told
    assert post(app.browser, "/userinfo", {"unknown": "x"}, **bearer).json() == told
    assert app.browser.get("/userinfo", headers={"authorization": f"bearer  {shown} "}).json() == told


@pytest.mark.spec("OpenID Connect Core §5.5")
def test_what_was_asked_for_by_name_is_told_beside_the_scopes(app: App, ana: User) -> None:
    shown = token(app, "openid email")
    Grant.objects.update(claims={"userinfo": ["name", "no_such_claim"], "id_token": ["zoneinfo", "locale"]})
    told = userinfo(app, shown).json()
    assert told == {"sub": ana.subject, "name": "Ana Lima", "email": "ana@example.org", "email_verified": False}
    Grant.objects.update(claims={"id_token": ["name"]})
    assert "name" not in userinfo(app, shown).json()


@pytest.mark.spec("OpenID Connect Core §5.3.2, §8.1: sub is the one of the ID token")
def test_a_client_with_pairwise_subjects_learns_its_own(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, subject_type=SubjectType.PAIRWISE)
    app.sign_in()
    tokens = app.exchange(app.code()).json()
    told = userinfo(app, tokens["access_token"]).json()
    assert told == {"sub": claims_of(tokens["id_token"])["sub"]} == {"sub": claims_of(tokens["access_token"])["sub"]}
    assert told["sub"] != ana.subject
    Client.objects.update(userinfo_alg="ES256")
    signed = userinfo(app, tokens["access_token"]).content.decode()
    assert verified(app, signed)["sub"] == told["sub"]


@pytest.mark.spec("OIDC Core §5.3.2 jwt-content-type, OIDC Core §5.3.2 jwt-claims")
def test_a_client_that_registered_an_algorithm_gets_a_signed_answer(app: App, ana: User) -> None:
    shown = token(app, "openid email")
    Client.objects.filter(client_id="app").update(userinfo_alg="ES256")
    answer = userinfo(app, shown)
    assert (answer.status_code, answer["Content-Type"], answer["Cache-Control"]) == (200, "application/jwt", "no-store")
    found = verified(app, answer.content.decode())
    left = found.pop("exp") - timezone.now().timestamp()
    assert 0 < left <= BOUND.total_seconds()
    assert found == {
        "sub": ana.subject,
        "email": "ana@example.org",
        "email_verified": False,
        "iss": ISSUER,
        "aud": "app",
    }
    by_form = post(app.browser, "/userinfo", {"access_token": shown})
    assert verified(app, by_form.content.decode())["sub"] == ana.subject


@pytest.mark.spec("RFC 8725 §3.1: the algorithm is the registered one")
def test_the_answer_is_signed_as_registered(app: App, realm: Realm) -> None:
    shown, now = token(app), timezone.now()
    Client.objects.filter(client_id="app").update(userinfo_alg="ES384")
    assert userinfo(app, shown).status_code == 503
    rotate(add_ring(realm=realm, algorithm="ES384", purpose=Purpose.SIGN, actor="test", now=now), now=now, actor="test")
    header = jwt.get_unverified_header(userinfo(app, shown).content.decode())
    assert (header["alg"], header["typ"]) == ("ES384", "userinfo+jwt")


@pytest.mark.spec("RFC 8725 §3.11, §3.12")
def test_a_signed_answer_is_no_id_token_no_hint_and_no_access_token(app: App, realm: Realm) -> None:
    tokens = app.exchange(app.code()).json()
    Client.objects.filter(client_id="app").update(userinfo_alg="ES256")
    signed = userinfo(app, tokens["access_token"]).content.decode()
    now = timezone.now()
    for typ in ("JWT", "at+jwt", "logout+jwt"):
        with pytest.raises(TokenRefused, match="kind"):
            api.verify_jwt(signed, realm=realm, typ=typ, now=now)
    assert "iat" not in claims_of(signed)  # which an ID token must have
    refused = userinfo(app, signed)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    _, secret = register_machine(realm, "service", grant_types=(), introspects=(ISSUER,))
    Client.objects.filter(client_id="service").update(introspects=[ISSUER, "app"])
    asked = post(app.browser, "/introspect", {"token": signed}, **basic("service", secret))
    assert asked.json() == {"active": False}
    # As a hint it names neither the client nor the person: nobody is sent anywhere, and the session stays.
    Client.objects.filter(client_id="app").update(post_logout_redirect_uris=[CALLBACK])
    form = {"id_token_hint": signed, "post_logout_redirect_uri": CALLBACK}
    assert post(app.browser, "/logout", form).status_code == 400
    assert Session.objects.get().ended_at is None
    assert post(app.browser, "/logout", {**form, "id_token_hint": tokens["id_token"]}).status_code == 303
    assert Session.objects.get().ended_at is not None


@pytest.mark.spec("RFC 6750 §3.1: without a token, the challenge and no error")
@pytest.mark.parametrize("authorization", [None, "", "Basic YTpi", "Digest x", "Bearerabc"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_token_there_is_the_bare_challenge(method: str, authorization: str | None, app: App) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = app.browser.generic(method, "/userinfo", b"", FORM, headers=headers)
    assert (answer.status_code, answer["WWW-Authenticate"], answer.json()) == (401, BOTH, {})
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.spec("RFC 6750 §2 one-method, RFC 6750 §3.1: by one method, and not in the address, RFC 6750 §3 challenge")
def test_a_token_that_is_there_twice_or_in_the_wrong_place_is_a_malformed_request(app: App) -> None:
    shown = token(app)
    bearer = {"authorization": f"Bearer {shown}"}
    for answer in (
        post(app.browser, "/userinfo", {"access_token": shown}, **bearer),
        post(app.browser, "/userinfo", {"access_token": shown}, authorization="Basic YTpi"),
        app.browser.post("/userinfo", f"access_token={shown}&access_token={shown}", FORM),
        app.browser.get(f"/userinfo?access_token={shown}"),
        app.browser.get(f"/userinfo?access_token={shown}", headers=bearer),
        post(app.browser, f"/userinfo?access_token={shown}", {}),
        app.browser.get("/userinfo", headers={"authorization": "Bearer"}),
        app.browser.get("/userinfo", headers={"authorization": "Bearer  "}),
        app.browser.get("/userinfo", headers={"authorization": "Bearer " + "a" * 12_289}),
        app.browser.post("/userinfo", "access_token=%zz", FORM),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert answer["WWW-Authenticate"] == f'{BARE}, error="invalid_request"'
        assert shown not in answer.content.decode()


@pytest.mark.spec("RFC 6750 §2.2: a posted token is a form's field")
def test_a_posted_token_is_a_forms_and_nothing_elses(app: App) -> None:
    shown = token(app)
    body = json.dumps({"access_token": shown})
    for headers in ({}, {"authorization": f"Bearer {shown}"}):
        assert app.browser.post("/userinfo", body, "application/json", headers=headers).status_code == 415
        assert app.browser.post("/userinfo", body, "text/plain", headers=headers).status_code == 415
    assert app.browser.post("/userinfo", {"access_token": shown}).status_code == 415  # multipart
    # A GET has no body that anybody reads (§2.2: the method is one whose body has a meaning).
    answer = app.browser.generic("GET", "/userinfo", urlencode({"access_token": shown}), FORM)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, BOTH)


@pytest.mark.spec(
    "RFC 6750 §3.1, RFC 6750 §3 challenge, RFC 6750 §5.2 integrity, RFC 9068 §4 typ-checked, RFC 9068 §4 invalid-token",
)
def test_a_token_that_is_not_good_is_invalid(app: App, realm: Realm) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    shown = tokens["access_token"]
    now = timezone.now()
    moment = int(now.timestamp())
    claims = {"iss": ISSUER, "aud": ISSUER, "exp": moment + 60, "jti": "A" * 16, "client_id": "app", "scope": "openid"}
    own = api.sign_jwt(claims, realm=realm, typ="at+jwt", now=now).token
    for text in (
        shown[:-4] + "AAAA",
        tokens["id_token"],
        tokens["refresh_token"],
        own,
        "x",
        "a.b.c",
        "a b",
        "é",
        "at_",
    ):
        answer = userinfo(app, text)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert answer["WWW-Authenticate"] == f'{BARE}, error="invalid_token"'


@pytest.mark.spec("RFC 6750 §3.1: insufficient_scope names what is needed, RFC 6749 §7 token-checked")
def test_a_token_without_openid_is_good_but_not_for_this(app: App) -> None:
    answer = userinfo(app, token(app, "notes:read"))
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert answer["WWW-Authenticate"] == f'{BARE}, error="insufficient_scope", scope="openid"'
