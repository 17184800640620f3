"""Opaque access tokens, from `/token` to the endpoints that take them; whoever asks sees no difference."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from keys import api
from keys.algorithms import Purpose
from keys.errors import LifetimeTooLong
from keys.signer import signer
from realms.models import Realm
from tests.flows.code_flow import App
from tests.flows.code_flow import register as register_app
from tests.flows.test_code_exchange import claims_of, userinfo
from tests.flows.test_introspection import INACTIVE, introspect
from tests.flows.test_revocation_endpoint import active, refuse, revoke
from tests.flows.test_token import ask, error, post
from tests.provider import ISSUER, Browser, distrust, make_realm
from tests.tokens.clients import API, basic, register
from tokens.errors import InvalidGrant
from tokens.handles import HandlePurpose
from tokens.id_token import half_hash
from tokens.models import Client, Grant, SpentToken
from tokens.opaque_tokens import Header, is_opaque, seal
from tokens.services.access_tokens import trusted_claims
from tokens.services.sealing import opaque_token_for, open_opaque_token
from tokens.services.tagging import open_handle

CLAIMS = {"iss": ISSUER, "aud": ISSUER, "exp": 0, "iat": 0, "jti": "A" * 16, "client_id": "machine", "sub": "machine"}


@pytest.fixture
def service(realm: Realm) -> dict[str, str]:
    """The headers of a service that is the issuer's audience and the API."""
    return basic("service", register(realm, "service", grant_types=(), introspects=(ISSUER, API))[1])


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    """A client that wants opaque tokens, with ana signed in."""
    found = register_app(realm, browser, now, opaque_access_tokens=True)
    found.sign_in()
    return found


def sealed(realm: Realm, now: datetime, **changes: Any) -> str:
    """An opaque token with a right seal, whatever it says; for ten minutes."""
    ends = now + timedelta(minutes=10)
    claims = {**CLAIMS, "exp": int(ends.timestamp()), **changes}
    return opaque_token_for(claims, realm=realm, expires_at=ends, now=now)


@pytest.mark.spec("RFC 6749 §5.1, issue: opaque tokens for clients that ask for them")
def test_a_client_that_asks_for_them_gets_opaque_tokens_and_a_service_learns_the_same(
    browser: Browser, realm: Realm, service: dict[str, str]
) -> None:
    _, secret = register(realm, resources=(API,), scopes=("read",))
    signed = ask(browser, "machine", secret).json()
    Client.objects.filter(client_id="machine").update(opaque_access_tokens=True)
    opaque = ask(browser, "machine", secret).json()
    assert opaque.keys() == signed.keys()
    assert is_opaque(opaque["access_token"])
    assert (opaque["token_type"], opaque["expires_in"], opaque["scope"]) == ("Bearer", 600, "read")
    assert len(opaque["access_token"]) < 1_024
    found = [introspect(browser, tokens["access_token"], service).json() for tokens in (opaque, signed)]
    for told in found:
        assert (told.pop("active"), len(told.pop("jti"))) == (True, 16)
        told["exp"] = told["exp"] - told.pop("iat")
    assert found[0] == found[1]


@pytest.mark.spec("OpenID Connect Core §3.1.3.6, §5.3, RFC 6750 §2")
def test_a_persons_opaque_token_opens_userinfo_and_the_id_token_names_it(app: App, ana: User) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    assert is_opaque(tokens["access_token"])
    assert claims_of(tokens["id_token"])["at_hash"] == half_hash(tokens["access_token"], "ES256")
    assert userinfo(app, tokens["access_token"]).json() == {"sub": ana.subject}
    again = app.refresh(tokens["refresh_token"]).json()
    assert is_opaque(again["access_token"])
    assert again["access_token"] != tokens["access_token"]
    assert userinfo(app, again["access_token"]).json() == {"sub": ana.subject}


@pytest.mark.spec("design: tokens.md, the same claims sealed, not a row")
def test_no_row_is_written_and_none_is_read_to_open_one(
    browser: Browser, realm: Realm, now: datetime, django_assert_num_queries: Any
) -> None:
    token = sealed(realm, now)
    with django_assert_num_queries(0):
        assert trusted_claims(token, realm=realm, now=now) == open_opaque_token(token, realm=realm, now=now)
        for altered in (token[:-1], token[:-6] + "AAAAAA", token[:9] + "AAA" + token[12:]):
            assert trusted_claims(altered, realm=realm, now=now) is None
    assert not Grant.objects.exists()
    assert not SpentToken.objects.exists()


@pytest.mark.spec("RFC 7662 §2.2, RFC 6750 §5.2 reference-unguessable, RFC 6749 §10.3 token-unforgeable")
def test_every_character_counts(realm: Realm, now: datetime) -> None:
    token = sealed(realm, now)
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        assert trusted_claims(token[:place] + other + token[place + 1 :], realm=realm, now=now) is None
        assert trusted_claims(token[:place], realm=realm, now=now) is None


@pytest.mark.spec("RFC 7662 §2.2, RFC 9068 §4")
def test_claims_are_held_to_the_same_rules_as_signed_ones(realm: Realm, now: datetime) -> None:
    assert trusted_claims(sealed(realm, now), realm=realm, now=now)
    second = int(now.timestamp())
    for changes in (
        {"iss": "https://elsewhere.example"}, {"iss": None}, {"exp": second}, {"exp": None}, {"exp": "9" * 10},
        {"jti": "x"}, {"jti": None}, {"jti": ""},
    ):  # fmt: skip
        assert trusted_claims(sealed(realm, now, **changes), realm=realm, now=now) is None


@pytest.mark.spec("RFC 7662 §2.2, RFC 6750 §5.2 lifetime, RFC 7662 §4 expiry")
def test_an_opaque_token_ends_at_its_exp(app: App, service: dict[str, str]) -> None:
    token = app.exchange(app.code()).json()["access_token"]
    with time_machine.travel(timezone.now() + timedelta(seconds=580), tick=False):
        assert active(app.browser, token, service)
    with time_machine.travel(timezone.now() + timedelta(seconds=601), tick=False):
        assert not active(app.browser, token, service)
        assert userinfo(app, token).status_code == 401


@pytest.mark.spec("design: a realm with its own keys")
def test_an_opaque_token_of_one_realm_is_nothing_in_another(
    browser: Browser, realm: Realm, now: datetime, service: dict[str, str]
) -> None:
    other = make_realm("other")
    token = sealed(realm, now)
    others = basic("service", register(other, "service", introspects=(ISSUER, other.issuer))[1])
    assert introspect(browser, token, others, "/realms/other/introspect").json() == INACTIVE
    # And one that the other realm sealed, although it names this issuer.
    assert trusted_claims(sealed(other, now), realm=realm, now=now) is None
    assert trusted_claims(sealed(other, now), realm=other, now=now) is None


@pytest.mark.spec("RFC 8725 §3.2: no key that the token chose")
@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32])
def test_a_token_of_a_key_id_that_nobody_has_is_none(key: bytes, realm: Realm, now: datetime) -> None:
    claims = {**CLAIMS, "exp": int(now.timestamp()) + 60}
    mine = api.tagging_kid(realm=realm, expires_at=now, at=now)
    for kid in ("AAAAAAAAAAA", mine):
        token = seal(claims, header=Header(kid, b"s" * 16), key=key)
        assert trusted_claims(token, realm=realm, now=now) is None


@pytest.mark.spec("keys.md: declared compromised, never trusted again")
def test_distrusting_the_mac_key_ends_them(app: App, realm: Realm, service: dict[str, str]) -> None:
    _, secret = register(realm, opaque_access_tokens=True)
    token = app.exchange(app.code()).json()["access_token"]
    assert active(app.browser, token, service)
    distrust(Purpose.MAC)
    assert not active(app.browser, token, service)
    assert userinfo(app, token).status_code == 401
    assert error(ask(app.browser, "machine", secret)) == (503, "temporarily_unavailable")


@pytest.mark.spec("keys.md The invariant: what a key vouches for ends before it")
def test_the_key_lives_as_long_as_the_token(realm: Realm, now: datetime) -> None:
    with pytest.raises(LifetimeTooLong):
        opaque_token_for(CLAIMS, realm=realm, expires_at=now + timedelta(days=91), now=now)
    token = sealed(realm, now)
    signer.forget()
    assert trusted_claims(token, realm=realm, now=now + timedelta(minutes=9)) is not None


@pytest.mark.spec("RFC 7009 §2.1 at-once, RFC 7009 §2.1 hint-extended, RFC 7662 §4 revocation")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", ""])
def test_an_opaque_token_is_revoked_by_itself(hint: str, app: App, service: dict[str, str]) -> None:
    first = app.exchange(app.code(scope="openid offline_access")).json()
    second = app.refresh(first["refresh_token"]).json()
    own = {"client_id": "app", "client_secret": app.secret or "", "token_type_hint": hint}
    for _ in range(2):
        revoke(app.browser, first["access_token"], {}, **own)
        assert not active(app.browser, first["access_token"], service)
        assert userinfo(app, first["access_token"]).status_code == 401
    assert active(app.browser, second["access_token"], service)
    assert Grant.objects.get().revoked_at is None
    assert SpentToken.objects.count() == 1


@pytest.mark.spec("RFC 7009 §2.1 token-of-client, RFC 7009 §2.1 another-clients-is-an-error")
def test_somebody_elses_opaque_token_stays(app: App, realm: Realm, service: dict[str, str]) -> None:
    token = app.exchange(app.code()).json()["access_token"]
    _, secret = register(realm)
    refuse(app.browser, token, basic("machine", secret))
    for text in (token[:-6] + "AAAAAA", "at_", "at_" + "A" * 12_000, "at_é", "at_.."):
        revoke(app.browser, text, basic("machine", secret))
    assert active(app.browser, token, service)
    assert not SpentToken.objects.exists()


@pytest.mark.spec("RFC 7009 §2.1: with a refresh token goes its whole grant")
def test_revoking_the_refresh_token_ends_the_opaque_ones(app: App, service: dict[str, str]) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    revoke(app.browser, tokens["refresh_token"], {}, client_id="app", client_secret=app.secret or "")
    assert not active(app.browser, tokens["access_token"], service)
    assert userinfo(app, tokens["access_token"]).status_code == 401


@pytest.mark.spec("design: purposes can't be taken for one another")
def test_an_opaque_token_is_no_refresh_token_and_no_code_and_neither_is_one(
    app: App, realm: Realm, now: datetime, service: dict[str, str]
) -> None:
    tokens, code = app.exchange(app.code(scope="openid offline_access")).json(), app.code()
    for refused in (app.refresh(tokens["access_token"]), app.exchange(tokens["access_token"])):
        assert error(refused) in ((400, "invalid_grant"), (400, "invalid_request"))  # it may be longer than any handle
    for text in (tokens["refresh_token"], code, f"at_{tokens['refresh_token']}", f"at_{code}"):
        assert introspect(app.browser, text, service).json() == INACTIVE
        assert userinfo(app, text).status_code == 401
    for purpose in HandlePurpose:
        with pytest.raises(InvalidGrant):
            open_handle(tokens["access_token"], purpose, realm=realm, now=now)
    assert userinfo(app, tokens["access_token"]).status_code == 200


@pytest.mark.spec("RFC 8414 §2: what is registered is what is used")
def test_a_client_of_opaque_tokens_needs_no_ring_that_signs_them(realm: Realm, browser: Browser) -> None:
    _, secret = register(realm, opaque_access_tokens=True, access_token_alg="ES512")
    assert is_opaque(ask(browser, "machine", secret).json()["access_token"])


def test_an_oversize_token_is_refused_before_it_is_read(browser: Browser, service: dict[str, str]) -> None:
    assert introspect(browser, "at_" + "A" * 12_285, service).json() == INACTIVE
    assert error(post(browser, "/introspect", {"token": "at_" + "A" * 12_286}, service)) == (400, "invalid_request")
