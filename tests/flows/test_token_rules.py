"""What holds at the token endpoint for every grant type of people: who has to prove what, and what stays the same."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
import time_machine
from django.apps import apps

from accounts.models import User
from keys.models import KeyPair
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, post, register, sent_back
from tests.flows.test_code_exchange import claims_of
from tests.flows.test_token import error
from tests.provider import Browser
from tests.tokens.clients import basic
from tests.tokens.clients import register as register_machine
from tokens.models import Grant
from tokens.vocabulary import AuthMethod

ISSUER = "https://id.example.test"
RESOURCES = ("https://api.example.org", "https://other.example.org")


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, resources=RESOURCES)
    found.sign_in()
    return found


@pytest.mark.spec(
    "RFC 6749 §3.2.1 client-authenticates, RFC 6749 §4.1.3 client-authenticates",
    "RFC 6749 §4.1.3 credentials-checked, RFC 6749 §6 client-authenticates, RFC 6749 §10.2 client-authenticated",
    "RFC 6749 §10.5 code-of-client, RFC 9700 §2.5 client-authentication, OIDC Core §3.1.3.2 client-authenticated",
)
def test_a_confidential_client_proves_itself_for_codes_and_refresh_tokens(app: App) -> None:
    code = app.code(scope="openid offline_access")
    for secret in (None, "wrong", "x" * 43):
        answer = app.exchange(code, client_secret=secret)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    token = app.exchange(code).json()["refresh_token"]
    for secret in (None, "wrong", "x" * 43):
        answer = app.refresh(token, client_secret=secret)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert app.refresh(token).status_code == 200
    assert Grant.objects.get().generation == 1


@pytest.mark.spec("RFC 6749 §4.1.3 code-of-client, RFC 6749 §3.2.1 public-names-itself")
def test_a_public_clients_code_is_for_its_own_client_id(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, auth_method=AuthMethod.NONE)
    other = register(realm, browser, now, client_id="other", auth_method=AuthMethod.NONE)
    app.sign_in()
    code = app.code()
    assert other.exchange(code).json()["error"] == "invalid_grant"
    assert app.exchange(code, client_id=None).json()["error"] == "invalid_client"
    assert app.exchange(code).status_code == 200


@pytest.mark.spec("RFC 6749 §4.1.3 same-redirect-uri, OIDC Core §3.1.3.2 same-redirect-uri")
def test_a_code_without_its_redirect_uri_is_refused(app: App) -> None:
    code = app.code()
    for uri in (None, ""):
        assert app.exchange(code, redirect_uri=uri).json()["error"] == "invalid_request"
    assert app.exchange(code, redirect_uri=CALLBACK + "?x=1").json()["error"] == "invalid_grant"
    assert app.exchange(code).status_code == 200


@pytest.mark.spec("RFC 6749 §3.2 unknown-ignored")
def test_a_parameter_that_nobody_knows_changes_nothing(app: App) -> None:
    more = {"audience": "https://evil.test", "x-y": "1", "username": "eve", "response_type": "token"}
    tokens = app.exchange(app.code(scope="openid offline_access"), **more).json()
    assert claims_of(tokens["access_token"])["aud"] == ISSUER
    assert app.refresh(tokens["refresh_token"], **more).status_code == 200


@pytest.mark.spec("RFC 6749 §6 successor-same-scope, RFC 6749 §6 scope-never-grows")
def test_a_refresh_for_less_leaves_the_grant_its_scope(app: App) -> None:
    tokens = app.exchange(app.code(scope="openid email offline_access")).json()
    less = app.refresh(tokens["refresh_token"], scope="openid").json()
    assert less["scope"] == "openid"
    again = app.refresh(less["refresh_token"]).json()
    assert again["scope"] == "openid email offline_access"
    assert app.refresh(again["refresh_token"], scope="openid profile").json()["error"] == "invalid_scope"


@pytest.mark.spec("RFC 9700 §4.14.2 bound-to-consent, RFC 8707 §2.1 authorization-request, RFC 8707 §2 audience")
def test_a_refresh_keeps_to_the_resources_of_the_grant(app: App) -> None:
    tokens = app.exchange(app.code(scope="notes:read offline_access", resource=RESOURCES[0])).json()
    assert claims_of(tokens["access_token"])["aud"] == RESOURCES[0]
    for resource in (None, "", RESOURCES[0]):
        tokens = app.refresh(tokens["refresh_token"], resource=resource).json()
        assert claims_of(tokens["access_token"])["aud"] == RESOURCES[0]
        assert claims_of(tokens["access_token"])["scope"] == "notes:read offline_access"


@pytest.mark.spec("RFC 8707 §2 invalid-target, RFC 8707 §2.2 no-more-than-granted")
def test_a_resource_that_was_not_granted_is_no_audience_of_a_code_or_a_refresh(app: App) -> None:
    code = app.code(scope="openid offline_access", resource=RESOURCES[0])
    for wrong in ("https://evil.example", "no uri", f"{RESOURCES[0]}#x"):  # refused before the code is spent
        assert error(app.exchange(code, resource=wrong)) == (400, "invalid_target")
    tokens = app.exchange(code).json()
    for wrong in ("https://evil.example", RESOURCES[1]):
        assert error(app.refresh(tokens["refresh_token"], resource=wrong)) == (400, "invalid_target")
    assert claims_of(app.refresh(tokens["refresh_token"]).json()["access_token"])["aud"] == [RESOURCES[0], ISSUER]
    assert error(app.exchange(app.code(resource=RESOURCES[0]), resource=RESOURCES[1])) == (400, "invalid_target")


@pytest.mark.spec("RFC 8707 §2.2 narrows, RFC 8707 §2 audience, RFC 9700 §2.3 audience")
def test_a_token_request_may_name_fewer_resources_than_were_granted(app: App) -> None:
    both = urlencode([("resource", resource) for resource in RESOURCES])
    address = app.authorize(scope="notes:read offline_access").wsgi_request.get_full_path()
    code = sent_back(app.browser.get(f"{address}&{both}"))["code"]
    tokens = app.exchange(code, resource=RESOURCES[1]).json()
    assert claims_of(tokens["access_token"])["aud"] == RESOURCES[1]
    tokens = app.refresh(tokens["refresh_token"], resource=RESOURCES[0]).json()
    assert claims_of(tokens["access_token"])["aud"] == RESOURCES[0]
    assert claims_of(app.refresh(tokens["refresh_token"]).json()["access_token"])["aud"] == list(RESOURCES)


@pytest.mark.spec("RFC 9700 §2.2.2 public-rotation, RFC 9700 §4.14.2 replay-detected")
def test_a_public_clients_refresh_tokens_are_rotated(realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
    app = register(realm, browser, now, auth_method=AuthMethod.NONE)
    app.sign_in()
    first = app.exchange(app.code(scope="openid offline_access")).json()["refresh_token"]
    second = app.refresh(first).json()["refresh_token"]
    assert second != first
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1)):
        assert app.refresh(first).json()["error"] == "invalid_grant"
        assert app.refresh(second).json()["error"] == "invalid_grant"


@pytest.mark.spec("OIDC Core §12.2 same-claims, OIDC Core §12.2 iat")
def test_the_id_token_of_a_refresh_is_about_the_same_sign_in(app: App) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    first = claims_of(tokens["id_token"])
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=7)
    with time_machine.travel(moment, tick=False):
        later = claims_of(app.refresh(tokens["refresh_token"], scope="openid").json()["id_token"])
    for name in ("iss", "sub", "aud", "azp", "auth_time", "sid", "amr"):
        assert later[name] == first[name]
    assert later["iat"] == int(moment.timestamp())
    assert later["exp"] > later["iat"] > first["iat"]


@pytest.mark.spec("OIDC Core §12.2 no-nonce")
def test_the_id_token_of_a_refresh_has_no_nonce(app: App) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    assert claims_of(tokens["id_token"])["nonce"] == "n1"
    once, again = (app.refresh(tokens["refresh_token"], scope="openid").json() for _ in range(2))
    assert once["refresh_token"] == again["refresh_token"]
    for answer in (once, again):
        assert "nonce" not in claims_of(answer["id_token"])


@pytest.mark.spec("OIDC Core §3.1.3.2 of-openid-request, OIDC Core §3.1.3.3 id-token, OIDC Core §3.1.3.3 bearer")
def test_only_a_request_with_openid_gives_an_id_token(app: App) -> None:
    signed_in, bare = (app.exchange(app.code(scope=scope)).json() for scope in ("openid", "notes:read"))
    assert ("id_token" in signed_in, "id_token" in bare) == (True, False)
    assert signed_in["token_type"] == bare["token_type"] == "Bearer"


@pytest.mark.spec(
    "OIDC Core §15.1 rs256, OIDC Core §10.1 algorithm-of-client, OIDC Core §10.1 kid",
    "OIDC Core §10.1 published-key, OIDC Core §2 signed",
)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_an_id_token_is_signed_as_its_client_registered(
    algorithm: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    ring = add_ring(realm=realm, algorithm="RS256", bits=2048, actor="test", now=now)
    rotate(ring, now=now, actor="test")
    app = register(realm, browser, now, id_token_alg=algorithm)
    app.sign_in()
    token = app.exchange(app.code()).json()["id_token"]
    header = jwt.get_unverified_header(token)
    assert (header["alg"], KeyPair.objects.get(kid=header["kid"]).ring.algorithm) == (algorithm, algorithm)
    [published] = [key for key in browser.get("/.well-known/jwks.json").json()["keys"] if key["kid"] == header["kid"]]
    assert (published["use"], published["alg"]) == ("sig", algorithm)
    claims = jwt.decode(token, jwt.PyJWK(published), algorithms=[algorithm], audience="app", issuer=ISSUER)
    assert claims["sub"] == ana.subject


@pytest.mark.spec("OIDC Core §2 iss, OIDC Core §2 sub, OIDC Core §2 azp, OIDC Core §16.15 same-issuer")
def test_an_id_token_names_issuer_person_and_client(app: App, ana: User) -> None:
    claims = claims_of(app.exchange(app.code()).json()["id_token"])
    assert claims["iss"] == app.browser.get("/.well-known/openid-configuration").json()["issuer"] == ISSUER
    assert claims["sub"] == ana.subject
    assert claims["sub"].isascii()
    assert 0 < len(claims["sub"]) <= 255
    assert claims["aud"] == claims["azp"] == "app"


@pytest.mark.spec(
    "RFC 6749 §10.3 token-secret, RFC 6749 §10.4 token-secret, RFC 9700 §4.9.3 token-secret",
    "design: product.md, a stolen database is worthless",
)
def test_no_row_holds_a_code_a_token_or_a_secret(app: App, realm: Realm) -> None:
    code = app.code(scope="openid offline_access")
    tokens = app.exchange(code).json()
    successor = app.refresh(tokens["refresh_token"]).json()["refresh_token"]
    _, secret = register_machine(realm)
    machine = {"grant_type": "client_credentials"}
    own = post(app.browser, "/token", machine, **basic("machine", secret)).json()["access_token"]
    post(app.browser, "/revoke", {"token": own}, **basic("machine", secret))
    rows = json.dumps([list(model._default_manager.values()) for model in _models()], default=str)
    assert app.client.client_id in rows
    for text in (code, tokens["access_token"], tokens["refresh_token"], tokens["id_token"], successor, own, secret):
        assert text not in rows
        assert text.rpartition(".")[2] not in rows
    assert str(app.secret) not in rows


def _models() -> list[Any]:
    ours = ("realms", "audit", "keys", "accounts", "tokens", "sessions")
    return [model for model in apps.get_models() if model._meta.app_label in ours]
