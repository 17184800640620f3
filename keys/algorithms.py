"""The algorithms that a key may have: one row each (RFC 7518, RFC 8037, RFC 9864, RFC 9964).

No HS256 and no `none`: a token is only ever signed by a key whose public half anybody may hold. The
one symmetric algorithm is for tags that this provider alone makes and checks; it never signs a token.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from keys.errors import UnavailableAlgorithm, UnknownAlgorithm


class Purpose(StrEnum):
    """What the keys of a ring are for. Only the first two are ever published."""

    SIGN = "sign"
    ENCRYPT = "encrypt"
    MAC = "mac"
    EXPIRED_TEST = "expired_test"


class Custody(StrEnum):
    """Where the private halves of a ring's new keys live."""

    ENVELOPE = "envelope"  # sealed in their rows, their data keys wrapped by the custodian
    REMOTE = "remote"  # with the custodian, which signs


PUBLISHED_PURPOSES = frozenset({Purpose.SIGN, Purpose.ENCRYPT})
SIGNING_PURPOSES = frozenset({Purpose.SIGN, Purpose.EXPIRED_TEST})


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row of the table.

    Attributes:
        name: the `alg` value.
        kty: the JWK key type, or "oct" for the symmetric one, which is never published.
        purposes: the rings that it may serve.
        generate: makes a private key; takes the length of an RSA modulus in bits, or None.
        bits: the RSA modulus lengths that may be chosen, the default first; empty where the name fixes
            the key.
        aliases: other names under which it may be asked for, and under which a token may name it.
    """

    name: str
    kty: str
    purposes: frozenset[Purpose]
    generate: Callable[[int | None], PrivateKeyTypes | bytes]
    bits: tuple[int, ...] = ()
    aliases: frozenset[str] = frozenset()


def _elliptic(curve: ec.EllipticCurve) -> Callable[[int | None], PrivateKeyTypes]:
    return lambda _bits: ec.generate_private_key(curve)


def _rsa(bits: int | None) -> PrivateKeyTypes:
    if bits is None:
        raise UnknownAlgorithm("An RSA key needs the length of its modulus in bits.")
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def _module_lattice(name: str) -> Callable[[int | None], PrivateKeyTypes]:
    def generate(_bits: int | None) -> PrivateKeyTypes:
        try:
            return ML_DSA_PRIVATE[name].generate()
        except UnsupportedAlgorithm as error:
            raise UnavailableAlgorithm(
                f"{name} needs a cryptography built with ML-DSA, and the installed one has none: upgrade it, "
                f"or choose ES256."
            ) from error

    return generate


ML_DSA_PRIVATE: dict[str, type[mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey]] = {
    "ML-DSA-44": mldsa.MLDSA44PrivateKey,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey,
}
RSA_BITS = (4096, 3072, 2048)

ALGORITHMS = (
    Algorithm("ES256", "EC", SIGNING_PURPOSES, _elliptic(ec.SECP256R1())),
    Algorithm("RS256", "RSA", SIGNING_PURPOSES, _rsa, bits=RSA_BITS),
    Algorithm("PS256", "RSA", SIGNING_PURPOSES, _rsa, bits=RSA_BITS),
    Algorithm("ES384", "EC", SIGNING_PURPOSES, _elliptic(ec.SECP384R1())),
    Algorithm("ES512", "EC", SIGNING_PURPOSES, _elliptic(ec.SECP521R1())),
    Algorithm(
        "Ed25519",
        "OKP",
        SIGNING_PURPOSES,
        lambda _bits: ed25519.Ed25519PrivateKey.generate(),
        aliases=frozenset({"EdDSA"}),
    ),
    *(Algorithm(name, "AKP", SIGNING_PURPOSES, _module_lattice(name)) for name in ML_DSA_PRIVATE),
    Algorithm("HMAC-SHA256", "oct", frozenset({Purpose.MAC}), lambda _bits: secrets.token_bytes(32)),
)
_BY_NAME = {name: row for row in ALGORITHMS for name in (row.name, *row.aliases)}


def algorithm_named(name: str) -> Algorithm:
    """The row of an `alg` value or of one of its aliases.

    Raises:
        UnknownAlgorithm: there is none; the message lists those that there are.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        known = ", ".join(row.name for row in ALGORITHMS if Purpose.SIGN in row.purposes)
        raise UnknownAlgorithm(f"There is no algorithm {name!r}; there are {known}.") from None


def choose_bits(algorithm: Algorithm, bits: int | None) -> int | None:
    """The modulus length for a new ring: the one asked for, or the default.

    Raises:
        UnknownAlgorithm: the algorithm doesn't come in this length.
    """
    if bits is None:
        return algorithm.bits[0] if algorithm.bits else None
    if bits not in algorithm.bits:
        lengths = " or ".join(str(length) for length in sorted(algorithm.bits))
        raise UnknownAlgorithm(
            f"{algorithm.name} keys have {lengths} bits, not {bits}."
            if lengths
            else f"{algorithm.name} fixes the length of its keys: leave the bits out."
        )
    return bits


def private_to_bytes(key: PrivateKeyTypes | bytes) -> bytes:
    """A private key as it is sealed: PKCS #8 in DER, or the raw bytes of a symmetric key."""
    if isinstance(key, bytes):
        return key
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_from_bytes(algorithm: Algorithm, blob: bytes) -> PrivateKeyTypes | bytes:
    """The private key from its unsealed bytes.

    The bytes come out of an authenticated envelope, so the slow consistency checks of RSA parameters
    are not repeated at every load.
    """
    if algorithm.kty == "oct":
        return blob
    return serialization.load_der_private_key(blob, password=None, unsafe_skip_rsa_key_validation=True)
