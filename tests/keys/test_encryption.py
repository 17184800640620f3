"""keys/encryption.py: nested JWTs, opened by hand with the primitives of cryptography alone."""

import json
from itertools import product
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwe import JWERegistry

from keys import api, jose
from keys.compact import MAX_TOKEN_BYTES
from keys.errors import EncryptionRefused, ForeignKeyRefused, UnknownAlgorithm
from keys.jwk import base64url, key_members
from tests.keys import jwe, vectors
from tests.keys.jwe import RecipientKey, opened
from tests.tokens.clients import key, signed

TOKEN = signed('{"exp":1900000000,"sub":"zoë"}', key())
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
RECIPIENTS: dict[str, RecipientKey] = {
    **{name: ec.generate_private_key(curve) for name, curve in jwe.CURVES.items()},
    "X25519": x25519.X25519PrivateKey.generate(),
}
AGREEMENTS = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
CASES = [
    *product(["RSA-OAEP-256"], [RSA], api.content_encryptions()),
    *product(AGREEMENTS, RECIPIENTS.values(), api.content_encryptions()),
]
CASE_IDS = [
    *(f"RSA-OAEP-256 {enc}" for enc in api.content_encryptions()),
    *(f"{alg} {curve} {enc}" for alg, curve, enc in product(AGREEMENTS, RECIPIENTS, api.content_encryptions())),
]


def registered(private: RecipientKey, kid: str = "enc-1", **more: Any) -> dict[str, Any]:
    """The JWK Set of a client with one key for encryption."""
    return {"keys": [{**key_members(private.public_key(), ""), "use": "enc", **({"kid": kid} if kid else {}), **more}]}


def encrypted(private: RecipientKey, alg: str, enc: str = "A128GCM", token: str = TOKEN, **more: Any) -> str:
    return api.encrypt_nested(token, jwks=registered(private, **more), alg=alg, enc=enc)


@pytest.mark.spec("RFC 7518 Appendix C")
def test_the_reader_of_these_tests_agrees_on_the_printed_key() -> None:
    scalar = int.from_bytes(jwe.decoded(vectors.RFC7518_APPENDIX_C_BOB_D))
    bob = ec.derive_private_key(scalar, ec.SECP256R1())
    assert key_members(bob.public_key(), "") == vectors.RFC7518_APPENDIX_C_BOB
    agreed = jwe.content_key(vectors.RFC7518_APPENDIX_C_HEADER, b"", bob)
    assert agreed == jwe.decoded(vectors.RFC7518_APPENDIX_C_KEY)


@pytest.mark.spec("RFC 7520 §5.4")
def test_the_reader_of_these_tests_opens_the_printed_token() -> None:
    scalar = int.from_bytes(jwe.decoded(vectors.RFC7520_5_4_D))
    found = opened(vectors.RFC7520_5_4_TOKEN, ec.derive_private_key(scalar, ec.SECP384R1()))
    assert found.plaintext.startswith(vectors.RFC7520_5_4_PLAINTEXT_START)
    assert found.header["alg"] == "ECDH-ES+A128KW"


@pytest.mark.spec("RFC 8037 §A.6")
def test_the_reader_of_these_tests_finds_the_printed_secret() -> None:
    bob = x25519.X25519PrivateKey.from_private_bytes(vectors.RFC8037_A_6_BOB_D)
    assert key_members(bob.public_key(), "")["x"] == vectors.RFC8037_A_6_BOB
    assert jwe.shared_secret(vectors.RFC8037_A_6_EPK, bob) == vectors.RFC8037_A_6_SECRET


@pytest.mark.spec("RFC 7516 §A.1")
def test_the_reader_of_these_tests_decrypts_the_printed_content() -> None:
    assert jwe.plaintext(vectors.RFC7516_A_1_TOKEN, vectors.RFC7516_A_1_KEY) == vectors.RFC7516_A_1_PLAINTEXT


@pytest.mark.spec("RFC 7516 §5.1, RFC 7518 §4.3, §4.6, §5.3, RFC 8037 §3.2")
@pytest.mark.parametrize(("alg", "private", "enc"), CASES, ids=CASE_IDS)
def test_a_client_finds_the_signed_token_inside_letter_by_letter(alg: str, private: RecipientKey, enc: str) -> None:
    token = encrypted(private, alg, enc)
    found = opened(token, private)
    assert found.plaintext == TOKEN
    assert token.count(".") == 4
    assert "=" not in token


@pytest.mark.spec("RFC 7516 §4.1, RFC 7519 §5.2, RFC 7518 §4.6.1")
@pytest.mark.parametrize(("alg", "private", "enc"), CASES, ids=CASE_IDS)
def test_the_header_says_what_is_inside_and_how_and_nothing_more(alg: str, private: RecipientKey, enc: str) -> None:
    header = dict(opened(encrypted(private, alg, enc), private).header)
    epk = header.pop("epk", None)
    assert header == {"alg": alg, "enc": enc, "cty": "JWT", "kid": "enc-1"}
    assert "kid" not in opened(encrypted(private, alg, enc, kid=""), private).header
    if alg == "RSA-OAEP-256":
        assert epk is None
        return
    recipient = key_members(private.public_key(), "")
    assert epk.keys() == recipient.keys()  # public members alone: with the private one everybody could read along
    assert {epk["kty"], epk["crv"]} == {recipient["kty"], recipient["crv"]}


@pytest.mark.spec("RFC 7516 §5.1, RFC 7518 §4.6, §8.2: a nonce is never used twice with a key")
@pytest.mark.parametrize(("alg", "private", "enc"), CASES, ids=CASE_IDS)
def test_every_encryption_has_a_key_and_a_nonce_of_its_own(alg: str, private: RecipientKey, enc: str) -> None:
    tokens = [encrypted(private, alg, enc) for _ in range(4)]
    found = [opened(token, private) for token in tokens]
    assert len({one.content_key for one in found}) == len(tokens)
    assert len({token.split(".")[2] for token in tokens}) == len(tokens)
    assert len({token.split(".")[3] for token in tokens}) == len(tokens)
    assert len({json.dumps(one.header.get("epk")) for one in found}) == (1 if alg == "RSA-OAEP-256" else len(tokens))


@pytest.mark.spec("RFC 7516 §5.2")
@pytest.mark.parametrize("alg", ["RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW"])
def test_nobody_else_can_open_it_and_no_part_can_be_altered(alg: str) -> None:
    private = RSA if alg == "RSA-OAEP-256" else RECIPIENTS["P-256"]
    others = {"RSA-OAEP-256": rsa.generate_private_key(65_537, 2048)}
    token = encrypted(private, alg)
    with pytest.raises((InvalidTag, InvalidUnwrap, ValueError)):
        opened(token, others.get(alg) or ec.generate_private_key(ec.SECP256R1()))
    parts = token.split(".")
    without_cty = json.loads(jwe.decoded(parts[0]))
    del without_cty["cty"]
    altered = {0: signed(json.dumps(without_cty), key()).split(".")[1]}
    altered |= {n: ("B" if part[0] == "A" else "A") + part[1:] for n, part in enumerate(parts) if n and part}
    for place, part in altered.items():
        with pytest.raises((InvalidTag, InvalidUnwrap, ValueError)):
            opened(".".join([*parts[:place], part, *parts[place + 1 :]]), private)


@pytest.mark.spec("RFC 7518 §4.1, §5.1, RFC 8725 §3.2")
def test_the_lists_are_what_works_and_the_library_may_do_nothing_else() -> None:
    assert list(api.encryption_algorithms()) == ["RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
    assert list(api.content_encryptions()) == ["A128GCM", "A256GCM"]
    assert set(jose._JWE.allowed or ()) == {*api.encryption_algorithms(), *api.content_encryptions()}
    assert {alg for alg, _, _ in CASES} == set(api.encryption_algorithms())
    assert {*api.encryption_algorithms(), *api.content_encryptions()} < {
        *JWERegistry.algorithms["alg"], *JWERegistry.algorithms["enc"],
    }  # fmt: skip


@pytest.mark.spec("RFC 8725 §3.2, RFC 7518 §4.2")
@pytest.mark.parametrize(("alg", "enc"), [("RSA1_5", "A128GCM"), ("RSA-OAEP", "A128GCM"), ("RSA-OAEP-256", "A192GCM")])
def test_the_library_itself_refuses_what_is_not_in_the_lists(alg: str, enc: str) -> None:
    with pytest.raises(UnsupportedAlgorithmError):
        jose.encrypt_jwt(TOKEN, key=RSA.public_key(), algorithm=alg, encryption=enc, kid="")


@pytest.mark.spec("RFC 8725 §3.2")
@pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA1_5", "dir", "A128KW", "ECDH-ES+A192KW", "none", "", "x" * 500])
def test_another_alg_is_never_used(alg: str) -> None:
    for private in (RSA, *RECIPIENTS.values()):
        with pytest.raises(ForeignKeyRefused) as refusal:
            encrypted(private, alg)
        assert len(str(refusal.value)) < 120
        with pytest.raises(ForeignKeyRefused):
            api.check_encryption_key(registered(private), alg)


@pytest.mark.spec("RFC 8725 §3.2")
@pytest.mark.parametrize("enc", ["A128CBC-HS256", "A192GCM", "none", "", "x" * 500])
def test_another_enc_is_never_used(enc: str) -> None:
    with pytest.raises(UnknownAlgorithm) as refusal:
        encrypted(RSA, "RSA-OAEP-256", enc)
    assert len(str(refusal.value)) < 120


@pytest.mark.spec("RFC 7517 §4.2, RFC 7518 §4.1")
@pytest.mark.parametrize(
    ("jwks", "alg"),
    [
        (registered(RSA), "ECDH-ES"),
        (registered(RECIPIENTS["P-256"]), "RSA-OAEP-256"),
        (registered(RSA, use="sig"), "RSA-OAEP-256"),
        (registered(RSA, alg="RS256"), "RSA-OAEP-256"),
        (registered(RSA, alg="RSA-OAEP"), "RSA-OAEP-256"),
        (registered(RECIPIENTS["P-256"], alg="ECDH-ES"), "ECDH-ES+A128KW"),
        (registered(RECIPIENTS["P-256"], use="sig"), "ECDH-ES"),
        (registered(RECIPIENTS["P-256"], y="AAAA"), "ECDH-ES"),
        (registered(RECIPIENTS["P-256"], d="AAAA"), "ECDH-ES"),
        (registered(rsa.generate_private_key(65_537, 1024)), "RSA-OAEP-256"),  # noqa: S505  (that is the point)
        ({"keys": [key_members(RSA.public_key(), "")]}, "RSA-OAEP-256"),
        ({"keys": []}, "RSA-OAEP-256"),
        ({}, "RSA-OAEP-256"),
    ],
)
def test_without_a_sound_key_that_fits_nothing_is_encrypted(jwks: dict[str, Any], alg: str) -> None:
    with pytest.raises(ForeignKeyRefused) as refusal:
        api.encrypt_nested(TOKEN, jwks=jwks, alg=alg, enc="A128GCM")
    assert TOKEN not in str(refusal.value)
    with pytest.raises(ForeignKeyRefused):
        api.check_encryption_key(jwks, alg)


@pytest.mark.spec("RFC 7517 §4.2")
def test_a_set_with_a_key_that_fits_is_taken() -> None:
    api.check_encryption_key(registered(RSA), "RSA-OAEP-256")
    for private in RECIPIENTS.values():
        for alg in AGREEMENTS:
            api.check_encryption_key(registered(private), alg)


@pytest.mark.spec("RFC 7519 §5.2: what is nested is signed")
@pytest.mark.parametrize(
    "token",
    ["", "{}", "..", "a.b", "a.b.", "a..c", ".b.c", "a.b.c.d", "a.b.ç", "a.b.c.d.e", '{"sub":"plain"}'],
)
def test_what_is_no_signed_token_is_not_encrypted(token: str) -> None:
    with pytest.raises(EncryptionRefused, match="compact JWS"):
        encrypted(RSA, "RSA-OAEP-256", token=token)


@pytest.mark.spec("RFC 8725 §3.3")
def test_a_token_is_encrypted_up_to_the_length_that_is_read_back() -> None:
    longest = TOKEN + "A" * (MAX_TOKEN_BYTES - len(TOKEN))
    assert opened(encrypted(RSA, "RSA-OAEP-256", token=longest), RSA).plaintext == longest
    with pytest.raises(EncryptionRefused, match="16384") as refusal:
        encrypted(RSA, "RSA-OAEP-256", token=longest + "A")
    assert TOKEN not in str(refusal.value)


@pytest.mark.spec("RFC 7518 §4.3")
@pytest.mark.parametrize(("bits", "exponent"), [(2049, 65_537), (3072, 3)])
def test_rsa_keys_of_other_lengths_are_encrypted_to(bits: int, exponent: int) -> None:
    private = rsa.generate_private_key(public_exponent=exponent, key_size=bits)
    assert opened(encrypted(private, "RSA-OAEP-256", "A256GCM"), private).plaintext == TOKEN


@pytest.mark.spec("RFC 7748 §5, RFC 7518 §4.3: a key that was registered never fails later")
@pytest.mark.parametrize(
    ("members", "alg"),
    [
        ({"kty": "RSA", "n": base64url((2**2047 + 1).to_bytes(256)), "e": "Aw"}, "RSA-OAEP-256"),
        ({"kty": "RSA", "n": base64url((2**8192 - 1).to_bytes(1024)), "e": "_____w"}, "RSA-OAEP-256"),
        ({"kty": "OKP", "crv": "X25519", "x": base64url((2**255 - 19 + 9).to_bytes(32, "little"))}, "ECDH-ES"),
        ({"kty": "OKP", "crv": "X25519", "x": base64url((2**255 + 9).to_bytes(32, "little"))}, "ECDH-ES"),
    ],
    ids=["RSA of no two primes", "the largest RSA", "X25519 beyond the field", "X25519 with its unused bit"],
)
def test_every_key_that_is_taken_can_be_encrypted_to(members: dict[str, str], alg: str) -> None:
    document = api.clean_jwks({"keys": [{**members, "use": "enc"}]})
    assert api.encrypt_nested(TOKEN, jwks=document, alg=alg, enc="A256GCM").count(".") == 4
