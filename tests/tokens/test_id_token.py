"""The claims of an ID token."""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.acr import SINGLE_FACTOR
from keys import api
from tests.tokens.test_claims import AUTHORIZATION, NOON
from tokens.id_token import LIFETIME, PROTOCOL_CLAIMS, half_hash, id_token_claims

SIGNED_IN = replace(AUTHORIZATION, client_id="app", nonce="n", sid="s" * 22, id_token_alg="ES256")


@pytest.mark.spec(
    "OIDC Core §2 iss, OIDC Core §2 aud, OIDC Core §2 exp-iat, OIDC Core §2 auth-time, OIDC Core §2 nonce",
    "OIDC Core §15.1 auth-time",
)
def test_an_id_token_says_who_signed_in_how_and_when() -> None:
    claims = id_token_claims(SIGNED_IN, access_token="a.b.c", issued_at=NOON)
    assert claims == {
        "iss": SIGNED_IN.issuer,
        "sub": SIGNED_IN.subject,
        "aud": "app",
        "azp": "app",
        "exp": int((NOON + LIFETIME).timestamp()),
        "iat": int(NOON.timestamp()),
        "auth_time": int(NOON.timestamp()),
        "acr": SINGLE_FACTOR,
        "amr": ["pwd"],
        "nonce": "n",
        "sid": "s" * 22,
        "at_hash": half_hash("a.b.c", "ES256"),
    }
    assert timedelta(0) < LIFETIME <= timedelta(minutes=15)


@pytest.mark.spec("OpenID Connect Core §2")
def test_what_is_not_there_is_left_out() -> None:
    bare = replace(SIGNED_IN, nonce="", sid="", auth_time=None, id_token_alg="ML-DSA-65")
    claims = id_token_claims(bare, access_token="a.b.c", issued_at=NOON)
    assert not {"nonce", "sid", "auth_time", "acr", "amr", "at_hash"} & claims.keys()
    untold = id_token_claims(replace(SIGNED_IN, methods=()), issued_at=NOON)
    assert not {"acr", "amr", "at_hash", "c_hash"} & untold.keys()
    assert untold["auth_time"] == int(NOON.timestamp())


@pytest.mark.spec("OpenID Connect Core §3.2.2.10, §3.3.2.11")
def test_each_hash_is_of_what_comes_beside_it() -> None:
    claims = id_token_claims(SIGNED_IN, access_token="a.b.c", code="d", issued_at=NOON)
    assert (claims["at_hash"], claims["c_hash"]) == (half_hash("a.b.c", "ES256"), half_hash("d", "ES256"))
    alone = id_token_claims(SIGNED_IN, code="d", issued_at=NOON)
    assert ("at_hash" in alone, alone["c_hash"]) == (False, half_hash("d", "ES256"))
    longer = id_token_claims(replace(SIGNED_IN, id_token_alg="ES512"), code="d", issued_at=NOON)
    assert longer["c_hash"] == half_hash("d", "ES512") != claims["c_hash"]


@pytest.mark.spec("OpenID Connect Core §2, §5.5")
def test_what_was_asked_for_takes_no_claim_of_the_protocol() -> None:
    forged = dict.fromkeys((*PROTOCOL_CLAIMS, "at_hash", "c_hash"), "forged")
    bound = id_token_claims(replace(SIGNED_IN, identity=forged), access_token="a.b.c", code="d", issued_at=NOON)
    assert "forged" not in bound.values()


@pytest.mark.spec("OIDC Core §3.1.3.6 at-hash")
@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("ES256", "sha256"),
        ("RS256", "sha256"),
        ("PS256", "sha256"),
        ("ES384", "sha384"),
        ("ES512", "sha512"),
        ("Ed25519", "sha512"),
    ],
)
def test_the_hash_is_that_of_the_signature(algorithm: str, digest: str) -> None:
    assert algorithm in api.signing_algorithms()
    whole = hashlib.new(digest, b"token").digest()
    half = whole[: len(whole) // 2]
    assert half_hash("token", algorithm) == base64.urlsafe_b64encode(half).rstrip(b"=").decode()


@pytest.mark.spec("OIDC Core §3.1.3.6 at-hash, Appendix A.3")
def test_the_published_access_token_has_the_published_hash() -> None:
    assert half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"
