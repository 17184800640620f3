"""keys/jwk.py: JWKs and thumbprints, held against what the specifications print."""

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, mldsa, x448
from hypothesis import given
from hypothesis import strategies as st

from keys import jwk
from keys.algorithms import ALGORITHMS, Algorithm
from keys.errors import UnknownAlgorithm
from tests.keys import vectors


@pytest.mark.spec("RFC 7638 §3.1")
def test_the_thumbprint_of_the_rsa_example() -> None:
    described = {**vectors.RFC7638_RSA, "alg": "RS256", "kid": "2011-04-29"}
    assert jwk.thumbprint(described) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.spec("RFC 8037 §A.3")
def test_the_thumbprint_of_the_ed25519_example() -> None:
    assert jwk.thumbprint(vectors.RFC8037_ED25519) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.spec("RFC 9964 Appendix A")
@pytest.mark.parametrize(
    ("algorithm", "kind", "kid"),
    [
        ("ML-DSA-44", mldsa.MLDSA44PrivateKey, "T4xl70S7MT6Zeq6r9V9fPJGVn76wfnXJ21-gyo0Gu6o"),
        ("ML-DSA-65", mldsa.MLDSA65PrivateKey, "Suiu29qbfuaBaR4Ats-c6XQBePB_OpAxAwcTR_0KXVM"),
        ("ML-DSA-87", mldsa.MLDSA87PrivateKey, "tRn1JNIkgMsABVQBlXeDHxAIcclh-2IX0UdDEzPt5XU"),
    ],
)
def test_the_thumbprints_of_the_ml_dsa_examples(
    algorithm: str,
    kind: type[mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey],
    kid: str,
) -> None:
    public = kind.from_seed_bytes(bytes(32)).public_key()
    members = jwk.key_members(public, algorithm)
    assert members["kty"] == "AKP"
    assert jwk.thumbprint(members) == kid


@pytest.mark.spec("RFC 7517 §A.1, RFC 7515 §A.2–A.4, RFC 8037 §A.2")
@pytest.mark.parametrize(
    "members",
    [vectors.RFC7638_RSA, vectors.RFC7515_ES256, vectors.RFC7515_ES512, vectors.RFC7517_EC, vectors.RFC8037_ED25519],
)
def test_a_published_jwk_is_read_and_written_the_same(members: dict[str, str]) -> None:
    assert jwk.key_members(jwk.to_public_key(members), "any") == members


@pytest.mark.spec("RFC 7638 §3.3")
@pytest.mark.parametrize("row", [row for row in ALGORITHMS if row.kty != "oct"], ids=lambda row: row.name)
def test_every_algorithm_of_the_table_writes_and_reads_its_jwk(row: Algorithm) -> None:
    private = row.generate(2048 if row.bits else None)
    assert not isinstance(private, bytes)
    members = jwk.key_members(private.public_key(), row.name)
    again = jwk.to_public_key({**members, "kid": "x", "use": "sig"})
    assert members["kty"] == row.kty
    assert jwk.key_members(again, row.name) == members
    assert len(jwk.thumbprint(members)) == 43
    assert not {"d", "p", "q", "priv", "k"} & members.keys()


@pytest.mark.spec("RFC 7518 §6.2.1.2")
def test_coordinates_keep_their_leading_zero_octets() -> None:
    key = next(
        key
        for number in range(1, 2000)
        if (key := ec.derive_private_key(number, ec.SECP256R1()).public_key()).public_numbers().x < 1 << 248
    )
    assert len(jwk.from_base64url(jwk.key_members(key, "ES256")["x"])) == 32


@pytest.mark.spec("RFC 9964 §3: the algorithm is part of the key")
def test_a_key_of_another_parameter_set_has_no_jwk_form() -> None:
    public = mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes(32)).public_key()
    with pytest.raises(UnknownAlgorithm):
        jwk.key_members(public, "ML-DSA-65")


@pytest.mark.spec("keys.md Signing and publishing")
@pytest.mark.parametrize(
    "key",
    [x448.X448PrivateKey.generate(), ec.generate_private_key(ec.SECP256K1()), dsa.generate_private_key(2048)],
    ids=["X448", "secp256k1", "DSA"],
)
def test_other_kinds_of_keys_have_no_jwk_form(
    key: x448.X448PrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey,
) -> None:
    with pytest.raises(UnknownAlgorithm, match="ES256"):
        jwk.key_members(key.public_key(), "ES256")


@pytest.mark.spec("keys.md Signing and publishing")
def test_a_symmetric_jwk_is_never_read() -> None:
    with pytest.raises(UnknownAlgorithm, match="oct"):
        jwk.to_public_key({"kty": "oct", "k": "AAAA"})


@pytest.mark.spec("RFC 7515 §2")
@given(st.binary(max_size=70))
def test_base64url_goes_there_and_back(raw: bytes) -> None:
    text = jwk.base64url(raw)
    assert "=" not in text
    assert jwk.from_base64url(text) == raw


@pytest.mark.spec("RFC 7515 §2, RFC 4648 §3.5")
@pytest.mark.parametrize("text", ["AA==", "AB", "A", "AA+A", "AA/A", "AA A", "AA\nA", "é", "AAA=", "\ud800"])
def test_only_the_canonical_base64url_is_read(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (binascii says it in many ways)
        jwk.from_base64url(text)
