"""keys/foreign_keys.py: the keys of a client's JWK Set that are encrypted to."""

from typing import Any

import pytest

from keys.errors import ForeignKeyRefused
from keys.foreign_keys import ENCRYPTIONS, clean_jwks, encryption_key, signature_keys
from keys.jwk import base64url
from tests.keys.test_foreign_keys import EC_KEY, ED_KEY, ODD_2047, RSA_KEY, X_KEY, number, of, private_jwk, used
from tests.tokens.clients import jwk, key


def enc(base: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {**base, "use": "enc", **members}


@pytest.mark.spec("RFC 7517 §4.2")
@pytest.mark.parametrize(
    ("one", "algorithms"),
    [
        (enc(RSA_KEY), ["RSA-OAEP-256"]),
        (enc(RSA_KEY, alg="RSA-OAEP-256"), ["RSA-OAEP-256"]),
        (enc(EC_KEY), ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]),
        (enc(EC_KEY, alg="ECDH-ES+A256KW"), ["ECDH-ES+A256KW"]),
        (enc(jwk(key("ES384"), "ES384")), ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]),
        (enc(jwk(key("ES512"), "ES512")), ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]),
        (X_KEY, ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]),
    ],
)
def test_a_set_of_one_key_for_encryption_is_sound_and_signs_nothing(one: dict[str, Any], algorithms: list[str]) -> None:
    assert clean_jwks(of(one)) == of(one)
    assert used(of(one)) == algorithms
    with pytest.raises(ForeignKeyRefused, match="one for signatures"):
        signature_keys(of(one))


# A key for encryption is held to the same rules as one that signs: each of these changes makes the whole set unsound.
UNSOUND = {
    "off the curve": (enc(EC_KEY, y=EC_KEY["x"]), "malformed"),
    "at nought": (enc(EC_KEY, x="AA", y="AA"), "malformed"),
    "on another curve": (enc(jwk(key("ES384"), "ES384"), crv="P-256"), "malformed"),
    "no y": ({name: value for name, value in enc(EC_KEY).items() if name != "y"}, "malformed"),
    "private": (enc(private_jwk()), "private"),
    "private of another server's": (enc(RSA_KEY, alg="RSA1_5", d="AQAB"), "private"),
    "symmetric": (enc({"kty": "oct", "k": "c2VjcmV0"}), "private"),
    "RSA of 1024 bits": (enc(RSA_KEY, n=number(2**1023 + 1)), "2048 to 8192"),
    "RSA too short": (enc(RSA_KEY, n=number(ODD_2047)), "2048 to 8192"),
    "RSA too long": (enc(RSA_KEY, n=number(2**8192 + 1)), "2048 to 8192"),
    "RSA even": (enc(RSA_KEY, n=number(2**2047 + 2)), "even modulus"),
    "RSA exponent one": (enc(RSA_KEY, e="AQ"), "malformed"),
    "RSA exponent absurd": (enc(RSA_KEY, e=number(2**32 + 1)), "absurd exponent"),
    "X25519 too short": ({**X_KEY, "x": "AAAA"}, "malformed"),
    "X25519 of order four": ({**X_KEY, "x": base64url(bytes(32))}, "small order"),
    "X25519 of order one": ({**X_KEY, "x": base64url(b"\1" + bytes(31))}, "small order"),
    "X25519 of order eight": (
        {**X_KEY, "x": base64url(bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"))},
        "small order",
    ),
    "kid a number": (enc(EC_KEY, kid=1), "no JWK"),
}  # fmt: skip


@pytest.mark.spec("RFC 7518 §4.3, §6.2.2, RFC 8037 §3.2, RFC 8725 §3.4")
@pytest.mark.parametrize(("one", "why"), UNSOUND.values(), ids=UNSOUND)
def test_a_key_for_encryption_that_is_not_sound_refuses_the_set(one: dict[str, Any], why: str) -> None:
    for document in (of(one), of({**EC_KEY, "kid": "signs"}, one), of(enc(RSA_KEY, kid="sound"), one)):
        with pytest.raises(ForeignKeyRefused, match=why):
            clean_jwks(document)
        for algorithm in ENCRYPTIONS:
            with pytest.raises(ForeignKeyRefused):
                encryption_key(document, algorithm)


@pytest.mark.spec("RFC 7517 §4.2, §4.4, OpenID Connect Registration §2")
@pytest.mark.parametrize(
    "one",
    [
        EC_KEY,
        {**EC_KEY, "use": "sig"},
        {**EC_KEY, "use": "ENC"},
        {**EC_KEY, "use": ""},
        enc(EC_KEY, alg="ES256"),
        enc(EC_KEY, alg=""),
        enc(EC_KEY, alg="ECDH-ES+A192KW"),
        enc(EC_KEY, alg="RSA-OAEP-256"),
        enc({**EC_KEY, "crv": "secp256k1"}),
        enc(RSA_KEY, alg="RSA-OAEP"),
        enc(RSA_KEY, crv="P-256"),
        enc(ED_KEY),
        enc({"kty": "AKP", "pub": "AAAA"}),
        enc({"crv": "P-256", "x": EC_KEY["x"], "y": EC_KEY["y"]}),
    ],
)
def test_a_key_that_is_not_one_for_encryption_is_never_encrypted_to(one: dict[str, Any]) -> None:
    for algorithm in (*ENCRYPTIONS, "ECDH-ES+A192KW", "RSA-OAEP", "RSA1_5", "dir", "ES256", ""):
        for document in (of(one), of({**one, "kid": "other"}, EC_KEY, RSA_KEY)):
            with pytest.raises(ForeignKeyRefused, match="use enc"):
                encryption_key(document, algorithm)


@pytest.mark.spec("RFC 7517 §5")
def test_a_key_for_another_servers_algorithm_is_kept_and_passed_over() -> None:
    document = of(EC_KEY, enc(RSA_KEY, alg="RSA-OAEP"), enc(EC_KEY, alg="ECDH-ES+A192KW", kid="k2"), X_KEY)
    assert clean_jwks(document) == document
    assert encryption_key(document, "ECDH-ES").kid == "x1"
    assert [item.kid for item in signature_keys(document)] == ["k1"]


@pytest.mark.spec("RFC 7517 §4.4, OpenID Connect Core §10.2")
def test_the_first_key_that_fits_is_encrypted_to() -> None:
    document = of(
        {**EC_KEY, "use": "sig"}, RSA_KEY, enc(RSA_KEY, kid="r2"), enc(RSA_KEY, kid="r3"),
        enc(EC_KEY, kid="k2", alg="ECDH-ES+A128KW"), enc(EC_KEY, kid="k3"), X_KEY,
    )  # fmt: skip
    chosen = {algorithm: encryption_key(document, algorithm).kid for algorithm in ENCRYPTIONS}
    assert chosen == {"RSA-OAEP-256": "r2", "ECDH-ES": "k3", "ECDH-ES+A128KW": "k2", "ECDH-ES+A256KW": "k3"}


@pytest.mark.spec("OIDC Core §10.2 key-of-client")
def test_among_several_keys_one_for_encryption_needs_a_kid() -> None:
    nameless = {name: value for name, value in enc(EC_KEY).items() if name != "kid"}
    assert encryption_key(of(nameless), "ECDH-ES").kid == ""
    with pytest.raises(ForeignKeyRefused, match="needs a kid"):
        encryption_key(of(EC_KEY, nameless), "ECDH-ES")
    assert clean_jwks(of(EC_KEY, nameless))  # for a client that asks for no encryption it does no harm


@pytest.mark.spec("RFC 7517 §4.5")
def test_keys_of_one_use_need_kids_of_their_own() -> None:
    for document in (of(enc(EC_KEY), enc(RSA_KEY, kid="k1")), of(EC_KEY, {**RSA_KEY, "kid": "k1"})):
        with pytest.raises(ForeignKeyRefused, match="kid of its own"):
            clean_jwks(document)
    both = of({**EC_KEY, "use": "sig"}, enc(RSA_KEY, kid="k1"))
    assert clean_jwks(both) == both


@pytest.mark.spec("issue 2 of 6: a client proves itself whatever else it registered")
def test_a_key_for_encryption_says_nothing_about_the_keys_that_sign() -> None:
    unsound = enc(RSA_KEY, n=number(2**1023 + 1))
    assert [item.kid for item in signature_keys(of(EC_KEY, unsound))] == ["k1"]
