"""How a client opens a compact JWE, written from RFC 7516 and RFC 7518 alone: no JOSE library, no code of Signet's."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

RecipientKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey
CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
CONTENT_BITS = {"A128GCM": 128, "A256GCM": 256}
WRAPPING_BITS = {"ECDH-ES+A128KW": 128, "ECDH-ES+A256KW": 256}


@dataclass(frozen=True, slots=True)
class Opened:
    """What was inside: the protected header, the content key, and the plaintext."""

    header: Mapping[str, Any]
    content_key: bytes
    plaintext: str


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def opened(token: str, private: RecipientKey) -> Opened:
    """Decrypt it (RFC 7516 §5.2).

    Raises:
        InvalidTag, InvalidUnwrap, ValueError: it was altered, or is meant for another key.
    """
    head, encrypted_key, *_ = token.split(".")
    header = json.loads(decoded(head))
    key = content_key(header, decoded(encrypted_key), private)
    return Opened(header, key, plaintext(token, key))


def plaintext(token: str, key: bytes) -> str:
    """What the content key hides; the header is what is authenticated beside it (RFC 7518 §5.3)."""
    head, _, *rest = token.split(".")
    nonce, ciphertext, tag = (decoded(part) for part in rest)
    bits = CONTENT_BITS[json.loads(decoded(head))["enc"]]
    assert (len(key) * 8, len(nonce), len(tag)) == (bits, 12, 16)
    return AESGCM(key).decrypt(nonce, ciphertext + tag, head.encode("ascii")).decode("utf-8")


def content_key(header: Mapping[str, Any], encrypted_key: bytes, private: RecipientKey) -> bytes:
    """The content encryption key (RFC 7518 §4.3, §4.6)."""
    if isinstance(private, rsa.RSAPrivateKey):
        assert header["alg"] == "RSA-OAEP-256"
        return private.decrypt(encrypted_key, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    secret = shared_secret(header["epk"], private)
    if header["alg"] == "ECDH-ES":
        assert encrypted_key == b""
        return derived(secret, header["enc"], CONTENT_BITS[header["enc"]], header)
    return aes_key_unwrap(derived(secret, header["alg"], WRAPPING_BITS[header["alg"]], header), encrypted_key)


def shared_secret(epk: Mapping[str, str], private: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey) -> bytes:
    """Z, of the ephemeral key in the header and the recipient's (RFC 7518 §4.6.1.1, RFC 8037 §3.2)."""
    if isinstance(private, x25519.X25519PrivateKey):
        assert (epk["kty"], epk["crv"]) == ("OKP", "X25519")
        return private.exchange(x25519.X25519PublicKey.from_public_bytes(decoded(epk["x"])))
    assert epk["kty"] == "EC"
    x, y = (int.from_bytes(decoded(epk[name])) for name in ("x", "y"))
    return private.exchange(ec.ECDH(), ec.EllipticCurvePublicNumbers(x, y, CURVES[epk["crv"]]).public_key())


def derived(secret: bytes, algorithm: str, bits: int, header: Mapping[str, Any]) -> bytes:
    """The Concat KDF of NIST SP 800-56A with SHA-256, as RFC 7518 §4.6.2 fills it in; one round is enough here."""
    parties = [decoded(header.get(name, "")) for name in ("apu", "apv")]
    fixed = b"".join(len(part).to_bytes(4) + part for part in (algorithm.encode("ascii"), *parties))
    return hashlib.sha256((1).to_bytes(4) + secret + fixed + bits.to_bytes(4)).digest()[: bits // 8]
