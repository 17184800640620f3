"""`POST /token` for clients that ask for themselves."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from keys.algorithms import Purpose
from keys.api import verify_jwt
from realms.models import Realm
from tests.provider import ISSUER, Browser, distrust, make_realm
from tests.tokens.clients import (
    API,
    OTHER_API,
    asserted,
    assertion,
    basic,
    key,
    register,
    register_signer,
)
from tokens.models import Client, Grant
from tokens.vocabulary import DIRECT_CLIENT_ID, AuthMethod

GRANT = {"grant_type": "client_credentials"}
REFUSAL = {"error": "invalid_client", "error_description": "The client could not be authenticated."}


def post(browser: Browser, path: str, form: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    """A form, with a list for what is repeated."""
    pairs = [(name, one) for name, value in form.items() for one in (value if isinstance(value, list) else [value])]
    return browser.post(path, urlencode(pairs), "application/x-www-form-urlencoded", headers=headers or {})


def ask(browser: Browser, client_id: str, secret: str, path: str = "/token", **form: Any) -> Any:
    return post(browser, path, {**GRANT, **form}, basic(client_id, secret))


def claims_of(answer: Any, realm: Realm) -> dict[str, Any]:
    return dict(verify_jwt(answer.json()["access_token"], realm=realm, typ="at+jwt", now=timezone.now()).claims)


def error(answer: Any) -> tuple[int, str]:
    assert answer["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()["error"]


@pytest.mark.spec("RFC 6749 §4.4.3, RFC 6749 §5.1 members, RFC 6749 §5.1 no-store, RFC 6749 §3.2 once")
def test_the_answer_has_an_access_token_and_nothing_to_refresh(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm, scopes=("read", "write"))
    answer = ask(browser, "machine", secret)
    assert answer.status_code == 200
    found = answer.json()
    assert set(found) == {"access_token", "token_type", "expires_in", "scope"}
    assert (found["token_type"], found["expires_in"], found["scope"]) == ("Bearer", 600, "read write")
    assert answer["Content-Type"] == "application/json"
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")
    assert len(found["access_token"]) < 1024
    assert not Grant.objects.exists()


@pytest.mark.spec(
    "RFC 9068 §2.2.3.1",
    "RFC 9068 §2.1 typ, RFC 9068 §2.2 claims, RFC 9068 §5 distinct-audiences, RFC 9700 §2.3 least-privilege",
)
def test_the_token_says_who_asked_for_whom_and_what(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm, scopes=("read", "write"), resources=(API, OTHER_API))
    first = claims_of(ask(browser, "machine", secret, scope="read", resource=API), realm)
    assert {name: first[name] for name in ("iss", "sub", "client_id", "aud", "scope")} == {
        "iss": ISSUER, "sub": "machine", "client_id": "machine", "aud": API, "scope": "read",
    }  # fmt: skip
    assert first["exp"] - first["iat"] == 600
    assert not {"auth_time", "amr", "roles", "sid"} & set(first)
    assert claims_of(ask(browser, "machine", secret), realm)["jti"] != first["jti"]


@pytest.mark.spec("RFC 6749 §2.3.1 basic, RFC 9700 §2.5 asymmetric, OIDC Core §9 assertion-parameters")
def test_every_method_gets_a_token(browser: Browser, realm: Realm, now: datetime) -> None:
    _, secret = register(realm)
    assert ask(browser, "machine", secret).status_code == 200
    _, secret = register(realm, "poster", auth_method=AuthMethod.POST)
    assert post(browser, "/token", {**GRANT, "client_id": "poster", "client_secret": secret}).status_code == 200
    register_signer(realm)
    assert post(browser, "/token", {**GRANT, **asserted(assertion(realm, now))}).status_code == 200


@pytest.mark.spec("RFC 6749 §3.3 scope-default")
def test_an_empty_scope_is_left_out_everywhere(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm, scopes=("openid",))
    answer = ask(browser, "machine", secret)
    assert "scope" not in answer.json()
    assert "scope" not in claims_of(answer, realm)


@pytest.mark.spec("RFC 6749 §3.3, RFC 6749 §5.2, RFC 9700 §2.3 least-privilege, RFC 9068 §2.2.3 scope-of-audience")
@pytest.mark.parametrize("scope", ["admin", "read admin", "READ", "openid", "offline_access", "read  write", 'a"b'])
def test_a_scope_beyond_the_registered_ones_is_refused(scope: str, browser: Browser, realm: Realm) -> None:
    _, secret = register(realm, scopes=("read", "write", "openid", "offline_access"))
    assert error(ask(browser, "machine", secret, scope=scope)) == (400, "invalid_scope")


@pytest.mark.spec(
    "RFC 8707 §2 invalid-target, RFC 8707 §2 audience, RFC 9700 §2.3 audience, RFC 9700 §4.10 audience",
    "RFC 9068 §5 distinct-audiences",
)
def test_a_resource_becomes_the_audience_and_others_are_refused(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm, resources=(API, OTHER_API))
    both = ask(browser, "machine", secret, resource=[OTHER_API, API, OTHER_API])
    assert claims_of(both, realm)["aud"] == [OTHER_API, API]
    assert claims_of(ask(browser, "machine", secret, resource=["", API]), realm)["aud"] == API
    for wrong in ("https://evil.test", API + "#part", API + "/", "api", ISSUER, [API, "https://evil.test"]):
        assert error(ask(browser, "machine", secret, resource=wrong)) == (400, "invalid_target")


@pytest.mark.spec("RFC 9068 §3 default-audience")
def test_without_resources_the_issuer_is_the_audience(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm)
    assert claims_of(ask(browser, "machine", secret), realm)["aud"] == ISSUER


@pytest.mark.spec(
    "RFC 6749 §5.2: invalid_client",
    "RFC 6749 §2.2 id-proves-nothing, RFC 6749 §3.2.1 client-authenticates, RFC 6749 §3.2.1 public-names-itself",
    "RFC 6749 §4.4.2 client-authenticates, RFC 6749 §5.2 basic-challenge, RFC 6749 §10.2 client-authenticated",
    "RFC 9700 §2.5 client-authentication",
)
def test_every_client_that_proves_nothing_gets_the_same_answer(browser: Browser, realm: Realm, now: datetime) -> None:
    _, secret = register(realm)
    _, posters = register(realm, "poster", auth_method=AuthMethod.POST)
    _, disabled = register(realm, "disabled")
    Client.objects.filter(client_id="disabled").update(enabled=False)
    register_signer(realm)
    forged = assertion(realm, now, private=key("ES256", "thief"))
    answers = [
        ask(browser, "machine", secret + "x"),
        ask(browser, "nobody", secret),
        ask(browser, "poster", posters),
        ask(browser, "disabled", disabled),
        ask(browser, DIRECT_CLIENT_ID, "x"),
        ask(browser, "x" * 500, "x"),
        post(browser, "/token", {**GRANT, "client_id": "machine", "client_secret": secret}),
        post(browser, "/token", {**GRANT, "client_id": "machine"}),
        post(browser, "/token", {**GRANT, "client_id": DIRECT_CLIENT_ID}),
        post(browser, "/token", {**GRANT, **asserted(forged)}),
        post(browser, "/token", {**GRANT, **asserted("a.b.c")}),
        post(browser, "/token", GRANT),
        post(browser, "/token", GRANT, {"authorization": "Bearer abc"}),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.json() == REFUSAL for answer in answers)
    assert {answer["WWW-Authenticate"] for answer in answers} == {'Basic realm="Signet", charset="UTF-8"'}
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}


@pytest.mark.spec("RFC 6749 §2.3: one method in each request", "RFC 6749 §2.3 one-method")
def test_two_methods_at_once_are_refused_even_where_both_would_prove(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm)
    twice = {**GRANT, "client_id": "machine", "client_secret": secret}
    assert error(post(browser, "/token", twice, basic("machine", secret))) == (400, "invalid_request")


@pytest.mark.spec("RFC 6749 §5.2: unauthorized_client", "RFC 6749 §5.2 error")
def test_a_client_uses_only_the_grant_types_that_it_registered(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm, grant_types=())
    assert error(ask(browser, "machine", secret)) == (400, "unauthorized_client")
    register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())
    assert error(post(browser, "/token", {**GRANT, "client_id": "app"})) == (400, "unauthorized_client")


@pytest.mark.spec(
    "RFC 6749 §4.4: only confidential clients",
    "RFC 6749 §2.3 public-never-proven, RFC 6749 §4.4 confidential-alone",
)
def test_a_public_client_never_gets_a_token_for_itself(browser: Browser, realm: Realm) -> None:
    register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())
    Client.objects.filter(client_id="app").update(grant_types=["client_credentials"])
    assert error(post(browser, "/token", {**GRANT, "client_id": "app"})) == (400, "unauthorized_client")


@pytest.mark.spec(
    "RFC 6749 §5.2: unsupported_grant_type",
    "RFC 6749 §4.3.2 client-authenticates, RFC 6749 §4.3.2 password-checked, RFC 6749 §4.3.2 brute-force",
    "RFC 6749 §5.2 error, RFC 9700 §2.4 no-password-grant",
)
@pytest.mark.parametrize("grant_type", ["password", "implicit", "client_credentials "])
def test_other_grant_types_are_not_to_be_had(grant_type: str, browser: Browser, realm: Realm) -> None:
    _, secret = register(realm)
    answer = ask(browser, "machine", secret, grant_type=grant_type, username="ana", password="x")
    assert error(answer) == (400, "unsupported_grant_type")


@pytest.mark.spec("RFC 7523 §3: an assertion counts once, at whichever endpoint", "OIDC Core §9 assertion-once")
def test_a_replayed_assertion_is_refused_at_every_endpoint(browser: Browser, realm: Realm, now: datetime) -> None:
    register_signer(realm, introspects=(ISSUER,))
    fields = asserted(assertion(realm, now), token="x")
    assert post(browser, "/introspect", fields).json() == {"active": False}
    for path in ("/token", "/introspect", "/revoke"):
        assert error(post(browser, path, {**GRANT, **fields})) == (401, "invalid_client")


def test_a_secret_opens_one_realm(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm)
    other = make_realm("other")
    assert error(ask(browser, "machine", secret, "/realms/other/token")) == (401, "invalid_client")
    _, others = register(other)
    assert claims_of(ask(browser, "machine", others, "/realms/other/token"), other)["iss"] == other.issuer
    Realm.objects.filter(slug="other").update(enabled=False)
    assert error(ask(browser, "machine", others, "/realms/other/token")) == (404, "not_found")


@pytest.mark.spec("RFC 9110 §15.6.4")
def test_without_a_key_it_is_a_503(browser: Browser, realm: Realm) -> None:
    _, secret = register(realm)
    distrust(Purpose.SIGN)
    assert error(ask(browser, "machine", secret)) == (503, "temporarily_unavailable")


def test_a_token_costs_two_queries(browser: Browser, realm: Realm, django_assert_num_queries: Any) -> None:
    _, secret = register(realm)
    ask(browser, "machine", secret)
    with django_assert_num_queries(2):  # the realm, and the client
        assert ask(browser, "machine", secret).status_code == 200
