"""keys/foreign_tokens.py: what clients sign with the keys that they registered."""

import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keys import api, foreign_keys, jose
from keys.errors import ForeignKeyRefused, TokenRefused
from keys.foreign_keys import ALGORITHMS
from keys.jwk import base64url
from tests.keys.test_foreign_keys import EC_KEY, ED_KEY, RSA_KEY, of
from tests.tokens.clients import jwk, jwks, key, signed

CLAIMS = '{"exp":1900000000,"sub":"client"}'
TYP = "client-authentication+jwt"


def verified(token: str, document: dict[str, Any] | None) -> Any:
    return api.verify_foreign_jwt(token, jwks=document, typ=TYP)


@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kid", ["k1", None])
def test_a_token_of_a_registered_key_is_verified(algorithm: str, kid: str | None) -> None:
    token = signed(CLAIMS, key(algorithm), algorithm, kid=kid)
    declared = of(jwk(key(algorithm), algorithm, kid, alg=algorithm))
    assert verified(token, declared) == json.loads(CLAIMS)
    assert api.unverified_claims(token) == json.loads(CLAIMS)
    assert set(api.foreign_algorithms()) >= {algorithm}


@pytest.mark.spec("RFC 7515 §4.1.4")
def test_a_token_may_lack_kid_and_typ_and_must_not_lack_alg() -> None:
    assert verified(signed(CLAIMS, key(), kid=None, typ=None), of(EC_KEY))
    header = base64url(b'{"kid":"k1"}')
    with pytest.raises(TokenRefused, match="no alg"):
        verified(f"{header}.{base64url(CLAIMS.encode())}.AAAA", of(EC_KEY))


@pytest.mark.spec("RFC 8725 §3.11, draft-ietf-oauth-rfc7523bis")
@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "application/jwt", TYP, "application/Client-Authentication+JWT"])
def test_a_token_of_this_kind_or_of_none_is_taken(typ: str | None) -> None:
    assert verified(signed(CLAIMS, key(), typ=typ), of(EC_KEY))


@pytest.mark.spec("RFC 8725 §3.11, draft-ietf-oauth-rfc7523bis")
@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt", "x" * 200])
def test_a_token_of_another_kind_is_refused(typ: str) -> None:
    with pytest.raises(TokenRefused, match="kind"):
        verified(signed(CLAIMS, key(), typ=typ), of(EC_KEY))


def by_hmac(algorithm: str = "HS256") -> str:
    """A token whose secret is the public key of the client."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key("RS256").public_key().public_bytes(serialization.Encoding.PEM, form)
    message = f"{base64url(json.dumps({'alg': algorithm, 'kid': 'r1'}).encode())}.{base64url(CLAIMS.encode())}"
    return f"{message}.{base64url(hmac.digest(pem, message.encode(), 'sha256'))}"


def unsigned(alg: str) -> str:
    return f"{base64url(json.dumps({'alg': alg, 'kid': 'k1'}).encode())}.{base64url(CLAIMS.encode())}."


@pytest.mark.spec("RFC 8725 §3.1, RFC 8725 §2.1, OIDC Core §9 shared-key")
@pytest.mark.parametrize(
    ("token", "document"),
    [
        (by_hmac(), of(RSA_KEY)),
        (by_hmac("RS256"), of(RSA_KEY)),
        (unsigned("none"), of(EC_KEY)),
        (unsigned("None"), of(EC_KEY)),
        (unsigned("ES256"), of(EC_KEY)),
        (unsigned(""), of(EC_KEY)),
        (signed(CLAIMS, key("RS256"), "PS256", kid="r1"), of(RSA_KEY)),
        (signed(CLAIMS, key("RS256"), "RS256", kid="r1"), of({**RSA_KEY, "alg": "PS256"})),
        (signed(CLAIMS, key("RS256"), "RS512", kid="r1"), of(RSA_KEY)),
        (signed(CLAIMS, key("RS256"), "RS256", kid="k1"), of(EC_KEY)),
        (signed(CLAIMS, key("ES256", "another")), of(EC_KEY)),
        (signed(CLAIMS, key(), kid="k2"), of(EC_KEY)),
        (signed(CLAIMS, key(), kid="k1", crit=["exp"]), of(EC_KEY)),
        (signed(CLAIMS, key("ES256", "another"), jwk=jwk(key("ES256", "another"), "ES256", "k1")), of(EC_KEY)),
        (signed(CLAIMS, key("ES256", "another"), jku="https://evil.test/jwks"), of(EC_KEY)),
        (signed(CLAIMS, key())[:-4], of(EC_KEY)),
        (signed(CLAIMS, key("Ed25519"), "EdDSA", kid="e1")[:-43], of(ED_KEY)),
        (signed("{}", key()), of(EC_KEY)),
        (signed('{"exp":true}', key()), of(EC_KEY)),
        (signed('{"exp":1900000000.5}', key()), of(EC_KEY)),
        (signed('{"exp":' + "9" * 5_000 + "}", key()), of(EC_KEY)),
        (signed('{"exp":-1}', key()), of(EC_KEY)),
        (signed('{"exp":1900000000,"nbf":null}', key()), of(EC_KEY)),
        (signed('{"exp":1900000000,"exp":1900000001}', key()), of(EC_KEY)),
    ],
)
def test_confused_and_forged_tokens_are_refused(token: str, document: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused) as refusal:
        verified(token, document)
    assert token not in str(refusal.value)


@pytest.mark.spec("issue 2 of 6: no enumeration of clients by timing")
def test_without_a_client_a_signature_is_verified_all_the_same_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    real = jose.verify_signature

    def counting(*arguments: Any, **named: Any) -> None:
        checked.append(named["algorithm"])
        real(*arguments, **named)

    monkeypatch.setattr(jose, "verify_signature", counting)
    for algorithm in ALGORITHMS:
        for document in (None, of({**EC_KEY, "kid": "other"})):
            with pytest.raises(TokenRefused):
                verified(signed(CLAIMS, key(algorithm), algorithm), document)
    assert len(checked) == 2 * len(ALGORITHMS)
    assert {"RS256", "ES512", "Ed25519"} <= set(checked)


def test_a_signature_of_a_decoy_is_refused_too() -> None:
    """Anybody can sign with it."""
    one = ec.derive_private_key(1, ec.SECP256R1())
    assert jwk(one, "ES256") == foreign_keys.DECOY_SET["keys"][0]
    for document in (None, of(EC_KEY)):
        with pytest.raises(TokenRefused, match="None of the registered keys"):
            verified(signed(CLAIMS, one, kid="nobody"), document)


@pytest.mark.spec("RFC 7517 §4.2, RFC 7523 §3")
def test_a_key_for_encryption_verifies_nothing() -> None:
    """Neither in a set of its own nor beside the client's key, by kid or by algorithm."""
    other = {**EC_KEY, "kid": "enc", "use": "enc"}
    with pytest.raises(ForeignKeyRefused, match="one for signatures"):
        verified(signed(CLAIMS, key(), kid="enc"), of(other))
    for kid in ("enc", None):
        with pytest.raises(TokenRefused):
            verified(signed(CLAIMS, key(), kid=kid), of(RSA_KEY, other))
    assert verified(signed(CLAIMS, key("RS256"), "RS256", kid="r1"), of(RSA_KEY, other))


@pytest.mark.spec("RFC 7517 §4.2, RFC 7523 §3")
def test_a_client_that_signs_needs_a_key_for_it() -> None:
    encryption = {**EC_KEY, "kid": "enc", "use": "enc"}
    api.check_signature_keys(of(encryption, RSA_KEY))
    weak = rsa.generate_private_key(public_exponent=65_537, key_size=1024)  # noqa: S505  (that is the point)
    for document in (of(encryption), of(), {}, of(encryption, jwk(weak, "RS256", "weak"))):
        with pytest.raises(ForeignKeyRefused):
            api.check_signature_keys(document)


def test_a_registered_set_that_is_no_longer_sound_refuses() -> None:
    weak = rsa.generate_private_key(public_exponent=65_537, key_size=1024)  # noqa: S505  (that is the point)
    with pytest.raises(ForeignKeyRefused):
        verified(signed(CLAIMS, key()), jwks((weak, "RS256", "k1")))
