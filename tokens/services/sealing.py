"""Making and opening opaque access tokens (tokens/opaque_tokens.py) with the realm's mac ring."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keys import api
from keys.errors import KeysError
from realms.models import Realm
from tokens.opaque_tokens import SALT_BYTES, Header, MalformedToken, is_current, parse, seal, unseal


def opaque_token_for(claims: Mapping[str, object], *, realm: Realm, expires_at: datetime, now: datetime) -> str:
    """An access token that only this provider can read.

    Arguments:
        claims: those that a signed one would have; `exp` among them.
        realm: whose key seals.
        expires_at: aware; when the token ends. The key lives at least as long.
        now: aware.

    Raises:
        KeysError: no key may seal now, or none lives as long.
    """
    kid = api.tagging_kid(realm=realm, expires_at=expires_at, at=now)
    header = Header(kid, secrets.token_bytes(SALT_BYTES))
    key = api.derived_key(header.context(), realm=realm, kid=kid, now=now)
    if key is None:
        raise KeysError(f"The mac ring has no trusted key {kid!r}.")
    return seal(claims, header=header, key=key)


def open_opaque_token(text: str, *, realm: Realm, now: datetime) -> Mapping[str, Any]:
    """The claims of an opaque access token that this realm made and that is not over; asks the database nothing.

    Arguments:
        text: as it came.
        realm: whose it has to be.
        now: aware.

    Raises:
        MalformedToken: it is forged, garbled, over, another realm's, or of a key that is not trusted any more.
        KeysError: the keys can't be read.
    """
    header, ciphertext = parse(text)
    key = api.derived_key(header.context(), realm=realm, kid=header.mac_kid, now=now)
    if key is None:
        raise MalformedToken("No trusted key has this id.")
    claims = unseal(ciphertext, header=header, key=key)
    if not is_current(claims, issuer=realm.issuer, now=now):
        raise MalformedToken("The token is over, or another issuer's.")
    return claims
