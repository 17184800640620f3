"""The front door of keys: everything that the apps above may call."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keys import compact, jose, sealing
from keys.algorithms import ALGORITHMS, Purpose, algorithm_named
from keys.compact import plain_object
from keys.custodians import custodian_named
from keys.encryption import check_encryption_key, content_encryptions, encrypt_nested, encryption_algorithms
from keys.errors import KeysError, LifetimeTooLong, TokenRefused
from keys.evidence import tokens_signed_since
from keys.foreign_keys import clean_jwks, parse_jwks
from keys.foreign_tokens import (
    ForeignToken,
    check_signature_keys,
    foreign_algorithms,
    names_a_key,
    unverified_claims,
    verify_foreign_jwt,
    verify_foreign_token,
    verify_possession,
)
from keys.provider_keys import usable_jwks
from keys.published_set import PublishedSet, published_sets
from keys.readiness import RingReadiness, readiness
from keys.records import SignedRecord, verify_record
from keys.sealing import SealedColumn
from keys.selectors import is_distrusted, rings
from keys.services.holding import hold_rings, propagates_until
from keys.services.noting import scribe
from keys.signer import RingName, check_lifetime, signer
from realms.models import Realm

__all__ = [
    "ForeignToken", "Purpose", "RingReadiness", "SealedColumn", "SignedRecord", "SignedToken", "VerifiedToken",
    "check_encryption_key", "check_mac", "check_signature_keys", "clean_jwks", "content_encryptions", "current_kid",
    "derived_key", "encrypt_nested", "encryption_algorithms", "foreign_algorithms", "hold_rings", "mac",
    "names_a_key", "parse_jwks", "plain_object", "propagates_until", "public_jwks", "published_algorithms",
    "readiness", "ring_algorithms", "seal",
    "sign_jwt", "signing_algorithms", "tagging_kid", "tokens_signed_since", "unseal", "unverified_claims",
    "usable_jwks", "verify_foreign_jwt", "verify_foreign_token", "verify_jwt",
    "verify_possession", "verify_record",
]  # fmt: skip

MAC_ALGORITHM = "HMAC-SHA256"
# What a derived key is the HMAC of begins with this, and what a tag is made over never does.
_DERIVATION = b"\0signet derived key\0"


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A compact JWS, and the kid of the key that signed it."""

    token: str
    kid: str


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """The claims of a token that was verified, and by which key."""

    claims: Mapping[str, Any]
    kid: str
    algorithm: str


def sign_jwt(
    claims: Mapping[str, object],
    *,
    realm: Realm,
    typ: str,
    now: datetime,
    algorithm: str = "ES256",
    purpose: Purpose = Purpose.SIGN,
) -> SignedToken:
    """Sign claims with the key that is active (RFC 7519, RFC 8725).

    Arguments:
        claims: the payload; `exp` must be there, in seconds since 1970.
        realm: whose key signs.
        typ: the kind of token for the header, such as `at+jwt`.
        now: the moment of signing, aware.
        algorithm: the `alg` of the ring, or an alias of it.
        purpose: which ring of that algorithm.

    Returns:
        The token and the kid.

    Raises:
        NoSigningKey: no key may sign, or the database can't be asked; answer 503.
        UnknownRing: the realm has no such ring.
        UnknownAlgorithm: there is no such algorithm.
        LifetimeTooLong: `exp` is missing, absurd, or past what the key may vouch for.
        KeysError: JSON can't hold the claims.
        MissingMasterSecret, SealBroken: the key can't be unsealed; answer 503.
        CustodianUnreachable, CustodianRefused, CustodianNotConfigured: its custodian doesn't sign; answer 503.
    """
    key, private = signer.signing_key(_ring(realm, purpose, algorithm), now)
    expiry = claims.get("exp")
    if not (type(expiry) is int and 0 <= expiry <= compact.MAX_NUMERIC_DATE):
        raise LifetimeTooLong("A token needs an exp, a sensible number of whole seconds since 1970.")
    check_lifetime(key, expires_at=datetime.fromtimestamp(expiry, UTC), now=now)
    if isinstance(private, bytes):
        raise KeysError("A symmetric key never signs a token.")
    token = jose.sign(claims, key=private, algorithm=key.ring.algorithm, kid=key.kid, typ=typ)
    scribe.signed(key, at=now)
    return SignedToken(token, key.kid)


def verify_jwt(
    token: str,
    *,
    realm: Realm,
    typ: str,
    now: datetime,
    audience: str | None = None,
    expired_ok: bool = False,
    at_once: bool = False,
) -> VerifiedToken:
    """Verify a token of a realm against its published keys, as a service would (RFC 8725 §3).

    Arguments:
        token: the compact JWS.
        realm: whose token it has to be.
        typ: the kind of token that is expected here.
        now: the moment, aware.
        audience: who must be among its audience; None leaves the audience to the caller.
        expired_ok: the danger: True takes a token that is over. Only for a hint that opens nothing by itself.
        at_once: True asks the database whether the key was declared compromised, in a statement of its own; the
            published keys in a worker's memory may be `JWKS_REFRESH` old.

    Raises:
        TokenRefused: it is malformed, of another kind, issuer or audience, expired, not valid yet, or not
            signed by a published key; the message says which, and never repeats the token.
        PublishedSetUnavailable: the published keys can't be read.
    """
    parsed = compact.parse(token)
    if parsed.typ.lower().removeprefix("application/") != typ.lower():
        raise TokenRefused(f"The token is of the kind {parsed.typ[:32]!r}, and {typ!r} is expected.")
    key = published_sets.at(realm.slug, now).keys.get(parsed.kid)
    if key is None or key.jwk.get("use") != "sig":
        raise TokenRefused(f"No published key has the kid {parsed.kid[:64]!r}.")
    jose.verify_signature(parsed, key=key.public_key, algorithm=key.algorithm)
    compact.check_claims(
        parsed.claims, issuer=realm.issuer, audience=audience, now=now, skew=key.skew, expired_ok=expired_ok
    )
    if at_once and is_distrusted(key.kid, realm_id=realm.pk):
        raise TokenRefused(f"The key {key.kid!r} was declared compromised.")
    return VerifiedToken(parsed.claims, key.kid, key.algorithm)


def signing_algorithms() -> Sequence[str]:
    """The algorithms that a ring may sign tokens with."""
    return [row.name for row in ALGORITHMS if Purpose.SIGN in row.purposes]


def ring_algorithms(realm: Realm) -> frozenset[str]:
    """The algorithms of a realm's rings that sign tokens; a retired ring signs none."""
    signing = rings(realm=realm.slug).filter(purpose=Purpose.SIGN, retired_at=None)
    return frozenset(ring.algorithm for ring in signing)


def published_algorithms(realm: str, *, now: datetime) -> Sequence[str]:
    """The algorithms of the keys that a realm publishes and may sign with, from memory; no retired ring's.

    Arguments:
        realm: the realm's slug.
        now: the moment, aware.

    Raises:
        PublishedSetUnavailable, UnknownRealm: as `public_jwks`.
    """
    return sorted({key.algorithm for key in published_sets.at(realm, now).keys.values() if not key.retired})


def public_jwks(realm: str, *, now: datetime) -> PublishedSet:
    """The JWK Set of a realm as ready bytes, with its ETag. Never unseals anything.

    Arguments:
        realm: the realm's slug.
        now: the moment, aware.

    Raises:
        PublishedSetUnavailable: the database is away, and memory too old or empty.
        UnknownRealm: there is no such realm.
    """
    return published_sets.at(realm, now)


def current_kid(*, realm: Realm, now: datetime, algorithm: str = "ES256", purpose: Purpose = Purpose.SIGN) -> str:
    """The kid of the key that signs at a moment, once it is known that it can: a custodian may be asked first.

    Raises:
        NoSigningKey, UnknownRing, UnknownAlgorithm, MissingMasterSecret, SealBroken: as `sign_jwt`.
        CustodianUnreachable, CustodianRefused, CustodianNotConfigured: as `sign_jwt`.
    """
    return signer.proven_key(_ring(realm, purpose, algorithm), now).kid


def tagging_kid(*, realm: Realm, expires_at: datetime, at: datetime) -> str:
    """The kid of the key that tags handles at a moment.

    Arguments:
        realm: whose handle it is.
        expires_at: when the handle ends at the latest.
        at: the moment of tagging; the moment of a past rotation gives the key of then.

    Raises:
        LifetimeTooLong: the handle would outlive the key.
        NoSigningKey, UnknownRing, MissingMasterSecret, SealBroken: as `sign_jwt`.
    """
    key, _ = signer.signing_key(_mac_ring(realm), at)
    check_lifetime(key, expires_at=expires_at, now=at)
    return key.kid


def mac(message: bytes, *, realm: Realm, kid: str, now: datetime) -> bytes:
    """The HMAC-SHA256 of a message under a key of the realm's mac ring: 32 bytes.

    Raises:
        KeysError: the kid names no trusted key of the ring, or the message is one that keys are derived from.
        NoSigningKey, UnknownRing, MissingMasterSecret, SealBroken: as `sign_jwt`.
    """
    if message.startswith(_DERIVATION):
        raise KeysError("A tag over this message would be a derived key.")
    tag = signer.tag(_mac_ring(realm), kid, message, now)
    if tag is None:
        raise KeysError(f"The mac ring has no trusted key {kid!r}.")
    return tag


def check_mac(message: bytes, tag: bytes, *, realm: Realm, kid: str, now: datetime) -> bool:
    """Whether a tag is the one that `mac` makes; compared in constant time, without a query.

    Returns:
        False also where the kid names no key, or one that is compromised or past its time, and where the
        message is one that keys are derived from.

    Raises:
        NoSigningKey, UnknownRing, MissingMasterSecret, SealBroken: as `sign_jwt`.
    """
    expected = signer.tag(_mac_ring(realm), kid, message, now)
    named = not message.startswith(_DERIVATION)
    return named and expected is not None and hmac.compare_digest(expected, tag)


def derived_key(context: bytes, *, realm: Realm, kid: str, now: datetime) -> bytes | None:
    """A key of 32 bytes for one purpose and one use, from a key of the realm's mac ring (RFC 5869 §2.3).

    No message has it for its tag, so neither `mac` nor a handle gives it away.

    Arguments:
        context: what the key is for, and what makes it this one; another context gives another key.
        kid: which key of the ring; `tagging_kid` chooses it.

    Returns:
        None where the kid names no key, or one that is compromised or past its time.

    Raises:
        NoSigningKey, UnknownRing, MissingMasterSecret, SealBroken: as `sign_jwt`.
    """
    return signer.tag(_mac_ring(realm), kid, _DERIVATION + context + b"\x01", now)


def _ring(realm: Realm, purpose: Purpose, algorithm: str) -> RingName:
    return RingName(realm.pk, purpose, algorithm_named(algorithm).name)


def _mac_ring(realm: Realm) -> RingName:
    return RingName(realm.pk, Purpose.MAC, MAC_ALGORITHM)


def seal(plaintext: bytes, *, column: SealedColumn, row: str) -> bytes:
    """Seal a value for one row and column; register the column with `keys.hooks`, so that a rewrap reaches it.

    Arguments:
        plaintext: what is to be hidden.
        column: where it will live.
        row: the row's primary key as text; it has to be known beforehand.
    """
    return sealing.seal(plaintext, context=column.context(row), custodian=custodian_named("local"))


def unseal(blob: bytes, *, column: SealedColumn, row: str) -> bytes:
    """Open a value that `seal` made, in its place.

    Raises:
        MissingMasterSecret, SealBroken: what sealed it is not at hand, or it was altered or moved.
    """
    return sealing.unseal(blob, context=column.context(row), custodian=custodian_named("local"))
