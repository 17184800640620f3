"""What a proof has to say, and what of it is refused before any row is read."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from realms.models import Realm
from tests.provider import ISSUER
from tests.tokens.clients import jwk, key, signed
from tests.tokens.proofs import jkt, proof
from tokens import dpop, endpoints
from tokens.dpop import MAX_PROOF, WINDOW, Proof, challenge, hash_of
from tokens.errors import InvalidDpopProof
from tokens.protocol import ProtocolRequest
from tokens.services.possession import proof_in

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REALM = Realm(slug="default", issuer=ISSUER)


def read(text: str, *, method: str = "POST", access_token: str = "", now: datetime = NOW) -> Proof:
    request = ProtocolRequest(method, "/anything", "", {"dpop": text, "host": "evil.example"}, b"", "192.0.2.1")
    found = proof_in(request, endpoint=endpoints.TOKEN, realm=REALM, now=now, access_token=access_token)
    assert found is not None
    return found


def refused(text: str, **how: Any) -> str:
    with pytest.raises(InvalidDpopProof) as refusal:
        read(text, **how)
    return refusal.value.detail


@pytest.mark.spec("RFC 9449 §4.1 one-jwt, §4.3 well-formed")
def test_a_right_proof_tells_its_key() -> None:
    assert read(proof(now=NOW, jti="one")) == Proof(jkt(), "one", NOW + WINDOW)


@pytest.mark.spec("RFC 9449 §4.2 alg, §4.3 alg, §11.6 asymmetric")
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "Ed25519", "EdDSA", "RS256", "PS256"])
def test_each_listed_algorithm_works(algorithm: str) -> None:
    assert read(proof(now=NOW, algorithm=algorithm)).thumbprint == jkt(algorithm=algorithm)


@pytest.mark.spec("RFC 7638 §3: the thumbprint is the key's, by whichever of its algorithms it is proved")
def test_an_rsa_key_has_one_thumbprint() -> None:
    private = key("RS256", "phone")
    claims = json.dumps({"jti": "x", "htm": "POST", "htu": f"{ISSUER}/token", "iat": int(NOW.timestamp())})
    header = {"typ": "dpop+jwt", "kid": None, "jwk": jwk(private, "RS256")}
    found = {read(signed(claims, private, algorithm, **header)).thumbprint for algorithm in ("RS256", "PS256")}
    assert found == {jkt(algorithm="RS256")}


def test_no_header_is_no_proof() -> None:
    request = ProtocolRequest("POST", "/token", "", {}, b"", "")
    assert proof_in(request, endpoint=endpoints.TOKEN, realm=REALM, now=NOW) is None


def unsigned(header: dict[str, Any]) -> str:
    claims = {"jti": "x", "htm": "POST", "htu": f"{ISSUER}/token", "iat": int(NOW.timestamp())}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return f"{parts[0]}.{parts[1]}."


PUBLIC = jwk(key("ES256", "phone"), "ES256")
PRIVATE = {**PUBLIC, "d": base64.urlsafe_b64encode(bytes(31) + b"\1").rstrip(b"=").decode()}
SHORT = jwk(rsa.generate_private_key(public_exponent=65_537, key_size=1024), "RS256")  # noqa: S505  (to be refused)


@pytest.mark.spec("RFC 9449 §4.3 alg, §11.6 asymmetric")
@pytest.mark.parametrize("algorithm", ["none", "HS256", "None", "", "RS256", "ES384", "A128KW", 7, None])
def test_another_algorithm_than_the_keys_is_refused(algorithm: object) -> None:
    assert refused(unsigned({"typ": "dpop+jwt", "alg": algorithm, "jwk": PUBLIC}))


@pytest.mark.spec("RFC 9449 §4.3 alg")
def test_a_secret_that_everybody_knows_signs_nothing() -> None:
    """HS256 with the public key, or a key of the proof's own, as the secret."""
    header = {"typ": "dpop+jwt", "kid": None, "jwk": {"kty": "oct", "k": "c2VjcmV0"}}
    claims = json.dumps({"jti": "x", "htm": "POST", "htu": f"{ISSUER}/token", "iat": int(NOW.timestamp())})
    assert refused(signed(claims, b"s" * 32, "HS256", **header)) == "ForeignKeyRefused"
    assert refused(signed(claims, b"s" * 32, "HS256", **{**header, "jwk": PUBLIC})) == "ForeignKeyRefused"


@pytest.mark.spec("RFC 9449 §4.2 jwk, §4.3 public-key")
@pytest.mark.parametrize(
    "shown",
    [
        PRIVATE,
        {"kty": "EC"},
        {},
        [],
        "key",
        None,
        {**PUBLIC, "x": "AAAA"},
        {**PUBLIC, "crv": "P-384"},
        {**PUBLIC, "use": "enc"},
        {**PUBLIC, "alg": "ES384"},
        {**PUBLIC, "x": PUBLIC["y"]},
        {**PUBLIC, "x": 7},
        SHORT,
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43},
        {"kty": "oct", "k": "c2VjcmV0"},
    ],
)
def test_a_private_weak_or_malformed_key_is_refused(shown: object) -> None:
    assert refused(proof(now=NOW, header={"jwk": shown})) in ("ForeignKeyRefused", "TokenRefused")


@pytest.mark.spec("RFC 9449 §4.3 signature")
def test_somebody_elses_key_in_the_header_is_refused() -> None:
    other = jwk(ec.generate_private_key(ec.SECP256R1()), "ES256")
    assert refused(proof(now=NOW, header={"jwk": other})) == "TokenRefused"
    head, claims, signature = proof(now=NOW).split(".")
    forged = base64.urlsafe_b64encode(base64.urlsafe_b64decode(claims + "==").replace(b"POST", b"GETT")).decode()
    assert refused(f"{head}.{forged.rstrip('=')}.{signature}") == "TokenRefused"


@pytest.mark.spec("RFC 9449 §4.2 typ, §4.3 typ, §11.5 typ")
@pytest.mark.parametrize("typ", [None, "", "JWT", "jwt", "at+jwt", "dpop", "client-authentication+jwt"])
def test_another_kind_of_token_is_refused(typ: str | None) -> None:
    assert refused(proof(now=NOW, header={"typ": typ})) == "TokenRefused"


@pytest.mark.spec("RFC 9449 §4.2 claims, §4.3 claims")
@pytest.mark.parametrize("claim", ["jti", "htm", "htu", "iat"])
def test_each_claim_has_to_be_there(claim: str) -> None:
    assert refused(proof(now=NOW, without=[claim])) == claim


@pytest.mark.spec("RFC 9449 §4.3 htm")
@pytest.mark.parametrize("method", ["GET", "post", "", 7, None, ["POST"]])
def test_another_method_is_refused(method: object) -> None:
    assert refused(proof(now=NOW, htm=method)) == "htm"


@pytest.mark.spec("RFC 9449 §4.3 htu")
@pytest.mark.parametrize(
    "uri",
    [
        f"{ISSUER}/userinfo",
        f"{ISSUER}/token/",
        f"{ISSUER}/TOKEN",
        f"{ISSUER}//token",
        f"{ISSUER}:0/token",
        f"{ISSUER}/x/../token",
        f"{ISSUER}:8443/token",
        f"{ISSUER}/realms/other/token",
        ISSUER.replace("https", "http") + "/token",
        "https://evil.example/token",
        ISSUER.replace("https://", "https://user@") + "/token",
        ISSUER.replace("https://", "https://user:x@") + "/token",
        f"{ISSUER}.evil.example/token",
        f"{ISSUER}/token\t",
        f" {ISSUER}/token",
        f"{ISSUER}:x/token",
        "https://[::1/token",
        "/token",
        "token",
        "",
        7,
        None,
        f"{ISSUER}/token?" + "x" * 2_048,
        f"{ISSUER}/tokén",
    ],
)
def test_another_address_is_refused(uri: object) -> None:
    assert refused(proof(now=NOW, htu=uri)) in ("htu", "length")


@pytest.mark.spec("RFC 9449 §4.3 htu, §4.3 htu-normalised")
@pytest.mark.parametrize(
    "uri",
    [
        f"{ISSUER}/token?a=b",
        f"{ISSUER}/token#x",
        f"{ISSUER}:443/token",
        ISSUER.upper().replace("HTTPS", "HtTpS") + "/token",
    ],
)
def test_query_fragment_and_spelling_make_no_difference(uri: str) -> None:
    assert read(proof(now=NOW, htu=uri)).thumbprint == jkt()


@pytest.mark.spec("RFC 9449 §4.3 iat, §11.1 window")
def test_a_proof_is_of_this_minute() -> None:
    for seconds in (-60, 0, 60):
        assert read(proof(now=NOW + timedelta(seconds=seconds))).expires_at == NOW + timedelta(seconds=seconds) + WINDOW
    for seconds in (-61, 61, -3_600, 10**9):
        assert refused(proof(now=NOW + timedelta(seconds=seconds))) == "iat"


@pytest.mark.spec("RFC 9449 §4.3 iat")
@pytest.mark.parametrize("moment", ["1", 1.5, True, None, -1, 10**15, [], 1e400])
def test_an_absurd_time_is_refused(moment: object) -> None:
    assert refused(proof(now=NOW, iat=moment)) == "TokenRefused"


@pytest.mark.spec("RFC 9449 §4.2 claims")
@pytest.mark.parametrize("jti", ["", 7, None, ["x"], "x" * 257])
def test_an_id_is_a_text_of_bounded_length(jti: object) -> None:
    assert refused(proof(now=NOW, jti=jti)) == "jti"


@pytest.mark.spec("RFC 9449 §4.2 ath, §4.3 ath")
def test_a_proof_shown_with_a_token_holds_its_hash() -> None:
    assert read(proof(now=NOW, access_token="abc"), access_token="abc")
    assert refused(proof(now=NOW, access_token="abd"), access_token="abc") == "ath"
    assert refused(proof(now=NOW), access_token="abc") == "ath"
    assert refused(proof(now=NOW, ath=7), access_token="abc") == "ath"


@pytest.mark.spec("RFC 9449 §4.2 ath")
def test_the_hash_is_the_sha_256_of_the_ascii() -> None:
    assert hash_of("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"  # of FIPS 180-2, appendix B.1


@pytest.mark.spec("RFC 9449 §4.3 one-header, §4.3 well-formed")
def test_two_headers_a_list_and_garbage_are_refused() -> None:
    one = proof(now=NOW)
    for text in (f"{one}, {proof(now=NOW)}", f"{one},{one}", "", " ", "a.b.c", f"{one}.", f" {one}", "é", "\0"):
        assert refused(text) == "TokenRefused"


def test_a_huge_proof_is_refused_unread() -> None:
    assert refused("a" * (MAX_PROOF + 1)) == "length"
    assert refused(proof(now=NOW, more="x" * MAX_PROOF)) == "length"
    assert refused(proof(now=NOW, header={"crit": ["exp"]})) == "TokenRefused"


def test_a_proof_of_a_long_rsa_key_fits() -> None:
    private = rsa.generate_private_key(public_exponent=65_537, key_size=4096)
    claims = json.dumps({"jti": "x" * 64, "htm": "POST", "htu": f"{ISSUER}/token", "iat": int(NOW.timestamp())})
    text = signed(claims, private, "RS256", typ="dpop+jwt", kid=None, jwk=jwk(private, "RS256"))
    assert read(text).jti == "x" * 64


@pytest.mark.spec("RFC 9449 §7.1 challenge")
def test_the_challenge_names_the_algorithms() -> None:
    assert challenge(("ES256", "PS256")) == 'DPoP algs="ES256 PS256"'
    assert challenge(("ES256",), "invalid_token") == 'DPoP error="invalid_token", algs="ES256"'


def test_the_host_of_the_request_plays_no_part() -> None:
    """`read` sends another Host along with every proof."""
    assert refused(proof(now=NOW, htu="https://evil.example/token")) == "htu"
    assert dpop.TYP == "dpop+jwt"
