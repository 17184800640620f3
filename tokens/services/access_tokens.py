"""Whether an access token of ours is good at this moment: signature or seal, claims, and what it stands for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keys import api
from keys.errors import TokenRefused
from realms.models import Realm
from tokens.claims import grant_in
from tokens.opaque_tokens import is_opaque
from tokens.selectors import StandingGrant, client_of, grant_of
from tokens.services.sealing import open_opaque_token
from tokens.services.spent_tokens import is_spent
from tokens.vocabulary import ACCESS_TOKEN_TYPE


def trusted_claims(token: str, *, realm: Realm, now: datetime) -> Mapping[str, Any] | None:
    """The claims of an access token that the realm signed or sealed, in time and with a `jti` of ours; or None.

    Raises:
        KeysError: the keys can't be read.
    """
    try:
        claims = _claims_of(token, realm=realm, now=now)
        grant_in(str(claims.get("jti")))
    except (TokenRefused, ValueError):
        return None
    return claims


def _claims_of(token: str, *, realm: Realm, now: datetime) -> Mapping[str, Any]:
    if is_opaque(token):
        return open_opaque_token(token, realm=realm, now=now)
    return api.verify_jwt(token, realm=realm, typ=ACCESS_TOKEN_TYPE, now=now, at_once=True).claims


def has_the_form_of_one(text: str) -> bool:
    """Whether a text that came could be an access token, rather than a handle; nothing of it is checked.

    A JWT has dots and an opaque token its prefix, and no handle has either.
    """
    return "." in text or is_opaque(text)


def spent_name(claims: Mapping[str, Any], realm: Realm) -> str:
    """Under which name the token is marked when it is revoked by itself."""
    return f"access\0{realm.pk}\0{claims['jti']}"


def audience_in(claims: Mapping[str, Any]) -> frozenset[str]:
    """For whom the token is meant."""
    found = claims.get("aud")
    return frozenset(found if isinstance(found, list) else [str(found)])


def standing_of(claims: Mapping[str, Any], *, realm: Realm, now: datetime) -> StandingGrant | None:
    """The live grant of a person's token, or None: it ended, or the token is a client's own or was revoked."""
    grant_id = grant_in(claims["jti"])
    if grant_id is None or is_spent(spent_name(claims, realm)):
        return None
    standing = grant_of(grant_id, realm_id=realm.pk, client_id=claims.get("client_id", ""))
    return standing if standing is not None and standing.is_live(now) else None


def is_alive(claims: Mapping[str, Any], *, realm: Realm, now: datetime) -> bool:
    """Whether what the token stands for still holds: its id, its client, and its grant with the person."""
    if grant_in(claims["jti"]) is not None:
        return standing_of(claims, realm=realm, now=now) is not None
    alone = client_of(realm_id=realm.pk, client_id=claims.get("client_id", ""))
    return alone is not None and not is_spent(spent_name(claims, realm))
