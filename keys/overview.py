"""How rings stand, for the pages of the admin: rows in, words and moments out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keys.algorithms import PUBLISHED_PURPOSES, Purpose
from keys.conf import periods
from keys.due import Due, RingFacts, dues, overdue
from keys.evidence import Propagation, propagation
from keys.models import KeyPair, KeyRing
from keys.planning import KeyFacts, succession
from keys.policy import KeyPolicy, faults
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
        waits: whether the takeover stands later than it regularly would, until all fetchers hold the standby.
        warnings: why an operator should look at it; empty where all is well.
        held: who holds the standby, where that was looked up and verifiers fetch it at all.
    """

    ring: KeyRing
    signer: KeyPair | None
    age: timedelta | None
    standby: KeyPair | None
    takeover_at: datetime | None
    elapsed: int
    waits: bool
    warnings: tuple[str, ...]
    held: Propagation | None = None


def all_rings(now: datetime) -> list[RingOverview]:
    """Every ring of the installation, realm by realm, in five queries.

    Arguments:
        now: the moment to look at, aware.
    """
    found = sorted(rings(), key=lambda ring: (ring.realm.slug, _ORDER.index(Purpose(ring.purpose))))
    keys = keys_by_ring(found)
    return with_evidence([overview(ring, keys[ring.pk], now) for ring in found], now)


def overviews(some: Sequence[KeyRing], keys: Sequence[KeyPair], now: datetime) -> list[RingOverview]:
    """How some rings stand.

    Arguments:
        keys: all keys of these rings.
        now: the moment to look at, aware.
    """
    return [overview(ring, [key for key in keys if key.ring_id == ring.pk], now) for ring in some]


def with_evidence(some: Sequence[RingOverview], now: datetime) -> list[RingOverview]:
    """The same, with who holds the standby of each ring whose keys are published; three queries for all.

    Arguments:
        now: the moment to look at, aware.
    """
    waiting = [each.standby for each in some if each.standby and each.ring.purpose in PUBLISHED_PURPOSES]
    found = propagation(waiting, now)
    return [replace(each, held=found.get(each.standby.pk)) if each.standby else each for each in some]


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
    late = [due.sentence() for due in overdue(waits_for(ring, facts, now), now)]
    return RingOverview(
        ring=ring,
        signer=signer,
        age=now - signer.activates_at if signer else None,
        standby=standby,
        takeover_at=standby.activates_at if standby else None,
        elapsed=_elapsed(signer, standby, now),
        waits=bool(policy.patience and standby and standby.activates_at > _regular(signer, standby, policy)),
        warnings=(*late, *faults(policy, around)),
    )


def waits_for(ring: KeyRing, facts: Sequence[KeyFacts], now: datetime) -> tuple[Due, ...]:
    """Every step that a ring waits for, the nearest first.

    Arguments:
        facts: of all keys of the ring.
        now: the moment to look at, aware.
    """
    known = RingFacts(
        purpose=Purpose(ring.purpose),
        policy=policy_of(ring),
        made_at=ring.created_at,
        looked_after_at=ring.looked_after_at,
        retired=ring.retired_at is not None,
    )
    return dues(known, facts, around=periods(), now=now)


def what_is_overdue(now: datetime) -> dict[KeyRing, tuple[Due, ...]]:
    """The rings with a step that is overdue, and which steps; in two queries.

    Arguments:
        now: the moment to look at, aware.
    """
    found = list(rings())
    keys = keys_by_ring(found)
    late = {ring: overdue(waits_for(ring, [facts_of(key) for key in keys[ring.pk]], now), now) for ring in found}
    return {ring: steps for ring, steps in late.items() if steps}


def _regular(signer: KeyPair | None, standby: KeyPair, policy: KeyPolicy) -> datetime:
    """When the standby takes over without patience."""
    propagated = standby.published_at + policy.propagation
    return max(signer.activates_at + policy.rotation_period, propagated) if signer else propagated


def _elapsed(signer: KeyPair | None, standby: KeyPair | None, now: datetime) -> int:
    if signer is None or standby is None:
        return 0
    share = (now - signer.activates_at) / (standby.activates_at - signer.activates_at)
    return round(100 * min(max(share, 0.0), 1.0))
