"""The one mint: what was decided becomes tokens here and nowhere else (RFC 6749 §5.1, RFC 9068)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keys import api
from realms.models import Realm
from tokens.authorization import Authorization, Encryption
from tokens.claims import JTI_BYTES, access_token_claims, seconds_to_live, shorter
from tokens.id_token import id_token_claims
from tokens.models import Client
from tokens.services.live_grants import userinfo_encryption
from tokens.services.sealing import opaque_token_for
from tokens.services.tagging import refresh_token_for
from tokens.vocabulary import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, USERINFO_TYPE, ResponseType, token_type

_LONG_AGO = timedelta(hours=1)  # past every verifier's leeway
_USERINFO_LIFETIME = timedelta(minutes=5)  # it is read at once; a client's clock may run ahead by so much


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was made.

    Attributes:
        access_token: a JWT, or an opaque text.
        expires_in: how long it lives, in seconds.
        token_type: how it is shown: Bearer, or DPoP for one that is bound to a key.
        scope: what it is good for; "" for none, which no answer repeats (RFC 6749 §3.3).
        refresh_token: a handle; None where there is nothing to refresh.
        id_token: a JWT about the sign-in, encrypted where the client registered that; None where none was asked for.
    """

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False, default=None)
    token_type: str = "Bearer"  # noqa: S105

    def members(self) -> dict[str, object]:
        """The members of a token answer (RFC 6749 §5.1)."""
        found: dict[str, object] = {
            "access_token": self.access_token,
            "token_type": self.token_type,
            "expires_in": self.expires_in,
        }
        if self.scope:
            found["scope"] = self.scope
        if self.refresh_token is not None:
            found["refresh_token"] = self.refresh_token
        if self.id_token is not None:
            found["id_token"] = self.id_token
        return found


def check_keys(*algorithms: str, realm: Realm, now: datetime) -> None:
    """Make sure that tokens could be signed, before anything is written that a failure would waste.

    Arguments:
        algorithms: with which.
        realm: whose keys sign.
        now: aware.

    Raises:
        KeysError: no key may sign now.
    """
    for algorithm in algorithms:
        api.current_kid(realm=realm, now=now, algorithm=algorithm)


def issue(authorization: Authorization, *, realm: Realm, now: datetime) -> Tokens:
    """The tokens of a grant.

    Arguments:
        authorization: what was decided.
        realm: whose keys sign, seal and tag.
        now: aware.

    Raises:
        KeysError: no key may sign now; nothing was handed out.
    """
    access_token, expires_in = _access_token(authorization, realm=realm, now=now)
    refreshable = authorization.refreshable and authorization.grant_id is not None
    return Tokens(
        access_token=access_token,
        expires_in=expires_in,
        scope=" ".join(authorization.scopes),
        refresh_token=refresh_token_for(authorization, realm=realm, now=now) if refreshable else None,
        id_token=_id_token(authorization, realm=realm, now=now, access_token=access_token),
        token_type=token_type(bound=bool(authorization.jkt)),
    )


def issue_through_browser(
    authorization: Authorization, response_type: ResponseType, *, code: str, realm: Realm, now: datetime
) -> dict[str, str]:
    """What the authorization endpoint hands out itself (OpenID Connect Core §3.2.2.5, §3.3.2.5).

    Arguments:
        authorization: what was decided.
        response_type: which of code, ID token and access token there are to be.
        code: the grant's; "" for none.
        realm: whose keys sign.
        now: aware.

    Returns:
        The parameters of the answer.

    Raises:
        KeysError: no key may sign now; nothing was handed out.
    """
    found = {"code": code} if code else {}
    access_token = ""
    if response_type.has_token:
        access_token, expires_in = _access_token(authorization, realm=realm, now=now)
        kind = token_type(bound=bool(authorization.jkt))
        found |= {"access_token": access_token, "token_type": kind, "expires_in": str(expires_in)}
        found |= {"scope": " ".join(authorization.scopes)} if authorization.scopes else {}
    if response_type.has_id_token:
        id_token = _id_token(authorization, realm=realm, now=now, access_token=access_token, code=code)
        found |= {"id_token": id_token} if id_token else {}
    return found


def _access_token(authorization: Authorization, *, realm: Realm, now: datetime) -> tuple[str, int]:
    """The token, and for how many seconds it lives."""
    longest = shorter(authorization.access_token_lifetime, realm.access_token_lifetime)
    lifetime = seconds_to_live(longest, issued_at=now, grant_expires_at=authorization.expires_at)
    ends, seconds = now + lifetime, int(lifetime.total_seconds())
    random = secrets.token_bytes(JTI_BYTES)
    claims = access_token_claims(authorization, issued_at=now, expires_at=ends, random=random)
    if authorization.opaque:
        return opaque_token_for(claims, realm=realm, expires_at=ends, now=now), seconds
    algorithm = authorization.access_token_alg
    return api.sign_jwt(claims, realm=realm, typ=ACCESS_TOKEN_TYPE, algorithm=algorithm, now=now).token, seconds


def _id_token(
    authorization: Authorization, *, realm: Realm, now: datetime, access_token: str = "", code: str = ""
) -> str | None:
    if not authorization.id_token_alg:
        return None
    claims = id_token_claims(authorization, issued_at=now, access_token=access_token, code=code)
    return token_for_client(
        claims,
        typ=ID_TOKEN_TYPE,
        algorithm=authorization.id_token_alg,
        encryption=authorization.id_token_encryption,
        realm=realm,
        now=now,
    )


def token_for_client(
    claims: Mapping[str, object],
    *,
    typ: str,
    algorithm: str,
    encryption: Encryption | None,
    realm: Realm,
    now: datetime,
) -> str:
    """A token for the client to read, as it registered it: signed, and then encrypted where it wants that.

    ID tokens, logout tokens and userinfo are made here (OpenID Connect Core §10.2, Back-Channel Logout §2.4).

    Arguments:
        claims: the payload; `exp` must be there.
        typ: the kind of token, for the header of what is signed.
        algorithm: how it is signed.
        encryption: how it is encrypted; None for not at all.
        realm: whose key signs.
        now: aware.

    Raises:
        KeysError: no key may sign now, or the client's keys can't be encrypted to any more.
    """
    signed = api.sign_jwt(claims, realm=realm, typ=typ, algorithm=algorithm, now=now).token
    if encryption is None:
        return signed
    return api.encrypt_nested(signed, jwks=encryption.jwks, alg=encryption.alg, enc=encryption.enc)


def userinfo_token(claims: Mapping[str, object], *, client: Client, realm: Realm, now: datetime) -> str:
    """What `/userinfo` tells, signed for a client, and encrypted where it wants that (OpenID Connect Core §5.3.2).

    It has a kind of its own and no `iat`, which every ID token must have (§2): a client that took it for an ID
    token would find it wanting (RFC 8725 §3.11, §3.12).

    Arguments:
        claims: about the person, `sub` among them.
        client: for whom; it registered how userinfo is signed.
        realm: whose key signs.
        now: aware.

    Raises:
        KeysError: as `token_for_client`.
    """
    told = {**claims, "iss": realm.issuer, "aud": client.client_id, "exp": int((now + _USERINFO_LIFETIME).timestamp())}
    return token_for_client(
        told,
        typ=USERINFO_TYPE,
        algorithm=client.userinfo_alg,
        encryption=userinfo_encryption(client),
        realm=realm,
        now=now,
    )


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
