"""`/userinfo` as a protected resource: which tokens it takes, and how it refuses the others."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from keys import api
from realms.models import Realm
from tests.flows.code_flow import App, post, register
from tests.flows.test_code_exchange import claims_of, userinfo
from tests.provider import Browser, make_realm
from tests.tokens.clients import basic, key, signed
from tests.tokens.clients import register as register_machine

ISSUER = "https://id.example.test"
ATTRIBUTE = re.compile(r'([a-z_]+)="([\x20\x21\x23-\x5b\x5d-\x7e]*)"')  # RFC 6750 §3


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now)
    found.sign_in()
    return found


def access_token(app: App, **changes: str) -> str:
    found: str = app.exchange(app.code(**changes)).json()["access_token"]
    return found


def attributes(answer: Any) -> dict[str, str]:
    """Those of the Bearer challenge, each once; where there is no token at all, one of DPoP stands behind it."""
    scheme, _space, rest = answer["WWW-Authenticate"].partition(", DPoP ")[0].partition(" ")
    assert scheme == "Bearer"
    found = [(match[1], match[2]) for match in map(ATTRIBUTE.fullmatch, rest.split(", ")) if match]
    assert len(found) == len(rest.split(", ")) == len(dict(found)) > 0
    return dict(found)


@pytest.mark.spec(
    "RFC 6750 §3 challenge, RFC 6750 §3 scheme, RFC 6750 §3 attributes-once, RFC 6750 §3 characters",
)
def test_every_refusal_is_a_challenge_of_the_bearer_scheme(app: App) -> None:
    assert attributes(app.browser.get("/userinfo"))
    assert attributes(userinfo(app, "x"))["error"] == "invalid_token"
    without_openid = access_token(app, scope="notes:read")
    narrow = userinfo(app, without_openid)
    assert narrow.status_code == 403
    assert (attributes(narrow)["error"], attributes(narrow)["scope"]) == ("insufficient_scope", "openid")


@pytest.mark.spec("RFC 6750 §5.2 lifetime, RFC 6749 §7 token-checked, RFC 9068 §4 expiry-checked")
def test_a_token_counts_until_it_expires(app: App) -> None:
    token = access_token(app, scope="openid offline_access")
    lifetime = claims_of(token)["exp"] - claims_of(token)["iat"]
    assert lifetime <= 15 * 60
    for seconds, status in ((lifetime - 30, 200), (lifetime + 1, 401)):
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds)):
            assert userinfo(app, token).status_code == status


def forgeries(app: App, realm: Realm) -> dict[str, str]:
    """Tokens that are nearly one of ours."""
    good = access_token(app)
    header, payload, signature = good.split(".")
    claims, now = claims_of(good), timezone.now()
    other = make_realm("other")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).rstrip(b"=").decode()

    def ours(typ: str = "at+jwt", **changes: object) -> str:
        return api.sign_jwt({**claims, **changes}, realm=realm, typ=typ, now=now).token

    return {
        "type JWT": ours("JWT"),
        "type logout+jwt": ours("logout+jwt"),
        "ID token": app.exchange(app.code()).json()["id_token"],
        "other issuer's name": ours(iss=other.issuer),
        "other issuer": api.sign_jwt({**claims, "iss": other.issuer}, realm=other, typ="at+jwt", now=now).token,
        "other audience": ours(aud="https://api.example.org"),
        "no audience": ours(aud=[]),
        "not yet": ours(nbf=int(now.timestamp()) + 600),
        "stranger's key": signed(json.dumps(claims), key("ES256", "thief"), typ="at+jwt"),
        "our kid, stranger's key": signed(
            json.dumps(claims), key("ES256", "thief"), typ="at+jwt", kid=api.current_kid(realm=realm, now=now)
        ),
        "none": f"{none}.{payload}.",
        "none with a signature": f"{none}.{payload}.{signature}",
        "no signature": f"{header}.{payload}.",
        "changed": f"{header}.{payload[:-2]}{'AA' if payload[-2:] != 'AA' else 'BB'}.{signature}",
    }


@pytest.mark.spec(
    "RFC 9068 §4 typ-checked, RFC 9068 §4 issuer-checked, RFC 9068 §4 audience-checked",
    "RFC 9068 §4 signature-checked, RFC 9068 §4 none-refused, RFC 9068 §4 invalid-token, RFC 6750 §5.2 integrity",
    "RFC 6749 §10.3 token-unforgeable, RFC 7662 §4 signature, RFC 7662 §4 not-before, RFC 7662 §4 audience",
)
def test_what_is_nearly_a_token_is_refused_and_inactive(app: App, realm: Realm) -> None:
    service = basic("service", register_machine(realm, "service", grant_types=(), introspects=(ISSUER,))[1])
    for kind, token in forgeries(app, realm).items():
        answer = userinfo(app, token)
        assert (answer.status_code, attributes(answer)["error"]) == (401, "invalid_token"), kind
        assert post(app.browser, "/introspect", {"token": token}, **service).json() == {"active": False}, kind
    good = access_token(app)
    assert userinfo(app, good).status_code == 200
    assert post(app.browser, "/introspect", {"token": good}, **service).json()["active"] is True


@pytest.mark.spec(
    "OIDC Core §5.3 get-and-post, OIDC Core §5.3 bearer, OIDC Core §5.3.2 json, OIDC Core §5.3.2 sub",
    "OIDC Core §5.3.2 content-type, RFC 6750 §2.1 header",
)
def test_userinfo_answers_get_and_post_in_json(app: App, ana: User) -> None:
    User.objects.filter(pk=ana.pk).update(name="Ána Límã 李")
    for scope in ("openid", "openid profile"):
        bearer = {"authorization": f"Bearer {access_token(app, scope=scope)}"}
        for answer in (app.browser.generic(method, "/userinfo", headers=bearer) for method in ("GET", "POST")):
            assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
            told = json.loads(answer.content.decode("utf-8"))
            assert told["sub"] == ana.subject
            assert told.get("name") == ("Ána Límã 李" if "profile" in scope else None)


@pytest.mark.spec("RFC 6750 §5.3 no-clear-cookie")
def test_no_cookie_carries_a_token(app: App) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    userinfo(app, tokens["access_token"])
    assert app.browser.cookies
    for cookie in app.browser.cookies.values():
        assert (cookie["secure"], cookie["httponly"]) == (True, True)
        assert not [text for text in tokens.values() if isinstance(text, str) and text in cookie.value]
