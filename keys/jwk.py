"""Public key → JWK and back, and its thumbprint (RFC 7517, RFC 7518 §6, RFC 7638, RFC 8037, RFC 9278, RFC 9964)."""

import base64
import hashlib
import json
from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from keys.errors import UnknownAlgorithm

_CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "secp256r1": ("P-256", ec.SECP256R1()),
    "secp384r1": ("P-384", ec.SECP384R1()),
    "secp521r1": ("P-521", ec.SECP521R1()),
}
_CURVES_BY_CRV = dict(_CURVES.values())
_OCTET_PAIRS: dict[str, type[ed25519.Ed25519PublicKey | x25519.X25519PublicKey]] = {
    "Ed25519": ed25519.Ed25519PublicKey,
    "X25519": x25519.X25519PublicKey,
}
_ML_DSA_PUBLIC: dict[str, type[mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey]] = {
    "ML-DSA-44": mldsa.MLDSA44PublicKey,
    "ML-DSA-65": mldsa.MLDSA65PublicKey,
    "ML-DSA-87": mldsa.MLDSA87PublicKey,
}
THUMBPRINT_URI = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"
# The members that a thumbprint covers, in the order of RFC 7638 §3.3 (lexicographic).
_THUMBPRINT_MEMBERS = {
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
    "OKP": ("crv", "kty", "x"),
    "AKP": ("alg", "kty", "pub"),
}


def base64url(raw: bytes) -> str:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The bytes of a base64url text without padding.

    Raises:
        ValueError: another alphabet, padding, or stray bits at the end.
    """
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64url(raw) != text:
        raise ValueError("This is not the canonical base64url form.")
    return raw


def _integer(value: int, length: int | None = None) -> str:
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def _raw(key: PublicKeyTypes) -> str:
    return base64url(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


def key_members(key: PublicKeyTypes, algorithm: str) -> dict[str, str]:
    """The members of a JWK that are the key itself: no kid, no use.

    Arguments:
        key: the public key.
        algorithm: the `alg` of its row; part of the key for kty AKP.

    Raises:
        UnknownAlgorithm: a kind of key that has no JWK form here.
    """
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        numbers, length = key.public_numbers(), (key.curve.key_size + 7) // 8
        crv = _CURVES[key.curve.name][0]
        return {"kty": "EC", "crv": crv, "x": _integer(numbers.x, length), "y": _integer(numbers.y, length)}
    if isinstance(key, rsa.RSAPublicKey):
        modulus = key.public_numbers()
        return {"kty": "RSA", "n": _integer(modulus.n), "e": _integer(modulus.e)}
    for crv, kind in _OCTET_PAIRS.items():
        if isinstance(key, kind):
            return {"kty": "OKP", "crv": crv, "x": _raw(key)}
    if algorithm in _ML_DSA_PUBLIC and isinstance(key, _ML_DSA_PUBLIC[algorithm]):
        return {"kty": "AKP", "alg": algorithm, "pub": _raw(key)}
    raise UnknownAlgorithm(f"A key of this kind has no JWK form for {algorithm}.")


def thumbprint(members: Mapping[str, str]) -> str:
    """The SHA-256 thumbprint of a JWK (RFC 7638 §3), base64url: 43 characters."""
    covered = {name: members[name] for name in _THUMBPRINT_MEMBERS[members["kty"]]}
    canonical = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return base64url(hashlib.sha256(canonical.encode("utf-8")).digest())


def thumbprint_uri(members: Mapping[str, str]) -> str:
    """The thumbprint of a JWK as a URI (RFC 9278 §3): it names the key itself, whatever its kid."""
    return THUMBPRINT_URI + thumbprint(members)


def to_public_key(members: Mapping[str, str]) -> PublicKeyTypes:
    """The public key of a JWK that this provider wrote.

    Raises:
        UnknownAlgorithm: a key type that it never writes.
    """
    kty = members["kty"]
    if kty == "EC":
        x, y = (int.from_bytes(from_base64url(members[name]), "big") for name in ("x", "y"))
        return ec.EllipticCurvePublicNumbers(x, y, _CURVES_BY_CRV[members["crv"]]).public_key()
    if kty == "RSA":
        e, n = (int.from_bytes(from_base64url(members[name]), "big") for name in ("e", "n"))
        return rsa.RSAPublicNumbers(e, n).public_key()
    if kty == "OKP":
        return _OCTET_PAIRS[members["crv"]].from_public_bytes(from_base64url(members["x"]))
    if kty == "AKP":
        return _ML_DSA_PUBLIC[members["alg"]].from_public_bytes(from_base64url(members["pub"]))
    raise UnknownAlgorithm(f"There is no key type {kty!r} here.")
