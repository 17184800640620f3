"""keys/jose.py: signatures, held against what the specifications print and against cryptography itself."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from keys import compact, jose, jwk
from keys.algorithms import ALGORITHMS, Algorithm, Purpose
from keys.compact import CompactToken
from keys.errors import TokenRefused
from tests.keys import vectors

SIGNING = [row for row in ALGORITHMS if Purpose.SIGN in row.purposes]


def taken_apart(token: str, algorithm: str) -> CompactToken:
    """A printed token; the printed ones have neither kid nor typ, which `compact.parse` rightly refuses."""
    head, payload, signature = token.split(".")
    return CompactToken("k", algorithm, "JWT", {}, f"{head}.{payload}".encode(), jwk.from_base64url(signature))


@pytest.mark.spec("RFC 7515 §A.2–A.4, RFC 8037 §A.5")
@pytest.mark.parametrize(
    ("algorithm", "header", "members", "token"),
    [
        ("RS256", "RS256", vectors.RFC7515_RS256, vectors.RFC7515_RS256_TOKEN),
        ("ES256", "ES256", vectors.RFC7515_ES256, vectors.RFC7515_ES256_TOKEN),
        ("ES512", "ES512", vectors.RFC7515_ES512, vectors.RFC7515_ES512_TOKEN),
        ("Ed25519", "EdDSA", vectors.RFC8037_ED25519, vectors.RFC8037_ED25519_TOKEN),
    ],
)
def test_a_printed_signature_verifies_and_an_altered_one_does_not(
    algorithm: str, header: str, members: dict[str, str], token: str
) -> None:
    key = jwk.to_public_key(members)
    jose.verify_signature(taken_apart(token, header), key=key, algorithm=algorithm)
    broken = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    with pytest.raises(TokenRefused):
        jose.verify_signature(taken_apart(broken, header), key=key, algorithm=algorithm)


@pytest.mark.spec("RFC 6979 §A.2.6, RFC 7518 §3.4")
def test_the_printed_p384_signature_verifies() -> None:
    key = ec.EllipticCurvePublicNumbers(vectors.RFC6979_P384_X, vectors.RFC6979_P384_Y, ec.SECP384R1()).public_key()
    token = CompactToken("k", "ES384", "JWT", {}, b"sample", vectors.RFC6979_P384_SAMPLE)
    jose.verify_signature(token, key=key, algorithm="ES384")


@pytest.mark.spec("RFC 7518 §3.5")
def test_a_ps256_signature_is_pss_with_a_salt_as_long_as_the_hash() -> None:
    key = rsa.generate_private_key(65_537, 2048)
    token = jose.sign({"exp": 1}, key=key, algorithm="PS256", kid="k", typ="JWT")
    signing_input, _, signature = token.rpartition(".")
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
    key.public_key().verify(jwk.from_base64url(signature), signing_input.encode(), pss, hashes.SHA256())


@pytest.mark.spec("RFC 7515 §3.1, keys.md Signing and publishing, RFC 9068 §2.1 rs256")
@pytest.mark.parametrize("row", SIGNING, ids=lambda row: row.name)
def test_every_algorithm_signs_what_it_verifies_and_nothing_else(row: Algorithm) -> None:
    private, other = (row.generate(2048 if row.bits else None) for _ in range(2))
    assert not isinstance(private, bytes)
    assert not isinstance(other, bytes)
    token = jose.sign({"exp": 1, "näme": "Zoë"}, key=private, algorithm=row.name, kid="the-kid", typ="at+jwt")
    assert len(token) < compact.MAX_TOKEN_BYTES
    parsed = compact.parse(token)
    assert (parsed.kid, parsed.typ, parsed.algorithm) == ("the-kid", "at+jwt", row.name)
    assert parsed.claims == {"exp": 1, "näme": "Zoë"}
    jose.verify_signature(parsed, key=private.public_key(), algorithm=row.name)
    with pytest.raises(TokenRefused, match="doesn't match"):
        jose.verify_signature(parsed, key=other.public_key(), algorithm=row.name)


@pytest.mark.spec(
    "RFC 8725 §3.1: the algorithm is the key's",
    "RFC 9068 §4 signature-checked, RFC 9068 §4 none-refused",
)
@pytest.mark.parametrize("claimed", ["none", "HS256", "ES384", "RS256", "es256", "EdDSA"])
def test_another_algorithm_in_the_header_is_refused_before_any_check(claimed: str) -> None:
    key = jwk.to_public_key(vectors.RFC7515_ES256)
    with pytest.raises(TokenRefused, match="one for ES256"):
        jose.verify_signature(taken_apart(vectors.RFC7515_ES256_TOKEN, claimed), key=key, algorithm="ES256")


@pytest.mark.spec("keys.md Signing and publishing: no HS256 and no none, ever")
def test_the_library_knows_the_table_and_nothing_else() -> None:
    assert set(jose._JWS.get_algorithms()) == {row.name for row in SIGNING}
    with pytest.raises(NotImplementedError):
        jose._JWS.encode(b"{}", "", algorithm="none")


@pytest.mark.spec("RFC 8725 §3.1")
@pytest.mark.parametrize("length", [0, 1, 63, 65, 1000])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    key = jwk.to_public_key(vectors.RFC7515_ES256)
    with pytest.raises(TokenRefused):
        jose.verify_signature(CompactToken("k", "ES256", "JWT", {}, b"x", bytes(length)), key=key, algorithm="ES256")


@pytest.mark.spec("RFC 9864 §2.2: EdDSA is an alias")
def test_a_new_token_names_ed25519_and_other_libraries_read_it() -> None:
    row = next(row for row in SIGNING if row.name == "Ed25519")
    private = row.generate(None)
    assert not isinstance(private, bytes)
    token = jose.sign({"exp": 1}, key=private, algorithm="Ed25519", kid="k", typ="JWT")
    header = json.loads(jwk.from_base64url(token.split(".")[0]))
    assert header == {"alg": "Ed25519", "kid": "k", "typ": "JWT"}


@pytest.mark.spec("RFC 7519")
def test_a_token_is_read_by_an_untouched_library() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    token = jose.sign({"exp": 4_000_000_000, "sub": "x"}, key=private, algorithm="ES256", kid="k", typ="JWT")
    assert jwt.decode(token, private.public_key(), algorithms=["ES256"])["sub"] == "x"


@pytest.mark.spec("keys.md Signing and publishing: keys/jwk.py writes JWKs")
def test_the_lattice_signature_offers_no_second_way_to_write_a_jwk() -> None:
    for way in (jose.ModuleLattice.to_jwk, jose.ModuleLattice.from_jwk):
        with pytest.raises(TypeError):
            way("x")
