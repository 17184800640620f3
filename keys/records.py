"""What was signed long ago: held against the key's row, whether its public half is still published or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keys import compact, jose
from keys.errors import TokenRefused
from keys.jwk import to_public_key
from keys.models import KeyPair
from realms.models import Realm


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """The claims of a record whose signature is good.

    Attributes:
        claims: what it says.
        kid: whose signature it is.
        compromised_at: when that key was declared compromised; such a signature vouches for nothing any more.
    """

    claims: Mapping[str, Any]
    kid: str
    compromised_at: datetime | None


def verify_record(token: str, *, realm: Realm, typ: str, now: datetime) -> SignedRecord:
    """Verify something that a realm signed to be kept, and that no service accepts as a token.

    Arguments:
        token: the compact JWS.
        realm: whose keys sign it.
        typ: the kind of record; never one of a token.
        now: the moment, aware.

    Raises:
        TokenRefused: it is malformed, of another kind or issuer, from the future, or not signed by a key that the
            realm has or had.
    """
    parsed = compact.parse(token)
    if parsed.typ != typ:
        raise TokenRefused(f"The record is of the kind {parsed.typ[:32]!r}, and {typ!r} is expected.")
    key = KeyPair.objects.filter(realm=realm, kid=parsed.kid).select_related("ring").first()
    if key is None or key.public_jwk is None:
        raise TokenRefused(f"The realm never had a key {parsed.kid[:64]!r}.")
    jose.verify_signature(parsed, key=to_public_key(key.public_jwk), algorithm=key.ring.algorithm)
    compact.check_claims(
        parsed.claims, issuer=realm.issuer, audience=None, now=now, skew=key.ring.clock_skew, expired_ok=True
    )
    return SignedRecord(parsed.claims, key.kid, key.compromised_at)
