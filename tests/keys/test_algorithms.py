"""keys/algorithms.py: the table, and what it refuses."""

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from keys import algorithms
from keys.algorithms import ALGORITHMS, Algorithm, Purpose, algorithm_named, choose_bits
from keys.errors import UnavailableAlgorithm, UnknownAlgorithm


@pytest.mark.spec("keys.md Algorithms")
def test_the_table_is_the_one_of_the_design() -> None:
    signing = [row.name for row in ALGORITHMS if Purpose.SIGN in row.purposes]
    assert signing == [
        "ES256", "RS256", "PS256", "ES384", "ES512", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87",
    ]  # fmt: skip
    assert [row.name for row in ALGORITHMS if row.kty == "oct"] == ["HMAC-SHA256"]


@pytest.mark.spec("keys.md Algorithms: no HS256 and no none, ever")
@pytest.mark.parametrize("name", ["HS256", "none", "NONE", "", "es256", "RS1", "RSA1_5", "ES256K", "dir"])
def test_other_names_are_unknown_and_those_that_there_are_are_listed(name: str) -> None:
    with pytest.raises(UnknownAlgorithm, match=r"there are ES256, RS256, .*ML-DSA-87") as caught:
        algorithm_named(name)
    assert repr(name) in str(caught.value)
    assert "HMAC" not in str(caught.value)


@pytest.mark.spec("RFC 9864 §2.2: EdDSA accepted")
def test_an_alias_names_the_same_row() -> None:
    assert algorithm_named("EdDSA") is algorithm_named("Ed25519")


@pytest.mark.spec("keys.md Rows: only the first two purposes are ever published")
def test_the_symmetric_row_serves_tags_alone() -> None:
    assert algorithm_named("HMAC-SHA256").purposes == {Purpose.MAC}
    assert {Purpose.SIGN, Purpose.ENCRYPT} == algorithms.PUBLISHED_PURPOSES
    assert all(Purpose.MAC not in row.purposes for row in ALGORITHMS if row.kty != "oct")


@pytest.mark.spec("keys.md Algorithms: RS256 with 4096 bits, 2048 and 3072 can be chosen")
@pytest.mark.parametrize("name", ["RS256", "PS256"])
def test_rsa_lengths(name: str) -> None:
    row = algorithm_named(name)
    assert choose_bits(row, None) == 4096
    assert [choose_bits(row, bits) for bits in (2048, 3072, 4096)] == [2048, 3072, 4096]
    for bits in (0, 1024, 2047, 8192):
        with pytest.raises(UnknownAlgorithm, match=f"2048 or 3072 or 4096 bits, not {bits}"):
            choose_bits(row, bits)


@pytest.mark.spec("keys.md Rows")
def test_other_algorithms_fix_the_length() -> None:
    assert choose_bits(algorithm_named("ES256"), None) is None
    with pytest.raises(UnknownAlgorithm, match="leave the bits out"):
        choose_bits(algorithm_named("ES256"), 256)


@pytest.mark.spec("keys.md Algorithms")
def test_an_rsa_key_is_never_made_without_a_length() -> None:
    with pytest.raises(UnknownAlgorithm, match="bits"):
        algorithm_named("RS256").generate(None)
    made = algorithm_named("RS256").generate(2048)
    assert isinstance(made, rsa.RSAPrivateKey)
    assert made.key_size == 2048


@pytest.mark.spec("keys.md Envelope")
@pytest.mark.parametrize("row", ALGORITHMS, ids=lambda row: row.name)
def test_a_private_key_goes_into_bytes_and_back(row: Algorithm) -> None:
    private = row.generate(2048 if row.bits else None)
    blob = algorithms.private_to_bytes(private)
    again = algorithms.private_from_bytes(row, blob)
    assert type(again) is type(private)
    assert algorithms.private_to_bytes(again) == blob


@pytest.mark.spec("keys.md Envelope: mac keys are random")
def test_symmetric_keys_are_32_random_bytes() -> None:
    made = {algorithm_named("HMAC-SHA256").generate(None) for _ in range(10)}
    assert len(made) == 10
    assert all(isinstance(key, bytes) and len(key) == 32 for key in made)


@pytest.mark.spec("issue 2: ML-DSA is refused with a clear message where the installed cryptography lacks it")
@pytest.mark.parametrize("name", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_ml_dsa_is_refused_clearly_where_cryptography_lacks_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking:
        @staticmethod
        def generate() -> None:
            raise UnsupportedAlgorithm("no ML-DSA here")

    monkeypatch.setitem(algorithms.ML_DSA_PRIVATE, name, Lacking)
    with pytest.raises(UnavailableAlgorithm, match=rf"{name} needs a cryptography .* choose ES256"):
        algorithm_named(name).generate(None)
