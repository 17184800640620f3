"""The claims of an ID token (OpenID Connect Core §2, §3.1.3.6): who signed in, how and when; below 2 KB."""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tokens.authorization import Authorization

LIFETIME = timedelta(minutes=10)
# The hash of at_hash is the one of the signature's algorithm; ML-DSA names none, so there is no at_hash for it.
_HASHES: dict[str, Callable[[bytes], Any]] = {
    "ES256": hashlib.sha256,
    "RS256": hashlib.sha256,
    "PS256": hashlib.sha256,
    "ES384": hashlib.sha384,
    "ES512": hashlib.sha512,
    "Ed25519": hashlib.sha512,
}


def id_token_claims(authorization: Authorization, *, access_token: str, issued_at: datetime) -> dict[str, object]:
    """The payload of an ID token; who the person is beyond `sub`, `/userinfo` tells.

    Arguments:
        authorization: what was decided; of a person.
        access_token: the token that comes with it; its hash binds the two.
        issued_at: aware; becomes `iat`.
    """
    claims: dict[str, object] = {
        "iss": authorization.issuer,
        "sub": authorization.subject,
        "aud": authorization.client_id,
        "exp": int((issued_at + LIFETIME).timestamp()),
        "iat": int(issued_at.timestamp()),
        "amr": list(authorization.methods),
    }
    if authorization.auth_time is not None:
        claims["auth_time"] = int(authorization.auth_time.timestamp())
    if authorization.nonce:
        claims["nonce"] = authorization.nonce
    if authorization.sid:
        claims["sid"] = authorization.sid
    if authorization.id_token_alg in _HASHES:
        claims["at_hash"] = half_hash(access_token, authorization.id_token_alg)
    return claims


def half_hash(text: str, algorithm: str) -> str:
    """The left half of a text's hash, base64url (OpenID Connect Core §3.1.3.6).

    Arguments:
        text: the access token.
        algorithm: of the ID token's signature.
    """
    digest: bytes = _HASHES[algorithm](text.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")
