"""A JWK Set read strictly: public keys for signatures, one algorithm each (RFC 7517, RFC 8725 §3.1, RFC 9964)."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm

from signet_verifier.strict_json import NotStrict, from_base64url, plain_object

logger = logging.getLogger("signet_verifier")

MOST_KEYS = 200
RSA_BITS = range(2048, 8192 + 1)
MAX_RSA_EXPONENT_BITS = 33
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})


class SetRefused(ValueError):
    """A JWK Set that can't be trusted as a whole. The copy from before goes on."""


class Signature(Protocol):
    """How PyJWT's algorithms verify."""

    def verify(self, msg: bytes, key: Any, sig: bytes, /) -> bool:
        """Whether the signature is the key's."""
        ...


class ModuleLattice:
    """ML-DSA (RFC 9964), which PyJWT doesn't have: the key itself knows its parameter set."""

    def verify(self, msg: bytes, key: Any, sig: bytes, /) -> bool:
        """Whether the signature is the key's."""
        try:
            key.verify(sig, msg)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm that it is for.

    Attributes:
        fingerprint: of the key and its algorithm: the same as long as both are.
        names: what a token may call the algorithm.
    """

    kid: str
    algorithm: str
    fingerprint: bytes
    names: frozenset[str]
    signature: Signature = field(repr=False)
    key: Any = field(repr=False)

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature of a message is this key's."""
        return self.signature.verify(message, self.key, signature)


def _elliptic(curve: ec.EllipticCurve, crv: str) -> Callable[[Mapping[str, str]], Any]:
    def read(members: Mapping[str, str]) -> ec.EllipticCurvePublicKey:
        x, y = (_exactly(members[name], (curve.key_size + 7) // 8) for name in ("x", "y"))
        _check(members["crv"] == crv, "another curve")
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()

    return read


def _rsa(members: Mapping[str, str]) -> rsa.RSAPublicKey:
    n, e = (int.from_bytes(from_base64url(members[name])) for name in ("n", "e"))
    _check(n.bit_length() in RSA_BITS and n % 2 == 1, "a modulus of another size")
    _check(e.bit_length() <= MAX_RSA_EXPONENT_BITS and e % 2 == 1 and e > 1, "an odd exponent")
    return rsa.RSAPublicNumbers(e, n).public_key()


def _ed25519(members: Mapping[str, str]) -> ed25519.Ed25519PublicKey:
    _check(members["crv"] == "Ed25519", "another curve")
    return ed25519.Ed25519PublicKey.from_public_bytes(from_base64url(members["x"]))


def _exactly(text: str, length: int) -> bytes:
    raw = from_base64url(text)
    _check(len(raw) == length, "a coordinate of another length")
    return raw


def _check(right: bool, what: str) -> None:  # noqa: FBT001  (an assertion that stays)
    if not right:
        raise ValueError(what)


@dataclass(frozen=True, slots=True)
class _Row:
    kty: str
    read: Callable[[Mapping[str, str]], Any]
    signature: Signature


def _rows() -> Mapping[str, _Row]:
    rows = {
        "ES256": _Row("EC", _elliptic(ec.SECP256R1(), "P-256"), ECAlgorithm(ECAlgorithm.SHA256)),
        "ES384": _Row("EC", _elliptic(ec.SECP384R1(), "P-384"), ECAlgorithm(ECAlgorithm.SHA384)),
        "ES512": _Row("EC", _elliptic(ec.SECP521R1(), "P-521"), ECAlgorithm(ECAlgorithm.SHA512)),
        "RS256": _Row("RSA", _rsa, RSAAlgorithm(RSAAlgorithm.SHA256)),
        "PS256": _Row("RSA", _rsa, RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256)),
        "Ed25519": _Row("OKP", _ed25519, OKPAlgorithm()),
    }
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: PLC0415  (not every build has it)
    except ImportError:
        return rows
    kinds = {
        "ML-DSA-44": mldsa.MLDSA44PublicKey,
        "ML-DSA-65": mldsa.MLDSA65PublicKey,
        "ML-DSA-87": mldsa.MLDSA87PublicKey,
    }
    return rows | {name: _Row("AKP", _lattice(kind), ModuleLattice()) for name, kind in kinds.items()}


def _lattice(kind: Any) -> Callable[[Mapping[str, str]], Any]:
    return lambda members: kind.from_public_bytes(from_base64url(members["pub"]))


_ROWS = _rows()
ALGORITHMS = tuple(_ROWS)
_ALIASES = {"EdDSA": "Ed25519"}  # RFC 9864: the name of before, for the same keys


def read_set(raw: bytes, *, algorithms: frozenset[str]) -> Mapping[str, VerificationKey]:
    """The keys of a JWK Set by their kid.

    A key for something else is passed over (RFC 7517 §5): one to encrypt, one without `kid` or `alg`, one for an
    algorithm that isn't accepted here, one that is malformed or weak.

    Arguments:
        raw: what the provider answered.
        algorithms: those that are accepted.

    Raises:
        SetRefused: no strict JSON, no list of objects, too many keys, two keys to verify with one kid, or a
            private or symmetric key among them: somebody who publishes that can't be believed.
    """
    try:
        listed = plain_object(raw).get("keys")
    except NotStrict as error:
        raise SetRefused(f"The JWK Set {error}.") from None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise SetRefused("The JWK Set has no list of keys.")
    if len(listed) > MOST_KEYS:
        raise SetRefused(f"The JWK Set has more than {MOST_KEYS} keys.")
    found: dict[str, VerificationKey] = {}
    kids: set[str] = set()
    for members in listed:
        if members.get("kty") == "oct" or _PRIVATE & members.keys():
            raise SetRefused("The JWK Set has a key that must not be public.")
        kid = members.get("kid")
        if not isinstance(kid, str) or not kid or not _is_to_verify(members):
            continue
        if kid in kids:
            raise SetRefused("The JWK Set has two keys with one kid.")
        kids.add(kid)
        key = _read(members, kid, algorithms)
        if key is not None:
            found[kid] = key
    return found


def _is_to_verify(members: Mapping[str, Any]) -> bool:
    operations = members.get("key_ops", ["verify"])
    return members.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _read(members: Mapping[str, Any], kid: str, algorithms: frozenset[str]) -> VerificationKey | None:
    """One key; None where it is for something else, or malformed."""
    said = members.get("alg")
    name = _ALIASES.get(said, said) if isinstance(said, str) else None
    row = _ROWS.get(name) if name in algorithms else None
    if name is None or row is None or members.get("kty") != row.kty:
        return None
    try:
        key = row.read(cast("Mapping[str, str]", members))
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm):
        logger.warning("A key of the JWK Set is malformed, weak or unknown to this build, and passed over.")
        return None
    names = frozenset({name, *(alias for alias, meant in _ALIASES.items() if meant == name)})
    return VerificationKey(kid, name, _fingerprint(name, members), names, row.signature, key)


def _fingerprint(name: str, members: Mapping[str, Any]) -> bytes:
    parts = [name, *(str(members.get(each, "")) for each in ("crv", "x", "y", "n", "e", "pub"))]
    return hashlib.sha256("\n".join(parts).encode("utf-8")).digest()
