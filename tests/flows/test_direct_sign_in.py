"""`POST /auth`: tokens for a name and a password."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import LazySettings
from django.utils import timezone

from accounts import hashers
from accounts.budget import ACCOUNT_AND_ADDRESS
from accounts.models import Membership, User
from audit.models import Event
from audit.vocabulary import EventName
from keys.algorithms import Purpose
from keys.api import verify_jwt
from keys.models import KeyPair
from realms.models import Realm
from tests.provider import PASSWORD, Browser, distrust, make_person, make_realm
from tokens.models import Client, Grant

WRONG_EXPIRED = {"error": "Invalid 'expired' query parameter. Must be 'true' or 'false'."}
FORM = "application/x-www-form-urlencoded"


def sign_in(
    browser: Browser, username: str = "ana", password: str = PASSWORD, path: str = "/auth", **extra: Any
) -> Any:
    return browser.post(path, json.dumps({"username": username, "password": password}), "application/json", **extra)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.mark.spec("RFC 6749 §5.1")
def test_the_answer_has_both_names_of_the_token_and_a_refresh_token(browser: Browser, ana: User) -> None:
    answer = sign_in(browser)
    found = answer.json()
    assert answer.status_code == 200
    assert set(found) == {"token", "access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert found["token"] == found["access_token"]
    assert (found["token_type"], found["expires_in"], found["scope"]) == ("Bearer", 600, "openid profile")
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.spec("RFC 9068 §2.1 signed, RFC 9068 §2.1 typ, OIDC Core §10.1 kid")
def test_the_access_token_verifies_against_the_published_keys(browser: Browser, realm: Realm) -> None:
    person = make_person(realm=realm, roles=("editor",), email="canary@example.org")
    token = sign_in(browser).json()["token"]
    claims = verify_jwt(token, realm=realm, typ="at+jwt", audience=realm.issuer, now=timezone.now()).claims
    assert claims["sub"] == person.subject
    assert claims["roles"] == ["editor"]
    assert claims["exp"] - claims["iat"] == 600
    assert claims["jti"].startswith(base64.urlsafe_b64encode(Grant.objects.get().pk.bytes).rstrip(b"=").decode())
    assert jwt.get_unverified_header(token).keys() == {"typ", "alg", "kid"}
    assert len(token) < 1024
    assert "ana" not in json.dumps(claims)
    assert "canary" not in json.dumps(claims)


def test_json_form_and_basic_are_alike(browser: Browser, ana: User) -> None:
    body = f"username=ana&password={PASSWORD.replace(' ', '+')}"
    assert browser.post("/auth", body, FORM).status_code == 200
    assert sign_in(browser, "ANA").status_code == 200
    assert browser.generic("POST", "/auth", headers={"authorization": basic("ana", PASSWORD)}).status_code == 200


@pytest.mark.spec("RFC 9110 §11.6.1, RFC 7617 §2.1")
def test_whatever_is_wrong_gets_the_same_answer_to_the_byte(browser: Browser, realm: Realm, ana: User) -> None:
    make_person("disabled", realm=realm, is_active=False)
    make_person("stranger", realm=make_realm("other"))
    answers = [
        sign_in(browser, "ana", "wrong"),
        sign_in(browser, "nobody", PASSWORD),
        sign_in(browser, "disabled", PASSWORD),
        sign_in(browser, "stranger", PASSWORD),
    ]
    assert {(answer.status_code, answer.content, str(answer.headers)) for answer in answers} == {
        (401, answers[0].content, str(answers[0].headers))
    }
    assert answers[0].json()["error"] == "invalid_credentials"
    assert answers[0]["WWW-Authenticate"] == 'Basic realm="Signet", charset="UTF-8"'
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 6749 §10.10 passwords-guarded")
def test_guesses_meet_the_limit_and_are_told_when_to_come_back(browser: Browser, ana: User) -> None:
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        assert sign_in(browser, password="wrong").status_code == 401
    refusal = sign_in(browser)
    assert refusal.status_code == 429
    assert refusal.json()["error"] == "too_many_attempts"
    assert 1 <= int(refusal["Retry-After"]) <= 60
    assert sign_in(browser, REMOTE_ADDR="198.51.100.7").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(seconds=int(refusal["Retry-After"]))):
        assert sign_in(browser).status_code == 200


@pytest.mark.spec("RFC 9700 §4.13 forwarding-headers")
def test_the_client_does_not_choose_whom_the_limit_counts(browser: Browser, ana: User) -> None:
    """X-Forwarded-For is the word of whoever connects; only the server, before Django, may believe a proxy."""
    answers = [
        sign_in(browser, password="wrong", headers={"x-forwarded-for": f"203.0.113.{number}"}).status_code
        for number in range(ACCOUNT_AND_ADDRESS.burst + 1)
    ]
    assert answers[-1] == 429


def test_a_busy_server_asks_to_come_back(
    browser: Browser, ana: User, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.IDP_PASSWORD_HASHES_IN_FLIGHT = 2
    monkeypatch.setattr(hashers, "WAIT_SECONDS", 0.01)
    with hashers._place(), hashers._place():
        answer = sign_in(browser)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert sign_in(browser).status_code == 200


def test_a_realm_signs_in_its_own_members_with_its_own_keys(browser: Browser, realm: Realm, ana: User) -> None:
    other = make_realm("other")
    path = "/realms/other/auth"
    assert sign_in(browser, path=path).status_code == 401
    Membership.objects.create(user=ana, realm=other, roles=["guest"], created_at=timezone.now())
    found = sign_in(browser, path=path).json()
    claims = verify_jwt(found["token"], realm=other, typ="at+jwt", now=timezone.now()).claims
    assert (claims["iss"], claims["roles"]) == (other.issuer, ["guest"])
    crossed = browser.post("/auth/refresh", {"refresh_token": found["refresh_token"]}, "application/json")
    assert crossed.status_code == 400
    own = browser.post("/realms/other/auth/refresh", {"refresh_token": found["refresh_token"]}, "application/json")
    assert own.status_code == 200


@pytest.mark.parametrize("path", ["auth", "auth/refresh", "auth/logout", "connect", "health"])
def test_an_unknown_or_disabled_realm_is_not_found(path: str, browser: Browser, realm: Realm) -> None:
    disabled = make_realm("disabled")
    Realm.objects.filter(pk=disabled.pk).update(enabled=False)
    for slug in ("nowhere", "disabled", "UPPER_case"):
        answer = sign_in(browser, path=f"/realms/{slug}/{path}")
        assert answer.status_code == 404
        assert answer.json()["error"] == "not_found"


@pytest.mark.django_db
@pytest.mark.spec("design: keys.md, the signer fails closed")
def test_without_a_signing_key_nobody_is_asked_for_a_password(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm = make_realm(purposes=(Purpose.MAC,))
    make_person(realm=realm)
    monkeypatch.setattr(hashers.BoundedArgon2, "verify", lambda *_args: pytest.fail("A password was hashed."))
    answer = sign_in(browser)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.json()["error"] == "temporarily_unavailable"


@pytest.mark.django_db
def test_a_grant_whose_tokens_can_not_be_made_is_not_written(browser: Browser) -> None:
    realm = make_realm(purposes=(Purpose.SIGN,))
    make_person(realm=realm)
    assert sign_in(browser).status_code == 503
    assert not Grant.objects.exists()


def test_a_realm_without_its_direct_client_says_so(browser: Browser, ana: User) -> None:
    Client.objects.update(enabled=False)
    answer = sign_in(browser)
    assert answer.status_code == 503
    assert "switched off" in answer.json()["error_description"]


@pytest.mark.spec("design: product.md, Flask JWKS server")
class TestExpired:
    def test_true_gives_a_token_that_expired_signed_by_a_key_that_is_not_published(
        self, browser: Browser, realm: Realm, ana: User
    ) -> None:
        answer = sign_in(browser, path="/auth?expired=true")
        found = answer.json()
        assert answer.status_code == 200
        assert found["token"] == found["access_token"]
        assert found["expires_in"] == 0
        assert "refresh_token" not in found
        claims = jwt.decode(found["token"], options={"verify_signature": False})
        assert claims["exp"] < timezone.now().timestamp() - 1800
        assert claims["iat"] < claims["exp"]
        kid = jwt.get_unverified_header(found["token"])["kid"]
        assert KeyPair.objects.get(kid=kid).ring.purpose == Purpose.EXPIRED_TEST
        published = browser.get("/.well-known/jwks.json").json()["keys"]
        assert published
        assert kid not in [key["kid"] for key in published]
        assert not Grant.objects.exists()

    def test_true_asks_for_the_right_password_all_the_same(self, browser: Browser, ana: User) -> None:
        assert sign_in(browser, password="wrong", path="/auth?expired=true").status_code == 401

    def test_true_without_such_a_key_finds_none(self, browser: Browser, ana: User) -> None:
        distrust(Purpose.EXPIRED_TEST)
        answer = sign_in(browser, path="/auth?expired=true")
        assert (answer.status_code, answer.json()) == (404, {"error": "No suitable key found"})

    def test_true_without_such_a_ring_finds_no_key(self, browser: Browser, db: None) -> None:
        make_person(realm=make_realm(purposes=(Purpose.SIGN, Purpose.MAC)))
        answer = sign_in(browser, path="/auth?expired=true")
        assert (answer.status_code, answer.json()) == (404, {"error": "No suitable key found"})

    def test_true_where_it_is_off_finds_no_key_before_any_password_is_looked_at(
        self, browser: Browser, ana: User, settings: LazySettings
    ) -> None:
        settings.IDP_EXPIRED_TOKENS = False
        answer = sign_in(browser, password="wrong", path="/auth?expired=true")
        assert (answer.status_code, answer.json()) == (404, {"error": "No suitable key found"})

    @pytest.mark.parametrize("on", [True, False])
    @pytest.mark.parametrize("value", ["", "TRUE", "maybe", "true&expired=false"])
    def test_any_other_value_is_refused_before_all_else(
        self, value: str, on: bool, browser: Browser, ana: User, settings: LazySettings
    ) -> None:
        settings.IDP_EXPIRED_TOKENS = on
        answer = sign_in(browser, password="wrong", path=f"/auth?expired={value}")
        assert (answer.status_code, answer.json()) == (400, WRONG_EXPIRED)

    def test_false_is_as_if_it_were_not_there(self, browser: Browser, ana: User) -> None:
        assert sign_in(browser, path="/auth?expired=false").json()["expires_in"] == 600


def test_a_sign_in_leaves_an_event(browser: Browser, ana: User) -> None:
    sign_in(browser)
    assert Event.objects.get(name=EventName.SIGN_IN_SUCCEEDED).target == ana.subject
    assert User.objects.get(pk=ana.pk).is_active
