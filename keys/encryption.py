"""Tokens encrypted for clients: a nested JWT, signed and then encrypted (RFC 7516, RFC 7519 §11.2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from keys import foreign_keys, jose
from keys.compact import MAX_TOKEN_BYTES
from keys.errors import EncryptionRefused, UnknownAlgorithm

_DOTS = 2


def encryption_algorithms() -> Sequence[str]:
    """The `alg` that a client may register: how the content key gets to it."""
    return foreign_keys.ENCRYPTIONS


def content_encryptions() -> Sequence[str]:
    """The `enc` that a client may register: how the token itself is encrypted."""
    return jose.CONTENT_ENCRYPTIONS


def check_encryption_key(jwks: Mapping[str, Any], alg: str) -> None:
    """Hold a client's JWK Set against what `encrypt_nested` needs of it.

    Arguments:
        jwks: the JWK Set, from JSON.
        alg: the `alg` that the client registers.

    Raises:
        ForeignKeyRefused: no key of the set has the use enc, fits and is sound.
    """
    foreign_keys.encryption_key(jwks, alg)


def encrypt_nested(token: str, *, jwks: Mapping[str, Any], alg: str, enc: str) -> str:
    """Encrypt a signed token for a client (RFC 7516 §5.1, RFC 7519 §5.2). Each call makes a content key anew.

    Arguments:
        token: the compact JWS, which is what the client finds inside, letter by letter.
        jwks: the client's registered JWK Set; its first key that fits `alg` is encrypted to.
        alg: the client's registered `alg`, one of `encryption_algorithms()`.
        enc: the client's registered `enc`, one of `content_encryptions()`.

    Returns:
        The compact JWE of five parts.

    Raises:
        EncryptionRefused: it is no compact JWS, or longer than 16,384 bytes, which is what is read back here.
        ForeignKeyRefused: no key of the set fits, or it is not sound.
        UnknownAlgorithm: there is no such `enc`.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise EncryptionRefused(f"A token of more than {MAX_TOKEN_BYTES} bytes is not encrypted.")
    if not token.isascii() or token.count(".") != _DOTS or not all(token.split(".")):
        raise EncryptionRefused("Only a compact JWS of three parts is encrypted, so that what is inside is signed.")
    if enc not in jose.CONTENT_ENCRYPTIONS:
        raise UnknownAlgorithm(f"There is no content encryption {enc[:32]!r} here.")
    key = foreign_keys.encryption_key(jwks, alg)
    return jose.encrypt_jwt(token, key=key.public_key, algorithm=alg, encryption=enc, kid=key.kid)
