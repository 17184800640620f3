"""The end of a ring, and its return: a rotation to another algorithm is over when nothing signs with the old one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit.services import record
from audit.vocabulary import EventName
from keys import hooks
from keys.algorithms import Purpose
from keys.conf import periods
from keys.errors import RetirementRefused
from keys.models import KeyRing
from keys.planning import plan_rotation
from keys.selectors import database_clock, facts_of, keys_of, policy_of, rings, signing_rings
from keys.services.applying import apply_steps, lock_ring
from keys.services.rotation import Clock
from keys.steps import Step
from keys.timetable import KeyState, state_at
from realms.models import Realm


@dataclass(frozen=True, slots=True)
class RetiredRing:
    """What a retirement did to a ring: the steps, each with the kid that it concerned."""

    ring: KeyRing
    steps: Sequence[tuple[Step, str]]


def retire_rings(
    *, realm: Realm, algorithm: str, actor: str, reason: str = "", clock: Clock = database_clock
) -> Sequence[RetiredRing]:
    """Bring a realm's rings that sign with an algorithm to their end: nothing new is signed with it.

    The keys that sign stop as soon as no worker's memory is older; they stay published until all that they signed
    has expired. Those that wait are withdrawn. No key is made for these rings until they are revived.

    Arguments:
        realm: whose rings.
        algorithm: the `alg`; a ring of each length goes.
        actor: who asks, an opaque id.
        reason: an operator's words, for the audit.
        clock: the database's clock.

    Returns:
        The rings that were retired by this call, with what was done to each; none where all were retired before.

    Raises:
        UnknownRing: the realm has no ring that signs with it.
        RetirementRefused: something needs it; the message says what.
        RingBusy: a ring's row could not be locked in time.
    """
    with transaction.atomic():
        named = [ring.pk for ring in signing_rings(realm, algorithm)]
        # Whoever registers a client holds these rows too (`hold_rings`): none comes to use them meanwhile.
        locked = [lock_ring(ring) for ring in sorted(named)]
        moment = clock()
        if refused := _needed(realm, algorithm):
            raise RetirementRefused(" ".join(refused))
        return [_retire(ring, moment, actor=actor, reason=reason) for ring in locked if ring.retired_at is None]


def check_retirement(*, realm: Realm, algorithm: str) -> None:
    """Whether `retire_rings` would be refused now; changes nothing.

    Raises:
        UnknownRing, RetirementRefused: as `retire_rings`.
    """
    signing_rings(realm, algorithm)
    if refused := _needed(realm, algorithm):
        raise RetirementRefused(" ".join(refused))


def revive_ring(ring: KeyRing, *, actor: str, reason: str = "", clock: Clock = database_clock) -> KeyRing:
    """Take a retirement back: the next rotation makes new keys. Those that the ring had stay at rest.

    Arguments:
        ring: the ring.
        actor: who asks, an opaque id.
        reason: an operator's words, for the audit.
        clock: the database's clock.

    Raises:
        RetirementRefused: the ring isn't retired, or its last key still signs.
        RingBusy: the ring's row could not be locked in time.
    """
    with transaction.atomic():
        locked, moment = lock_ring(ring.pk), clock()
        if locked.retired_at is None:
            raise RetirementRefused(f"The ring {locked} is not retired.")
        facts = [facts_of(key) for key in keys_of(locked.pk)]
        ends = [
            fact.times.deactivates_at
            for fact in facts
            if fact.times.deactivates_at is not None and state_at(fact.times, moment) is KeyState.ACTIVE
        ]
        if ends:
            raise RetirementRefused(
                f"The last key of the ring {locked} signs until {max(ends):%Y-%m-%d %H:%M:%S} UTC: revive it then."
            )
        locked.retired_at = None
        locked.save(update_fields=["retired_at"])
        record(
            EventName.RING_REVIVED,
            realm=locked.realm.slug,
            actor=actor,
            target=str(locked),
            now=moment,
            reason=reason,
        )
    return locked


def _needed(realm: Realm, algorithm: str) -> list[str]:
    """Why a realm can't do without an algorithm, a sentence each."""
    others = [
        ring
        for ring in rings(realm=realm.slug)
        if ring.purpose == Purpose.SIGN and ring.algorithm != algorithm and ring.retired_at is None
    ]
    alone = [] if others else [f"The realm {realm.slug} has no other ring that signs."]
    return [*alone, *hooks.uses_of_algorithm(realm, algorithm)]


def _retire(ring: KeyRing, moment: datetime, *, actor: str, reason: str) -> RetiredRing:
    ring.retired_at = moment
    ring.save(update_fields=["retired_at"])
    record(EventName.RING_RETIRED, realm=ring.realm.slug, actor=actor, target=str(ring), now=moment, reason=reason)
    steps = plan_rotation(
        [facts_of(key) for key in keys_of(ring.pk)],
        purpose=Purpose(ring.purpose),
        policy=policy_of(ring),
        around=periods(),
        now=moment,
        retired=True,
    )
    return RetiredRing(ring, apply_steps(ring, steps, materials=(), now=moment, actor=actor, reason=reason))
