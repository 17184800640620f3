"""DPoP proofs for tests, made without any code of ours that reads them."""

import base64
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from keys.jwk import thumbprint
from tests.provider import ISSUER
from tests.tokens.clients import jwk, key, signed

_COUNT = itertools.count()


def jkt(owner: str = "phone", algorithm: str = "ES256") -> str:
    """The thumbprint of somebody's key."""
    return thumbprint(jwk(key(algorithm, owner), algorithm))


def proof(
    path: str = "token",
    *,
    now: Any,
    owner: str = "phone",
    algorithm: str = "ES256",
    method: str = "POST",
    header: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
    access_token: str = "",
    **claims: Any,
) -> str:
    """A proof of somebody's key for one request; header and claims may be changed or left out."""
    private = key(algorithm, owner)
    ath = base64.urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).rstrip(b"=").decode()
    found = {
        "jti": f"proof-{next(_COUNT)}",
        "htm": method,
        "htu": f"{ISSUER}/{path}",
        "iat": int(now.timestamp()),
        **({"ath": ath} if access_token else {}),
        **claims,
    }
    payload = json.dumps({name: value for name, value in found.items() if name not in without})
    members = {"typ": "dpop+jwt", "kid": None, "jwk": jwk(private, algorithm), **(header or {})}
    return signed(payload, private, algorithm, **members)
