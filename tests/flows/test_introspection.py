"""`POST /introspect`."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Membership, User
from keys import api
from keys.algorithms import Purpose
from keys.models import KeyPair
from keys.services.compromise import compromise
from realms.models import Realm
from tests.flows.test_direct_sign_in import sign_in
from tests.flows.test_token import ask, error, post
from tests.provider import ISSUER, Browser, distrust, make_realm
from tests.tokens.clients import API, OTHER_API, asserted, assertion, basic, register, register_signer
from tokens.models import Client, Grant
from tokens.vocabulary import DIRECT_CLIENT_ID, AuthMethod

INACTIVE = {"active": False}


@pytest.fixture
def service(realm: Realm) -> dict[str, str]:
    """The headers of a service that is the issuer's audience and the API."""
    return basic("service", register(realm, "service", grant_types=(), introspects=(ISSUER, API))[1])


@pytest.fixture
def token(browser: Browser, ana: User) -> str:
    """The access token of a person."""
    return str(sign_in(browser).json()["access_token"])


def introspect(browser: Browser, token: str, headers: dict[str, str], path: str = "/introspect", **more: str) -> Any:
    answer = post(browser, path, {"token": token, **more}, headers)
    assert answer["Cache-Control"] == "no-store"
    return answer


def active(browser: Browser, token: str, headers: dict[str, str]) -> bool:
    """Whether it is; what is not says nothing else."""
    found = introspect(browser, token, headers).json()
    assert found["active"] is True or found == INACTIVE
    return bool(found["active"])


@pytest.mark.spec("RFC 7662 §2.2 active")
def test_a_service_learns_what_a_persons_token_says(
    browser: Browser, ana: User, token: str, service: dict[str, str]
) -> None:
    Membership.objects.update(roles=["reader"])
    answer = introspect(browser, token, service)
    found = answer.json()
    claims = api.unverified_claims(token)
    assert answer.status_code == 200
    assert (found["active"], found["token_type"], found["sub"]) == (True, "Bearer", ana.subject)
    assert (found["iss"], found["aud"], found["client_id"]) == (ISSUER, ISSUER, DIRECT_CLIENT_ID)
    assert found["scope"] == "openid profile"
    assert all(found[name] == claims[name] for name in ("exp", "iat", "jti", "auth_time", "amr"))
    assert set(found) <= {"active", "token_type", *claims}


@pytest.mark.spec("RFC 7662 §2.2 active")
def test_a_clients_own_token_is_active_too(browser: Browser, realm: Realm, service: dict[str, str]) -> None:
    _, secret = register(realm, resources=(API, OTHER_API))
    found = introspect(browser, ask(browser, "machine", secret).json()["access_token"], service).json()
    assert (found["active"], found["sub"], found["aud"]) == (True, "machine", [API, OTHER_API])
    assert "scope" not in found


@pytest.mark.spec("RFC 7662 §2.1: the hint changes nothing", "RFC 7662 §2.1 hint-extended")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
def test_a_hint_changes_nothing(hint: str, browser: Browser, token: str, service: dict[str, str]) -> None:
    assert introspect(browser, token, service, token_type_hint=hint).json()["active"] is True


@pytest.mark.spec(
    "RFC 7662 §2.2, RFC 7662 §4: only for whom the token is meant",
    "RFC 7662 §2.3 not-for-you, RFC 7662 §4 audience",
)
def test_a_token_for_others_is_as_good_as_none(
    browser: Browser, realm: Realm, token: str, service: dict[str, str]
) -> None:
    _, secret = register(realm, resources=(OTHER_API,))
    assert not active(browser, ask(browser, "machine", secret).json()["access_token"], service)
    others = basic("other", register(realm, "other", introspects=(OTHER_API, ISSUER + "/"))[1])
    assert not active(browser, token, others)
    assert active(browser, ask(browser, "machine", secret).json()["access_token"], others)


@pytest.mark.spec("RFC 7662 §2.2 inactive, RFC 7662 §2.2 inactive-says-no-more")
@pytest.mark.parametrize(
    "text", ["x", "a.b.c", "..", "é", "a" * 12_000, "eyJhbGciOiJub25lIn0.e30.", "v1.AAAA", "\ufeff", "0" * 64]
)
def test_what_is_no_token_is_inactive(text: str, browser: Browser, realm: Realm, service: dict[str, str]) -> None:
    assert not active(browser, text, service)


@pytest.mark.spec(
    "RFC 7662 §2.2 inactive, RFC 7662 §4 signature, RFC 6749 §10.3 token-unforgeable, RFC 9068 §4 issuer-checked",
)
def test_refresh_tokens_forged_ones_and_those_of_other_realms_are_inactive(
    browser: Browser, token: str, service: dict[str, str]
) -> None:
    assert not active(browser, sign_in(browser).json()["refresh_token"], service)
    assert not active(browser, token[:-6] + "AAAAAA", service)
    assert not active(browser, sign_in(browser, path="/auth?expired=true").json()["access_token"], service)
    other = make_realm("other")
    others = basic("service", register(other, "service", introspects=(ISSUER, other.issuer))[1])
    assert introspect(browser, token, others, "/realms/other/introspect").json() == INACTIVE


@pytest.mark.spec("RFC 8725 §3.11, RFC 9068 §4 typ-checked")
def test_other_kinds_of_signed_tokens_are_inactive(browser: Browser, realm: Realm, service: dict[str, str]) -> None:
    now = timezone.now()
    claims = {"iss": ISSUER, "aud": ISSUER, "exp": int(now.timestamp()) + 60, "client_id": "service"}
    _, secret = register(realm)
    good = api.unverified_claims(ask(browser, "machine", secret).json()["access_token"])["jti"]
    for typ, more in (("JWT", {"jti": good}), ("at+jwt", {}), ("at+jwt", {"jti": "x"}), ("at+jwt", {"jti": ""})):
        token = api.sign_jwt({**claims, **more}, realm=realm, typ=typ, now=now).token
        assert not active(browser, token, service)


@pytest.mark.spec("RFC 7662 §4 expiry, RFC 9068 §4 expiry-checked")
def test_an_expired_token_is_inactive(browser: Browser, token: str, service: dict[str, str]) -> None:
    with time_machine.travel(timezone.now() + timedelta(seconds=580), tick=False):
        assert active(browser, token, service)
    with time_machine.travel(timezone.now() + timedelta(seconds=601), tick=False):
        assert not active(browser, token, service)


@pytest.mark.spec("design: tokens.md, ending a grant ends its access tokens at introspection", "RFC 7662 §4 revocation")
@pytest.mark.parametrize(
    "end",
    [
        lambda: Grant.objects.update(revoked_at=timezone.now(), revocation_reason="logout"),
        lambda: Grant.objects.all().delete(),
        lambda: User.objects.update(is_active=False),
        lambda: User.objects.update(signed_out_at=timezone.now() + timedelta(seconds=1)),
        lambda: Membership.objects.all().delete(),
        lambda: Client.objects.filter(client_id=DIRECT_CLIENT_ID).update(enabled=False),
    ],
    ids=["ended", "gone", "person disabled", "signed out", "no member", "client disabled"],
)
def test_a_token_ends_with_what_it_rests_on(end: Any, browser: Browser, token: str, service: dict[str, str]) -> None:
    assert active(browser, token, service)
    end()
    assert not active(browser, token, service)


@pytest.mark.spec("design: tokens.md, how soon a stop takes hold")
def test_an_absolute_end_is_an_end(browser: Browser, token: str, service: dict[str, str], now: datetime) -> None:
    Grant.objects.update(created_at=now - timedelta(days=1), idle_expires_at=now, absolute_expires_at=now)
    assert not active(browser, token, service)


@pytest.mark.spec("OWASP Session Management, after a change of password")
def test_a_sign_in_from_before_a_sign_out_counts_no_more_whenever_its_grant_began(
    browser: Browser, ana: User, token: str, service: dict[str, str]
) -> None:
    grant = Grant.objects.get()
    Grant.objects.update(auth_time=grant.auth_time - timedelta(hours=1))
    assert active(browser, token, service)
    User.objects.update(signed_out_at=grant.auth_time - timedelta(minutes=30))
    assert not active(browser, token, service)


def test_a_disabled_clients_own_tokens_end_with_it(browser: Browser, realm: Realm, service: dict[str, str]) -> None:
    _, secret = register(realm)
    token = ask(browser, "machine", secret).json()["access_token"]
    assert active(browser, token, service)
    Client.objects.filter(client_id="machine").update(enabled=False)
    assert not active(browser, token, service)


@pytest.mark.spec(
    "RFC 7662 §2.1: protected by authentication",
    "RFC 7662 §2.1 authorized, RFC 7662 §2.3 credentials-wrong, RFC 7662 §4 authenticated",
    "RFC 6749 §2.3 public-never-proven",
)
def test_only_services_may_ask(browser: Browser, realm: Realm, token: str) -> None:
    _, secret = register(realm)
    register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())
    Client.objects.filter(client_id="app").update(introspects=[ISSUER])
    assert error(introspect(browser, token, basic("machine", secret))) == (400, "unauthorized_client")
    assert error(post(browser, "/introspect", {"token": token, "client_id": "app"})) == (400, "unauthorized_client")
    for headers in ({}, {"authorization": f"Bearer {token}"}, basic("machine", "wrong"), basic("nobody", "x")):
        answer = introspect(browser, token, headers)
        assert error(answer) == (401, "invalid_client")
        assert answer["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.spec("RFC 7662 §2.1 token-required")
def test_without_a_token_there_is_nothing_to_say(browser: Browser, service: dict[str, str]) -> None:
    for form in ({}, {"token": ""}):
        assert error(post(browser, "/introspect", form, service)) == (400, "invalid_request")
    assert browser.get("/introspect?token=x").status_code == 405
    assert error(post(browser, "/introspect?token=x", {"token": "x"}, service)) == (400, "invalid_request")


@pytest.mark.spec("RFC 9110 §15.6.4, RFC 9068 §4 signature-checked")
def test_a_distrusted_key_ends_its_tokens(browser: Browser, token: str, service: dict[str, str]) -> None:
    distrust(Purpose.SIGN)
    with time_machine.travel(timezone.now() + timedelta(seconds=30), tick=False):
        assert not active(browser, token, service)


def test_a_service_may_sign_its_questions(browser: Browser, realm: Realm, token: str, now: datetime) -> None:
    register_signer(realm, grant_types=(), introspects=(ISSUER,))
    answer = post(browser, "/introspect", asserted(assertion(realm, now), token=token))
    assert answer.json()["active"] is True


@pytest.mark.spec("issue 5: introspection and userinfo refuse what a compromised key signed, at once")
def test_a_compromised_keys_token_ends_at_once_whatever_the_worker_remembers(
    browser: Browser, token: str, service: dict[str, str], realm: Realm
) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    assert active(browser, token, service)
    assert browser.get("/userinfo", headers=bearer).status_code == 200
    kid = api.current_kid(realm=realm, now=timezone.now())
    compromise(KeyPair.objects.select_related("ring").get(kid=kid), actor="test")
    assert kid in api.public_jwks(realm.slug, now=timezone.now()).keys, "the worker's JWKS is from before"
    assert not active(browser, token, service)
    assert browser.get("/userinfo", headers=bearer).status_code == 401
