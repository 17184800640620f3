"""The claims of an ID token (OpenID Connect Core §2, §3.1.3.6): who signed in, how and when.

Below 2 KB, also with RS256 of 4096 bits, where the nonce and the person's claims are of ordinary length.
"""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tokens.authorization import Authorization
from tokens.claims import authentication_claims

LIFETIME = timedelta(minutes=10)
PROTOCOL_CLAIMS = ("sub", "iss", "aud", "azp", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid")  # for discovery
# The hash of at_hash and c_hash is the one of the signature's algorithm; ML-DSA names none, so there are none for it.
_HASHES: dict[str, Callable[[bytes], Any]] = {
    "ES256": hashlib.sha256,
    "RS256": hashlib.sha256,
    "PS256": hashlib.sha256,
    "ES384": hashlib.sha384,
    "ES512": hashlib.sha512,
    "Ed25519": hashlib.sha512,
}
HASHED = frozenset(_HASHES)  # the algorithms of ID tokens that can vouch for what comes beside them


def id_token_claims(
    authorization: Authorization, *, issued_at: datetime, access_token: str = "", code: str = ""
) -> dict[str, object]:
    """The payload of an ID token.

    Who the person is beyond `sub`, `/userinfo` tells; only what was asked for here stands here.

    Arguments:
        authorization: what was decided; of a person.
        issued_at: aware; becomes `iat`.
        access_token: the token that comes with it, "" for none; its hash binds the two (§3.1.3.6, §3.2.2.10).
        code: the code that comes with it, "" for none; the same (§3.3.2.11).
    """
    claims: dict[str, object] = {
        **authorization.identity,
        "iss": authorization.issuer,
        "sub": authorization.subject,
        "aud": authorization.client_id,
        "azp": authorization.client_id,
        "exp": int((issued_at + LIFETIME).timestamp()),
        "iat": int(issued_at.timestamp()),
        **authentication_claims(authorization),
    }
    if authorization.nonce:
        claims["nonce"] = authorization.nonce
    for name, text in (("at_hash", access_token), ("c_hash", code)):
        if text and authorization.id_token_alg in _HASHES:
            claims[name] = half_hash(text, authorization.id_token_alg)
    return claims


def half_hash(text: str, algorithm: str) -> str:
    """The left half of a text's hash, base64url (OpenID Connect Core §3.1.3.6).

    Arguments:
        text: the access token or the code.
        algorithm: of the ID token's signature.
    """
    digest: bytes = _HASHES[algorithm](text.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")
