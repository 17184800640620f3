"""The one mint: what was decided becomes tokens here and nowhere else (RFC 6749 §5.1, RFC 9068)."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keys import api
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.claims import JTI_BYTES, access_token_claims, seconds_to_live, shorter
from tokens.id_token import id_token_claims
from tokens.services.tagging import refresh_token_for
from tokens.vocabulary import ACCESS_TOKEN_TYPE

_LONG_AGO = timedelta(hours=1)  # past every verifier's leeway


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was made.

    Attributes:
        access_token: a JWT.
        expires_in: how long it lives, in seconds.
        scope: what it is good for; "" for none, which no answer repeats (RFC 6749 §3.3).
        refresh_token: a handle; None where there is nothing to refresh.
        id_token: a JWT about the sign-in; None where none was asked for.
    """

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False, default=None)

    def members(self) -> dict[str, object]:
        """The members of a token answer (RFC 6749 §5.1)."""
        found: dict[str, object] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
        }
        if self.scope:
            found["scope"] = self.scope
        if self.refresh_token is not None:
            found["refresh_token"] = self.refresh_token
        if self.id_token is not None:
            found["id_token"] = self.id_token
        return found


def check_keys(*, realm: Realm, now: datetime) -> None:
    """Make sure that a token could be signed, before anything is written that a failure would waste.

    Raises:
        KeysError: no key may sign now.
    """
    api.current_kid(realm=realm, now=now)


def issue(authorization: Authorization, *, realm: Realm, now: datetime) -> Tokens:
    """The tokens of a grant.

    Arguments:
        authorization: what was decided.
        realm: whose keys sign and tag.
        now: aware.

    Raises:
        KeysError: no key may sign now; nothing was handed out.
    """
    longest = shorter(authorization.access_token_lifetime, realm.access_token_lifetime)
    lifetime = seconds_to_live(longest, issued_at=now, grant_expires_at=authorization.expires_at)
    claims = access_token_claims(
        authorization, issued_at=now, expires_at=now + lifetime, random=secrets.token_bytes(JTI_BYTES)
    )
    signed = api.sign_jwt(claims, realm=realm, typ=ACCESS_TOKEN_TYPE, algorithm=authorization.access_token_alg, now=now)
    refreshable = authorization.refreshable and authorization.grant_id is not None
    return Tokens(
        access_token=signed.token,
        expires_in=int(lifetime.total_seconds()),
        scope=" ".join(authorization.scopes),
        refresh_token=refresh_token_for(authorization, realm=realm, now=now) if refreshable else None,
        id_token=_id_token(authorization, signed.token, realm=realm, now=now),
    )


def _id_token(authorization: Authorization, access_token: str, *, realm: Realm, now: datetime) -> str | None:
    if not authorization.id_token_alg:
        return None
    claims = id_token_claims(authorization, access_token=access_token, issued_at=now)
    return api.sign_jwt(claims, realm=realm, typ="JWT", algorithm=authorization.id_token_alg, now=now).token


def issue_expired(authorization: Authorization, *, realm: Realm, now: datetime) -> Tokens:
    """A token that expired an hour ago, signed by a key that no verifier ever sees; for testing verifiers.

    Arguments:
        authorization: of no grant; there is nothing to refresh.
        realm: whose `expired_test` ring signs.
        now: aware.

    Raises:
        UnknownRing, NoSigningKey: the realm has no such ring, or no key in it.
    """
    issued_at = now - _LONG_AGO - realm.access_token_lifetime
    claims = access_token_claims(
        authorization,
        issued_at=issued_at,
        expires_at=now - _LONG_AGO,
        random=secrets.token_bytes(JTI_BYTES),
    )
    signed = api.sign_jwt(claims, realm=realm, typ=ACCESS_TOKEN_TYPE, purpose=api.Purpose.EXPIRED_TEST, now=now)
    return Tokens(signed.token, 0, " ".join(authorization.scopes), None)
