"""keys/foreign_keys.py: public keys that clients register."""

import json
from contextlib import suppress
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import ForeignKeyRefused
from keys.foreign_keys import ENCRYPTIONS, choose, clean_jwks, encryption_key, parse_jwks, signature_keys
from keys.jwk import base64url
from tests.keys.vectors import RFC8037_A_6_BOB
from tests.tokens.clients import jwk, key

EC_KEY = jwk(key("ES256"), "ES256", "k1")
RSA_KEY = jwk(key("RS256"), "RS256", "r1")
ED_KEY = jwk(key("Ed25519"), "Ed25519", "e1")
X_KEY = {"kty": "OKP", "crv": "X25519", "kid": "x1", "use": "enc", "x": RFC8037_A_6_BOB}


def of(*keys: object) -> dict[str, Any]:
    return {"keys": list(keys)}


def number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@pytest.mark.spec("RFC 7517 §5")
def test_a_key_may_be_used_with_one_algorithm_and_no_other() -> None:
    found = signature_keys(
        of(EC_KEY, RSA_KEY, {**RSA_KEY, "kid": "r2", "alg": "PS256"}, ED_KEY, {**ED_KEY, "kid": "", "alg": "EdDSA"})
    )
    assert [(item.kid, item.algorithm) for item in found] == [
        ("k1", "ES256"), ("r1", "RS256"), ("r2", "PS256"), ("e1", "Ed25519"), ("", "Ed25519"),
    ]  # fmt: skip


def private_jwk() -> dict[str, str]:
    secret = key("ES256").private_numbers().private_value
    return {**EC_KEY, "d": base64url(secret.to_bytes(32, "big"))}


ORDER_EIGHT = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")  # with its sign bit
ODD_2047 = 2**2046 + 1
REFUSED: dict[str, tuple[object, str]] = {
    "no keys": ({}, "1 to 20 keys"),
    "keys no list": ({"keys": {"0": EC_KEY}}, "1 to 20 keys"),
    "empty": (of(), "1 to 20 keys"),
    "too many": (of(*[{**EC_KEY, "kid": str(n)} for n in range(21)]), "1 to 20 keys"),
    "a key no object": (of("key"), "no JWK"),
    "a key null": (of(None), "no JWK"),
    "kty a list": (of({**EC_KEY, "kty": ["EC"]}), "no JWK"),
    "kty an object": (of({**EC_KEY, "kty": {}}), "no JWK"),
    "kid a number": (of({**EC_KEY, "kid": 1}), "no JWK"),
    "kid null": (of({**EC_KEY, "kid": None}), "no JWK"),
    "kid with NUL": (of({**EC_KEY, "kid": "a\0"}), "no JWK"),
    "kid a surrogate": (of({**EC_KEY, "kid": "\ud800"}), "no JWK"),
    "kid too long": (of({**EC_KEY, "kid": "k" * 257}), "no JWK"),
    "use a number": (of({**EC_KEY, "use": 1}), "no JWK"),
    "x a number": (of({**EC_KEY, "x": 5}), "no JWK"),
    "x a list": (of({**EC_KEY, "x": [5]}), "no JWK"),
    "private EC": (of(private_jwk()), "private"),
    "private null": (of({**EC_KEY, "d": None}), "private"),
    "private RSA": (of({**RSA_KEY, "p": "AQAB"}), "private"),
    "private, for encryption": (of(EC_KEY, {**private_jwk(), "use": "enc"}), "private"),
    "symmetric": (of({"kty": "oct", "k": "c2VjcmV0"}), "private"),
    "only for something else": (of({**EC_KEY, "use": "tls"}), "signatures or encryption"),
    "only for what is not used here": (of({**RSA_KEY, "use": "enc", "alg": "RSA1_5"}), "signatures or encryption"),
    "duplicate kid": (of(EC_KEY, {**RSA_KEY, "kid": "k1"}), "kid of its own"),
    "two without kid": (of(jwk(key("ES256"), "ES256"), jwk(key("RS256"), "RS256")), "kid of its own"),
    "no kty": (of({"crv": "P-256", "x": EC_KEY["x"], "y": EC_KEY["y"]}), "not used here"),
    "unknown kty": (of({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}), "not used here"),
    "unknown curve": (of({**EC_KEY, "crv": "secp256k1"}), "not used here"),
    "X25519": (of({**ED_KEY, "crv": "X25519"}), "not used here"),
    "alg none": (of({**EC_KEY, "alg": "none"}), "not used here"),
    "alg HS256": (of({**RSA_KEY, "alg": "HS256"}), "not used here"),
    "alg of another type": (of({**EC_KEY, "alg": "RS256"}), "not used here"),
    "alg empty": (of({**EC_KEY, "alg": ""}), "not used here"),
    "RSA with a curve": (of({**RSA_KEY, "crv": "P-256"}), "not used here"),
    "off the curve": (of({**EC_KEY, "y": EC_KEY["x"]}), "malformed"),
    "at nought": (of({**EC_KEY, "x": "AA", "y": "AA"}), "malformed"),
    "beyond the field": (of({**EC_KEY, "x": base64url(b"\xff" * 400)}), "malformed"),
    "on another curve": (of({**jwk(key("ES384"), "ES384"), "crv": "P-256"}), "malformed"),
    "no y": (of({name: value for name, value in EC_KEY.items() if name != "y"}), "malformed"),
    "padding": (of({**EC_KEY, "x": EC_KEY["x"] + "="}), "malformed"),
    "not ASCII": (of({**EC_KEY, "x": "ä" * 43}), "malformed"),
    "Ed25519 too short": (of({**ED_KEY, "x": "AAAA"}), "malformed"),
    "Ed25519 of order one": (of({**ED_KEY, "x": base64url(b"\1" + bytes(31))}), "small order"),
    "Ed25519 of order four": (of({**ED_KEY, "x": base64url(bytes(32))}), "small order"),
    "Ed25519 of order eight": (
        of({**ED_KEY, "x": base64url(ORDER_EIGHT)}),
        "small order",
    ),
    "RSA too short": (of({**RSA_KEY, "n": number(ODD_2047)}), "2048 to 8192"),
    "RSA too long": (of({**RSA_KEY, "n": number(2**8192 + 1)}), "2048 to 8192"),
    "RSA even": (of({**RSA_KEY, "n": number(2**2047 + 2)}), "even modulus"),
    "RSA exponent one": (of({**RSA_KEY, "e": "AQ"}), "malformed"),
    "RSA exponent even": (of({**RSA_KEY, "e": "Ag"}), "malformed"),
    "RSA exponent absurd": (of({**RSA_KEY, "e": number(2**32 + 1)}), "absurd exponent"),
    "RSA empty": (of({**RSA_KEY, "n": ""}), "malformed"),
    "an encryption algorithm without use": (of({**EC_KEY, "alg": "ECDH-ES"}), "has the use enc"),
    "an encryption algorithm to sign": (of({**EC_KEY, "use": "sig", "alg": "ECDH-ES"}), "not used here"),
}  # fmt: skip


@pytest.mark.spec("RFC 8725 §3.5")
@pytest.mark.parametrize(("document", "why"), REFUSED.values(), ids=REFUSED)
def test_a_key_that_is_not_sound_is_refused_and_not_repeated(document: dict[str, Any], why: str) -> None:
    with pytest.raises(ForeignKeyRefused, match=why) as refusal:
        clean_jwks(document)
    assert EC_KEY["x"] not in str(refusal.value)
    with pytest.raises(ForeignKeyRefused):
        signature_keys(document)
    with pytest.raises(ForeignKeyRefused):
        parse_jwks(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "JSON"),
        ("[]", "JSON object"),
        ("null", "JSON object"),
        ("{", "JSON"),
        ('{"keys":[],"keys":[]}', "each member once"),
        ('{"keys":[{"kty":"EC","kty":"RSA"}]}', "each member once"),
        ('{"keys":NaN}', "JSON"),
        ('{"keys":' + "9" * 5_000 + "}", "JSON"),
        ("[" * 60_000, "JSON"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "JSON"),
        (" " * 65_537, "65536"),
    ],
)
def test_a_text_that_is_no_jwk_set_is_refused(text: str, why: str) -> None:
    with pytest.raises(ForeignKeyRefused, match=why):
        parse_jwks(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
hostile_keys = st.builds(
    lambda base, changes: {**base, **changes},
    st.sampled_from([EC_KEY, RSA_KEY, ED_KEY, X_KEY, {**RSA_KEY, "use": "enc"}, {}]),
    st.dictionaries(
        st.sampled_from(["kty", "kid", "use", "alg", "crv", "x", "y", "n", "e", "d"]), json_values, max_size=3
    ),
)


def used(document: dict[str, Any]) -> list[str]:
    """What the set is for: the algorithms of its signatures, and those that encrypt to it."""
    found = []
    with suppress(ForeignKeyRefused):
        found += [item.algorithm for item in signature_keys(document)]
    alone = [of(item) for item in document["keys"] if item.get("use") == "enc"]
    for one, algorithm in product(alone, ENCRYPTIONS):
        with suppress(ForeignKeyRefused):
            encryption_key(one, algorithm)
            found.append(algorithm)
    return found


@given(st.lists(hostile_keys | json_values, max_size=3))
def test_every_set_is_understood_or_refused(keys: list[Any]) -> None:
    try:
        kept = clean_jwks({"keys": keys})
    except ForeignKeyRefused:
        return
    assert used(kept)
    json.dumps(kept, ensure_ascii=False).encode("utf-8")


def test_what_is_kept_is_what_is_used() -> None:
    more = {"x5c": ["AAAA"], "x5u": "https://evil.test", "note": "\0", "key_ops": ["verify"]}
    encryption = {**EC_KEY, "kid": "enc", "use": "enc", "kty": "EC", "alg": "ECDH-ES"}
    kept = clean_jwks({"keys": [{**EC_KEY, **more}, {**encryption, **more}], "other": "\0"})
    assert kept == of(EC_KEY, encryption)
    assert parse_jwks(json.dumps({"keys": [{**EC_KEY, **more}], "other": 1})) == of(EC_KEY)
    assert [item.kid for item in signature_keys(kept)] == ["k1"]
    assert encryption_key(kept, "ECDH-ES").kid == "enc"


def test_a_kid_names_its_key_and_without_one_only_the_algorithm_may() -> None:
    keys = signature_keys(of(EC_KEY, RSA_KEY, {**RSA_KEY, "kid": "r2"}, {**ED_KEY, "alg": "EdDSA"}))

    def chosen(kid: str, algorithm: str) -> str | None:
        found = choose(keys, kid=kid, algorithm=algorithm)
        return found.kid if found else None

    assert chosen("r2", "RS256") == "r2"
    assert chosen("r9", "RS256") is None
    assert chosen("", "ES256") == "k1"
    assert chosen("", "RS256") is None  # two of them fit
    assert chosen("", "EdDSA") == chosen("", "Ed25519") == "e1"
    assert chosen("", "HS256") is None
