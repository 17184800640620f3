"""The audit's hash chain, its heads signed by the default realm's key: the audit knows no keys, and keys no audit."""

from datetime import datetime, timedelta

from audit.models import Seal
from audit.sealing import LOOK_BACK, seal_events, sign_heads, waiting_since
from audit.verification import Findings, verify_chain
from keys import api
from keys.errors import TokenRefused
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG, realm_by_slug

PATIENCE = timedelta(days=1)  # every hour's `rotate_keys` seals
TYP = "audit-seal+jwt"
_LIFETIME = timedelta(minutes=1)  # every token has an end; a record is good beyond it
_PREFERRED = "ES256"  # a realm may have retired it


def seal_audit(now: datetime, *, look_back: int | None = LOOK_BACK) -> int:
    """Seal the events that are settled, and sign the heads that have no signature yet.

    Arguments:
        now: the moment, aware.
        look_back: as in `audit.sealing.seal_events`.

    Returns:
        How many events were sealed.

    Raises:
        KeysError: no key can sign now. The events are sealed, and a later run signs.
    """
    sealed = seal_events(now=now, look_back=look_back)
    realm = realm_by_slug(DEFAULT_SLUG)
    if realm is not None:
        sign_heads(lambda seal: _sign(seal, realm, now))
    return sealed


def overdue(now: datetime) -> str:
    """Why somebody should look since nothing has been sealed for a day; "" where all is well.

    A failure of the runs, or a transaction that has been running all the time: nothing younger than it is sealed.
    """
    since = waiting_since()
    if since is None or now - since <= PATIENCE:
        return ""
    return (
        f"Security events since {since:%Y-%m-%d %H:%M} UTC are not sealed: what does seal_audit say, and is there a "
        "database transaction that has been running since then?"
    )


def verify_audit(now: datetime, *, noted: dict[int, str] | None = None) -> Findings:
    """Go over the whole chain; see `audit.verification.verify_chain`."""
    realm = realm_by_slug(DEFAULT_SLUG)
    return verify_chain(check_signature=lambda seal: _fault(seal, realm, now), noted=noted)


def _sign(seal: Seal, realm: Realm, now: datetime) -> str:
    claims = {
        "iss": realm.issuer,
        "iat": int(now.timestamp()),
        "exp": int((now + _LIFETIME).timestamp()),
        **_says(seal),
    }
    offered = api.ring_algorithms(realm)
    algorithm = _PREFERRED if _PREFERRED in offered else min(offered, default=_PREFERRED)
    return api.sign_jwt(claims, realm=realm, typ=TYP, algorithm=algorithm, now=now).token


def _says(seal: Seal) -> dict[str, object]:
    return {"number": seal.number, "head": bytes(seal.head).hex(), "previous": bytes(seal.previous).hex()}


def _fault(seal: Seal, realm: Realm | None, now: datetime) -> str:
    if not seal.token or realm is None:
        return f"Seal {seal.number} has no signature."
    try:
        record = api.verify_record(seal.token, realm=realm, typ=TYP, now=now)
    except TokenRefused as error:
        return f"The signature of seal {seal.number} doesn't hold: {error}"
    if any(record.claims.get(name) != value for name, value in _says(seal).items()):
        return f"The signature of seal {seal.number} is one over another head."
    if record.compromised_at is not None:
        return f"Seal {seal.number} is signed by the key {record.kid}, which was declared compromised."
    return ""
