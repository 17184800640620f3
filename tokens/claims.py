"""The claims of an access token (RFC 9068 §2.2): no personal data, below 1 KB."""

import base64
import re
from datetime import datetime, timedelta
from uuid import UUID

from accounts.acr import acr_of, amr_of
from accounts.trust import trust_in
from tokens.authorization import Authorization

JTI_BYTES = 12
_JTI = re.compile(r"([A-Za-z0-9_-]{22}\.)?[A-Za-z0-9_-]{16}", re.ASCII)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def token_id(grant_id: UUID | None, random: bytes) -> str:
    """A `jti`: the grant's reference and a random part, so that a grant's end is the end of its tokens.

    Arguments:
        grant_id: the grant's; None leaves its part out.
        random: bytes that were never used before.
    """
    return f"{_base64url(grant_id.bytes)}.{_base64url(random)}" if grant_id else _base64url(random)


def grant_in(jti: str) -> UUID | None:
    """The grant that a `jti` refers to, or None where there is none.

    Raises:
        ValueError: this is no `jti` of ours.
    """
    reference, dot, _random = jti.rpartition(".")
    if not _JTI.fullmatch(jti):
        raise ValueError("This is no jti of this provider.")
    return UUID(bytes=base64.urlsafe_b64decode(reference + "==")) if dot else None


def access_token_claims(
    authorization: Authorization, *, issued_at: datetime, expires_at: datetime, random: bytes
) -> dict[str, object]:
    """The payload of an access token.

    Arguments:
        authorization: what was decided.
        issued_at: aware; becomes `iat`, in whole seconds.
        expires_at: aware; becomes `exp`.
        random: for the `jti`.
    """
    claims: dict[str, object] = {
        "iss": authorization.issuer,
        "sub": authorization.subject,
        "aud": authorization.audience[0] if len(authorization.audience) == 1 else list(authorization.audience),
        "exp": int(expires_at.timestamp()),
        "iat": int(issued_at.timestamp()),
        "jti": token_id(authorization.grant_id, random),
        "client_id": authorization.client_id,
    }
    if authorization.scopes:  # an empty one is no scope (RFC 6749 §3.3)
        claims["scope"] = " ".join(authorization.scopes)
    claims |= authentication_claims(authorization)
    if authorization.roles:
        claims["roles"] = list(authorization.roles)
    if authorization.device is not None:
        claims["device_trust"] = trust_in(authorization.device, issued_at)
    if authorization.jkt:
        claims["cnf"] = {"jkt": authorization.jkt}  # RFC 9449 §6.1
    return claims


def authentication_claims(authorization: Authorization) -> dict[str, object]:
    """When and how the person proved who they are, and in which session; nothing where there is no person.

    For ID tokens (OpenID Connect Core §2) and access tokens (RFC 9068 §2.2.1) alike.
    """
    if authorization.auth_time is None:
        return {}
    claims: dict[str, object] = {"auth_time": int(authorization.auth_time.timestamp())}
    if authorization.methods:
        claims["acr"] = acr_of(authorization.methods)
    if told := amr_of(authorization.methods):
        claims["amr"] = list(told)
    return {**claims, "sid": authorization.sid} if authorization.sid else claims


def shorter(own: timedelta | None, realms: timedelta) -> timedelta:
    """A lifetime of a client: its own, where it has one, but never more than the realm's."""
    return realms if own is None else min(own, realms)


def seconds_to_live(lifetime: timedelta, *, issued_at: datetime, grant_expires_at: datetime) -> timedelta:
    """How long an access token lives: as the realm says, and no longer than its grant.

    Arguments:
        lifetime: the realm's.
        issued_at, grant_expires_at: aware.
    """
    return min(lifetime, grant_expires_at - issued_at)
