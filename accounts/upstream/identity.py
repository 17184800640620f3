"""Who an upstream provider says that somebody is: the rules of its ID token (OpenID Connect Core §3.1.3.7)."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.errors import NameRefused, UpstreamRefused, UpstreamTooOld
from accounts.names import check_email

SKEW = timedelta(minutes=1)  # by which the provider's clock may differ
_OLDEST = timedelta(minutes=10)  # an ID token that has just been fetched is younger
_MAX_SUBJECT = 255
_MAX_METHODS = 32
_SECOND_FACTOR = "mfa"
_HASHES: Mapping[str, Callable[[bytes], Any]] = {
    "ES256": hashlib.sha256,
    "RS256": hashlib.sha256,
    "PS256": hashlib.sha256,
    "ES384": hashlib.sha384,
    "ES512": hashlib.sha512,
    "Ed25519": hashlib.sha512,
}


@dataclass(frozen=True, slots=True)
class UpstreamIdentity:
    """Who somebody is there, once all is verified.

    Attributes:
        subject: `sub`; never an address.
        email: as the provider vouches for it; "" where it doesn't.
        signed_in_at: when they proved it there (`auth_time`); None where the provider doesn't tell.
        second_factor: whether it says that they had one.
    """

    subject: str
    email: str
    signed_in_at: datetime | None
    second_factor: bool

    @property
    def domain(self) -> str:
        """Of the address, in small letters; "" where there is none."""
        return self.email.rpartition("@")[2].lower()


def identity_in(
    claims: Mapping[str, Any],
    *,
    algorithm: str,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str,
    now: datetime,
) -> UpstreamIdentity:
    """Hold an ID token whose signature was verified against every rule.

    Arguments:
        claims: of `keys.api.verify_foreign_token`, so that dates are whole numbers and `exp` is there.
        algorithm: of the key that signed it.
        issuer, client_id, nonce: what this sign-in began with.
        access_token: that came with it.
        now: aware time.

    Raises:
        UpstreamRefused: one rule doesn't hold; the text says which.
    """
    _check_parties(claims, issuer=issuer, client_id=client_id)
    _check_times(claims, now)
    given = claims.get("nonce")
    if not _same(given, nonce):
        raise UpstreamRefused("The ID token's nonce is not the one of this sign-in.")
    if claims.get("at_hash") is not None:
        _check_hash(claims["at_hash"], access_token, algorithm)
    return UpstreamIdentity(
        subject=_subject(claims),
        email=verified_email(claims),
        signed_in_at=_auth_time(claims, now),
        second_factor=_SECOND_FACTOR in _methods(claims),
    )


def with_userinfo(identity: UpstreamIdentity, claims: Mapping[str, Any]) -> UpstreamIdentity:
    """The same identity with the address that userinfo tells (OpenID Connect Core §5.3.2).

    Raises:
        UpstreamRefused: it is about somebody else.
    """
    if claims.get("sub") != identity.subject:
        raise UpstreamRefused("Its userinfo is about another subject than the ID token.")
    return replace(identity, email=verified_email(claims))


def verified_email(claims: Mapping[str, Any]) -> str:
    """The address that the provider vouches for; "" where it has none, another form, or isn't verified."""
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return ""
    try:
        return check_email(email)
    except NameRefused:
        return ""


def proved_at(
    identity: UpstreamIdentity, *, since: datetime, certainly: bool, not_before: datetime | None, now: datetime
) -> datetime:
    """When somebody proved who they are, as a session of ours may say it.

    A provider signs people in silently, with a session of its own. So its `auth_time` is what counts.

    Arguments:
        since: how old the proof may be: the moment before which it counts no more.
        certainly: whether a new proof was asked for; then a provider that doesn't tell when it was is not believed.
        not_before: when the person's sign-ins of before were ended; None for never.
        now: aware time.

    Raises:
        UpstreamTooOld: it was before, or nobody knows.
    """
    told = identity.signed_in_at
    if told is None:
        if certainly:
            raise UpstreamTooOld("The provider doesn't tell when the sign-in was.")
        return now
    if told < since - SKEW or (not_before is not None and told < not_before):
        raise UpstreamTooOld("The sign-in at the provider is too old.")
    return min(told, now)


def _check_parties(claims: Mapping[str, Any], *, issuer: str, client_id: str) -> None:
    if claims.get("iss") != issuer:
        raise UpstreamRefused("The ID token is another issuer's.")
    if claims.get("aud") not in (client_id, [client_id]):  # no other audience is trusted here (§3.1.3.7, 3)
        raise UpstreamRefused("The ID token is not meant for this client alone.")
    if claims.get("azp", client_id) != client_id:
        raise UpstreamRefused("The ID token was issued to another client.")


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    moment, slack = now.timestamp(), SKEW.total_seconds()
    issued = claims.get("iat")
    if moment - slack >= claims["exp"]:
        raise UpstreamRefused("The ID token has expired.")
    if issued is None or not moment - _OLDEST.total_seconds() <= issued <= moment + slack:
        raise UpstreamRefused("The ID token was not issued just now.")
    if claims.get("nbf", 0) > moment + slack:
        raise UpstreamRefused("The ID token is not valid yet.")


def _check_hash(given: Any, access_token: str, algorithm: str) -> None:
    if algorithm not in _HASHES:
        raise UpstreamRefused("The ID token has an at_hash of an algorithm that names no hash.")
    digest: bytes = _HASHES[algorithm](access_token.encode("ascii")).digest()
    if not _same(given, base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")):
        raise UpstreamRefused("The ID token came with another access token.")


def _same(given: Any, expected: str) -> bool:
    """Whether a claim is this text; compared in constant time."""
    return isinstance(given, str) and given.isascii() and hmac.compare_digest(given, expected)


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
        raise UpstreamRefused(f"The ID token's sub has not 1 to {_MAX_SUBJECT} characters.")
    if not subject.isascii() or not subject.isprintable():
        raise UpstreamRefused("The ID token's sub is not of printable ASCII characters.")
    return subject


def _auth_time(claims: Mapping[str, Any], now: datetime) -> datetime | None:
    found = claims.get("auth_time")
    if found is None:
        return None
    if type(found) is not int or not 0 <= found <= (now + SKEW).timestamp():
        raise UpstreamRefused("The ID token's auth_time is no moment of before.")
    return datetime.fromtimestamp(found, UTC)


def _methods(claims: Mapping[str, Any]) -> list[str]:
    found = claims.get("amr", [])
    if not isinstance(found, list) or len(found) > _MAX_METHODS or not all(isinstance(one, str) for one in found):
        raise UpstreamRefused("The ID token's amr is no list of words.")
    return found
