"""private_key_jwt: an assertion that the client signs (RFC 7523 §3, OpenID Connect Core §9).

The audience is the issuer alone (draft-ietf-oauth-rfc7523bis): an assertion made for another server, or for
one endpoint, is refused.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from keys import api
from keys.errors import ForeignKeyRefused, TokenRefused
from realms.models import Realm
from tokens.models import Client
from tokens.parameters import PresentedClient
from tokens.services.spent_tokens import spend
from tokens.vocabulary import AuthMethod

LONGEST_LIFE = timedelta(minutes=10)
TYP = "client-authentication+jwt"  # of the draft; an assertion without a kind is taken as well, as before it
_SKEW = timedelta(minutes=1)
_MAX_JTI = 256


class PrivateKeyJwt:
    """A client that signs with a registered key."""

    name = AuthMethod.PRIVATE_KEY_JWT

    def claimed_id(self, presented: PresentedClient) -> str:
        """The assertion's subject, which a client_id beside it must not contradict."""
        try:
            subject = api.unverified_claims(presented.proof).get("sub")
        except TokenRefused:
            return ""
        if not isinstance(subject, str) or presented.client_id not in ("", subject):
            return ""
        return subject

    def proves(self, client: Client | None, presented: PresentedClient, *, realm: Realm, now: datetime) -> bool:
        """Whether the assertion is the client's own, for this issuer, in time, and used for the first time."""
        try:
            claims = api.verify_foreign_jwt(presented.proof, jwks=client.jwks if client else None, typ=TYP)
        except (TokenRefused, ForeignKeyRefused):
            return False
        if client is None or not _fits(claims, client_id=client.client_id, issuer=realm.issuer, now=now):
            return False
        expires_at = datetime.fromtimestamp(claims["exp"], now.tzinfo) + _SKEW
        # Spent last, so that an assertion that is refused for another reason can't use up somebody's jti.
        return spend(f"assertion\0{realm.pk}\0{client.client_id}\0{claims['jti']}", expires_at=expires_at)


def _fits(claims: Mapping[str, Any], *, client_id: str, issuer: str, now: datetime) -> bool:
    """Every claim of the assertion (RFC 7523 §3): whose, for whom, from when until when, and its id."""
    moment, slack = now.timestamp(), _SKEW.total_seconds()
    jti = claims.get("jti")
    return (
        claims.get("iss") == client_id
        and claims.get("sub") == client_id
        and claims.get("aud") in (issuer, [issuer])
        and moment - slack < claims["exp"] <= moment + LONGEST_LIFE.total_seconds() + slack
        and claims.get("nbf", 0) <= moment + slack
        and claims.get("iat", 0) <= moment + slack
        and isinstance(jti, str)
        and 0 < len(jti) <= _MAX_JTI
    )
