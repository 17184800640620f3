"""How rings stand, for the pages of the admin: rows in, words and moments out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.algorithms import Purpose
from keys.conf import periods
from keys.models import KeyPair, KeyRing
from keys.planning import overdue, succession
from keys.policy import faults
from keys.selectors import facts_of, keys_by_ring, policy_of, rings
from keys.timetable import KeyState

STATE_WORDS = {
    KeyState.PRE_ACTIVE: "waiting",
    KeyState.ACTIVE: "signing",
    KeyState.DEACTIVATED: "verifying only",
    KeyState.ARCHIVED: "archived",
    KeyState.COMPROMISED: "compromised",
}
_ORDER = tuple(Purpose)


@dataclass(frozen=True, slots=True)
class RingOverview:
    """How a ring stands.

    Attributes:
        signer: the key that signs now, if there is one.
        age: for how long it has been signing.
        standby: the key that takes over, if it has been made.
        takeover_at: the next rotation.
        elapsed: how much of the signer's time is over, in percent.
        warnings: why an operator should look at it; empty where all is well.
    """

    ring: KeyRing
    signer: KeyPair | None
    age: timedelta | None
    standby: KeyPair | None
    takeover_at: datetime | None
    elapsed: int
    warnings: tuple[str, ...]


def all_rings(now: datetime) -> list[RingOverview]:
    """Every ring of the installation, realm by realm, in two queries.

    Arguments:
        now: the moment to look at, aware.
    """
    found = sorted(rings(), key=lambda ring: (ring.realm.slug, _ORDER.index(Purpose(ring.purpose))))
    keys = keys_by_ring(found)
    return [overview(ring, keys[ring.pk], now) for ring in found]


def overview(ring: KeyRing, keys: Sequence[KeyPair], now: datetime) -> RingOverview:
    """How one ring stands.

    Arguments:
        keys: all keys of the ring; their halves are not looked at.
        now: the moment to look at, aware.
    """
    facts, policy, around = [facts_of(key) for key in keys], policy_of(ring), periods()
    rows = {key.kid: key for key in keys}
    present = succession(facts, now)
    signer = rows[present.signer.kid] if present.signer else None
    standby = rows[present.standby.kid] if present.standby else None
    late = overdue(facts, purpose=Purpose(ring.purpose), policy=policy, around=around, now=now)
    return RingOverview(
        ring=ring,
        signer=signer,
        age=now - signer.activates_at if signer else None,
        standby=standby,
        takeover_at=standby.activates_at if standby else None,
        elapsed=_elapsed(signer, standby, now),
        warnings=tuple(warning for warning in (late, *faults(policy, around)) if warning),
    )


def _elapsed(signer: KeyPair | None, standby: KeyPair | None, now: datetime) -> int:
    if signer is None or standby is None:
        return 0
    share = (now - signer.activates_at) / (standby.activates_at - signer.activates_at)
    return round(100 * min(max(share, 0.0), 1.0))
