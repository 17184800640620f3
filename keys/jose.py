"""The only importer of JOSE libraries: signatures with PyJWT's algorithms, encryption with joserfc's.

The algorithm comes from the key's row or the client's, never from the token.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, cast

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from joserfc import jwe
from joserfc.jwk import JWKRegistry
from jwt.algorithms import Algorithm as Signature
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm

from keys.algorithms import ALGORITHMS, ML_DSA_PRIVATE, Purpose, algorithm_named
from keys.compact import CompactToken
from keys.errors import KeysError, TokenRefused
from keys.foreign_keys import ENCRYPTIONS
from keys.jwk import key_members


class SignsElsewhere(ABC):
    """A private half that is not here: a custodian signs with it."""

    @abstractmethod
    def signature(self, message: bytes) -> bytes:
        """The signature of a message as a JWS holds it (RFC 7518 §3)."""


class _OwnSignature(Signature):
    """A signature that PyJWT doesn't know, behind its interface."""

    def prepare_key(self, key: Any) -> Any:
        """The key as it is."""
        return key

    @staticmethod
    def to_jwk(*_: Any) -> Any:
        """Not offered: `keys.jwk` writes JWKs."""
        raise TypeError("keys.jwk writes JWKs.")

    @staticmethod
    def from_jwk(*_: Any) -> Any:
        """Not offered: `keys.jwk` reads JWKs."""
        raise TypeError("keys.jwk reads JWKs.")


class ModuleLattice(_OwnSignature):
    """ML-DSA (RFC 9964), which PyJWT doesn't have: the key itself knows its parameter set."""

    def sign(self, msg: bytes, key: Any) -> bytes:
        """The signature with an empty context (RFC 9964 §4)."""
        signature: bytes = key.sign(msg)
        return signature

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        """Whether the signature is the key's."""
        try:
            key.verify(sig, msg)
        except InvalidSignature:
            return False
        return True


class Elsewhere(_OwnSignature):
    """The signatures of a private half that is not here."""

    def sign(self, msg: bytes, key: SignsElsewhere) -> bytes:
        """What the key's custodian answers."""
        return key.signature(msg)

    def verify(self, *_: Any) -> bool:
        """Not offered: a public key is always here."""
        raise TypeError("Verify with the public key.")


_SIGNATURES: dict[str, Signature] = {
    "ES256": ECAlgorithm(ECAlgorithm.SHA256),
    "ES384": ECAlgorithm(ECAlgorithm.SHA384),
    "ES512": ECAlgorithm(ECAlgorithm.SHA512),
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
    "Ed25519": OKPAlgorithm(),
    **{name: ModuleLattice() for name in ML_DSA_PRIVATE},
}


def _library(signatures: Mapping[str, Signature]) -> jwt.PyJWS:
    """PyJWT with exactly the algorithms of the table: no `none`, no HS256."""
    library = jwt.PyJWS(algorithms=[])
    for row in ALGORITHMS:
        if Purpose.SIGN in row.purposes:
            library.register_algorithm(row.name, signatures[row.name])
    return library


_JWS = _library(_SIGNATURES)
_JWS_ELSEWHERE = _library(dict.fromkeys(_SIGNATURES, Elsewhere()))
CONTENT_ENCRYPTIONS = ("A128GCM", "A256GCM")
_JWE = jwe.JWERegistry(algorithms=(*ENCRYPTIONS, *CONTENT_ENCRYPTIONS))


def sign(
    claims: Mapping[str, object], *, key: PrivateKeyTypes | SignsElsewhere, algorithm: str, kid: str, typ: str
) -> str:
    """A compact JWS over the claims (RFC 7515 §3.1).

    Arguments:
        claims: the payload, as JSON can hold it.
        key: the private key, or who signs with it.
        algorithm: the `alg` of the key's row.
        kid: the key's id; it always stands in the header.
        typ: the kind of token (RFC 8725 §3.11), such as `at+jwt`.

    Raises:
        KeysError: JSON can't hold the claims (NaN, a lone surrogate, an object); or what a custodian says.
    """
    try:
        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise KeysError("The claims can't be written as JSON.") from error
    library = _JWS_ELSEWHERE if isinstance(key, SignsElsewhere) else _JWS
    # PyJWT's type names the keys that it knows itself; ML-DSA's are passed through to ModuleLattice.
    return library.encode(payload, cast("RSAPrivateKey", key), algorithm=algorithm, headers={"kid": kid, "typ": typ})


def verify_signature(token: CompactToken, *, key: PublicKeyTypes, algorithm: str) -> None:
    """Hold a token against a key.

    Arguments:
        token: a token that `keys.compact` has taken apart.
        key: the public key that the token's kid names.
        algorithm: the `alg` of that key's row; the token may use an alias of it, but no other.

    Raises:
        TokenRefused: the header names another algorithm, or the signature is not the key's.
    """
    row = algorithm_named(algorithm)
    if token.algorithm not in {row.name, *row.aliases}:
        raise TokenRefused(f"The token says {token.algorithm[:32]!r}, and its key is one for {row.name}.")
    if not is_signature(token.signature, message=token.signing_input, key=key, algorithm=row.name):
        raise TokenRefused("The signature doesn't match.")


def is_signature(signature: bytes, *, message: bytes, key: PublicKeyTypes, algorithm: str) -> bool:
    """Whether some bytes are a key's signature of a message, in the form of a JWS (RFC 7518 §3).

    Arguments:
        signature: what claims to be one.
        message: what it should be over.
        key: the public key.
        algorithm: the `alg` of the key's row.
    """
    known = _SIGNATURES[algorithm]
    return known.verify(message, known.prepare_key(key), signature)


def encrypt_jwt(token: str, *, key: PublicKeyTypes, algorithm: str, encryption: str, kid: str) -> str:
    """A compact JWE around a signed token: a nested JWT (RFC 7516 §7.1, RFC 7519 §5.2). Nothing is compressed.

    Arguments:
        token: the compact JWS.
        key: the public key of whom it is for, one that fits the algorithm.
        algorithm: the `alg`: how the content key is encrypted or agreed upon.
        encryption: the `enc`: how the token is encrypted.
        kid: the key's id; "" leaves it out of the header.
    """
    header = {"alg": algorithm, "enc": encryption, "cty": "JWT", **({"kid": kid} if kid else {})}
    recipient = JWKRegistry.import_key({**key_members(key, algorithm)})
    return jwe.encrypt_compact(header, token, recipient, registry=_JWE)
