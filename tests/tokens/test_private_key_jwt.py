"""private_key_jwt: assertions that clients sign."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from keys import jose
from keys.foreign_keys import ALGORITHMS
from realms.models import Realm
from tests.provider import make_realm
from tests.tokens.clients import assertion, jwks, key, register, register_signer, signed
from tests.tokens.test_client_auth import proved, refused
from tokens.errors import InvalidClient
from tokens.models import Client, SpentToken
from tokens.vocabulary import AuthMethod


def by_assertion(realm: Realm, now: datetime, *, presented_id: str = "", **claims: Any) -> Client:
    return proved(realm, now, AuthMethod.PRIVATE_KEY_JWT, presented_id, assertion(realm, now, **claims))


def refused_assertion(realm: Realm, now: datetime, token: str, client_id: str = "") -> None:
    refused(realm, now, AuthMethod.PRIVATE_KEY_JWT, client_id, token)


@pytest.mark.spec(
    "RFC 7523 §3",
    "RFC 6749 §2.3.2 method-of-client, OIDC Core §9 assertion-claims, RFC 9700 §2.5 asymmetric",
)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_assertion_proves_the_client_whose_key_signed_it(algorithm: str, realm: Realm, now: datetime) -> None:
    client = register_signer(realm, algorithm=algorithm)
    assert by_assertion(realm, now, algorithm=algorithm) == client
    assert by_assertion(realm, now, algorithm=algorithm, presented_id="signer", jti="second") == client
    assert by_assertion(realm, now, algorithm=algorithm, header={"kid": None, "typ": None}, jti="third") == client


@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"aud": ["https://id.example.test"]},
        {"without": ["iat"]},
        {"nbf_in": 0},
        {"nbf_in": 59},
        {"iat_in": 59},
        {"exp_in": -59},
        {"exp_in": 660},
        {"jti": "x" * 256},
        {"jti": "\0\ud800"},
        {"more": {"deep": [1, None]}},
    ],
)
def test_an_assertion_in_time_is_taken(change: dict[str, Any], realm: Realm, now: datetime) -> None:
    register_signer(realm)
    assert by_assertion(realm, now, **changed(change, now))


@pytest.mark.spec(
    "RFC 7523 §3, draft-ietf-oauth-rfc7523bis: the issuer is the only audience",
    "OIDC Core §9 assertion-claims, OIDC Core §9 assertion-audience",
)
@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://id.example.test/token"},
        {"aud": "https://id.example.test/"},
        {"aud": ["https://id.example.test", "https://other.example.test"]},
        {"aud": ["https://id.example.test", "https://id.example.test"]},
        {"aud": []},
        {"aud": None},
        {"aud": {"https://id.example.test": 1}},
        {"aud": True},
        {"without": ["aud"]},
        {"iss": "other"},
        {"iss": ["signer"]},
        {"iss": None},
        {"without": ["iss"]},
        {"without": ["sub"]},
        {"sub": "other"},
        {"sub": "SIGNER"},
        {"sub": ["signer"]},
        {"sub": {"signer": 1}},
        {"sub": 1},
        {"sub": "signer\0"},
        {"sub": "\ud800"},
        {"without": ["exp"]},
        {"exp": None},
        {"exp": True},
        {"exp": "4000000000"},
        {"exp": 10**30},
        {"exp": 1.5},
        {"exp_in": -60},
        {"exp_in": 661},
        {"nbf_in": 61},
        {"nbf": True},
        {"nbf": -1},
        {"iat_in": 61},
        {"iat": "0"},
        {"iat": [0]},
        {"without": ["jti"]},
        {"jti": ""},
        {"jti": None},
        {"jti": 7},
        {"jti": ["first"]},
        {"jti": "x" * 257},
        {"header": {"typ": "at+jwt"}},
        {"header": {"kid": "k2"}},
        {"header": {"crit": ["exp"]}},
        {"private": "thief"},
    ],
)
def test_anything_else_about_an_assertion_is_refused_and_spends_nothing(
    change: dict[str, Any], realm: Realm, now: datetime
) -> None:
    register_signer(realm)
    register_signer(realm, "other")
    claims = changed(change, now)
    if "private" in claims:
        claims["private"] = key("ES256", claims["private"])
    refused_assertion(realm, now, assertion(realm, now, **claims))
    assert not SpentToken.objects.exists()
    assert by_assertion(realm, now)


def changed(change: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Claims, with moments in seconds from now."""
    moments = {name: value for name, value in change.items() if name.endswith("_in")}
    found = {name: value for name, value in change.items() if name not in moments}
    return found | {name.removesuffix("_in"): int(now.timestamp()) + value for name, value in moments.items()}


@pytest.mark.spec("RFC 7521 §4.2")
def test_a_client_id_beside_an_assertion_must_be_its_own(realm: Realm, now: datetime) -> None:
    register_signer(realm)
    register_signer(realm, "other")
    refused_assertion(realm, now, assertion(realm, now), "other")
    assert by_assertion(realm, now, presented_id="signer")


@pytest.mark.spec("RFC 7523 §3")
def test_a_key_of_another_client_signs_for_that_client_alone(realm: Realm, now: datetime) -> None:
    register_signer(realm)
    register_signer(realm, "other")
    refused_assertion(realm, now, assertion(realm, now, private=key("ES256", "other")))
    assert by_assertion(realm, now, client_id="other").client_id == "other"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 8_192, "é.é.é", "e30.e30.", "a.b.c.d.e"])
def test_what_is_no_assertion_is_refused(token: str, realm: Realm, now: datetime) -> None:
    register_signer(realm)
    refused_assertion(realm, now, token, "signer")


def test_a_payload_that_is_no_plain_object_is_refused(realm: Realm, now: datetime) -> None:
    register_signer(realm)
    for payload in ("[]", "null", '"signer"', '{"sub":"signer","sub":"other","exp":1}', "[" * 4_000, '{"exp":NaN}'):
        refused_assertion(realm, now, signed(payload, key()))


def test_a_set_that_is_no_longer_sound_proves_nothing(realm: Realm, now: datetime) -> None:
    register_signer(realm)
    Client.objects.filter(client_id="signer").update(jwks={"keys": []})
    refused_assertion(realm, now, assertion(realm, now))


@pytest.mark.spec("RFC 7523 §3, OpenID Connect Core §9: jti once only", "OIDC Core §9 assertion-once")
def test_an_assertion_counts_once(realm: Realm, now: datetime) -> None:
    both = (key(), "ES256", "k1"), (key("ES384"), "ES384", "k2")
    register(realm, "signer", auth_method=AuthMethod.PRIVATE_KEY_JWT, jwks=jwks(*both))
    register_signer(realm, "other")
    assert by_assertion(realm, now)
    refused_assertion(realm, now, assertion(realm, now))
    refused_assertion(realm, now, assertion(realm, now, exp=int(now.timestamp()) + 61))
    refused_assertion(realm, now, assertion(realm, now, algorithm="ES384", private=key("ES384"), header={"kid": "k2"}))
    assert by_assertion(realm, now, jti="second")
    assert by_assertion(realm, now, client_id="other"), "another client may choose the same jti"


def test_an_assertion_is_remembered_for_as_long_as_it_would_count(realm: Realm, now: datetime) -> None:
    register_signer(realm)
    token = assertion(realm, now)
    assert proved(realm, now, AuthMethod.PRIVATE_KEY_JWT, "", token)
    assert SpentToken.objects.get().expires_at == now + timedelta(seconds=60 + 60)
    for later in (0, 60, 119, 120, 121):
        refused_assertion(realm, now + timedelta(seconds=later), token)


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("RFC 7523 §3, issue 2 of 6: jti once only, across workers", "OIDC Core §9 assertion-once")
def test_of_twenty_replays_at_once_exactly_one_counts() -> None:
    realm = make_realm()
    register_signer(realm)
    now = realm.created_at
    token = assertion(realm, now)
    together = Barrier(20)

    def race(_number: int) -> bool:
        try:
            together.wait()
            return bool(proved(realm, now, AuthMethod.PRIVATE_KEY_JWT, "", token))
        except InvalidClient:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(race, range(20))) == 1


@pytest.mark.spec("issue 2 of 6: no enumeration of clients by timing")
def test_an_unknown_signer_costs_a_signature_too(
    realm: Realm, now: datetime, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    register_signer(realm)
    register(realm, "machine")
    checked: list[str] = []
    real = jose.verify_signature

    def counting(*arguments: Any, **named: Any) -> None:
        checked.append(named["algorithm"])
        real(*arguments, **named)

    monkeypatch.setattr(jose, "verify_signature", counting)
    for client_id in ("signer", "machine", "nobody"):
        with django_assert_num_queries(1):
            refused_assertion(realm, now, assertion(realm, now, client_id, private=key("ES256", "thief")))
    assert checked == ["ES256"] * 3
