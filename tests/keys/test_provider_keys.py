"""JWK Sets that other providers publish for everybody: what is of use is taken, all else passed over."""

import json
from typing import Any

import pytest

from keys import api
from keys.errors import ForeignKeyRefused, TokenRefused
from keys.foreign_keys import MAX_TEXT
from keys.jwk import base64url
from tests.tokens.clients import jwk, key, signed

pytestmark = pytest.mark.spec("RFC 7517 §5")
SOUND = jwk(key("ES256"), "ES256", "k1", use="sig", alg="ES256")


def usable(*keys: Any) -> list[Any]:
    found: list[Any] = api.usable_jwks(json.dumps({"keys": keys}))["keys"]
    return found


@pytest.mark.parametrize(
    "other",
    [
        7,
        {},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "k1"},
        {"kty": "oct", "k": "AAAA", "kid": "k1"},
        {"kty": "RSA", "n": base64url(b"\xff" * 64), "e": "AQAB", "kid": "k1"},
        {**SOUND, "use": "enc"},
        {**SOUND, "alg": "HS256"},
        {**SOUND, "alg": "ES384"},
        {**SOUND, "d": "AAAA"},
        {**SOUND, "x": "AAAA"},
        {**SOUND, "kid": 1},
        {**SOUND, "kid": "a\nb"},
    ],
)
def test_what_is_no_sound_key_for_signatures_is_passed_over(other: Any) -> None:
    assert usable(other, SOUND) == [SOUND]
    with pytest.raises(ForeignKeyRefused):
        usable(other)


def test_members_that_nobody_needs_are_dropped() -> None:
    assert usable({**SOUND, "x5c": ["AAAA"], "key_ops": ["verify"]}) == [SOUND]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"keys": {}}', '{"keys": []}', json.dumps({"keys": [SOUND] * 2}), json.dumps({"keys": [7] * 21}),
     '{"keys": [], "keys": []}', " " * (MAX_TEXT + 1)],
)  # fmt: skip
def test_a_set_is_read_strictly(text: str) -> None:
    with pytest.raises(ForeignKeyRefused):
        api.usable_jwks(text)


def test_the_key_that_a_token_means_is_there_or_not() -> None:
    jwks = {"keys": [SOUND]}
    claims = '{"exp": 1900000000}'
    assert api.names_a_key(signed(claims, key("ES256")), jwks=jwks)
    assert api.names_a_key(signed(claims, key("ES256"), kid=None), jwks=jwks)
    assert not api.names_a_key(signed(claims, key("ES256"), kid="k2"), jwks=jwks)
    assert not api.names_a_key(signed(claims, key("RS256"), "RS256", kid=None), jwks=jwks)
    with pytest.raises(TokenRefused):
        api.names_a_key("x", jwks=jwks)


def test_the_algorithm_that_is_told_is_the_key_s() -> None:
    for algorithm, told in (("ES256", "ES256"), ("Ed25519", "Ed25519"), ("EdDSA", "Ed25519"), ("PS256", "PS256")):
        jwks = {"keys": [jwk(key(algorithm), algorithm, "k1", alg=algorithm)]}
        found = api.verify_foreign_token(signed('{"exp": 1}', key(algorithm), algorithm), jwks=jwks, typ="jwt")
        assert (found.claims, found.algorithm) == ({"exp": 1}, told)
