"""Rotating a ring: plan, make keys outside the lock, lock, plan again by the database's clock, apply."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from keys.algorithms import PUBLISHED_PURPOSES, Purpose
from keys.conf import periods
from keys.errors import HostClockOff
from keys.evidence import nobody_lacks
from keys.models import KeyPair, KeyRing
from keys.planning import KeyFacts, plan_rotation, succession
from keys.policy import KeyPolicy, validated
from keys.selectors import database_clock, facts_of, policy_of
from keys.services.applying import apply_steps, lock_ring
from keys.services.burial import bury, preview_burial
from keys.services.destruction import destroy_kept
from keys.services.minting import Material, discard, make_material, prove_master_secret
from keys.services.transitions import note_transitions
from keys.steps import Mint, SetStart, Step

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class NextTakeover:
    """What a ring waits for."""

    kid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RotationReport:
    """What a rotation did to a ring, or would do, and what comes next."""

    steps: Sequence[tuple[Step, str]]
    next_takeover: NextTakeover | None


def rotate(
    ring: KeyRing,
    *,
    now: datetime,
    actor: str,
    force: bool = False,
    reason: str = "",
    clock: Clock = database_clock,
) -> RotationReport:
    """Do what a ring's timetable asks for. Safe at any time, any number of times, from any machine.

    Arguments:
        ring: the ring.
        now: this machine's time, aware; only compared with the database's.
        actor: who asks, an opaque id.
        force: bring the next takeover as near as is safe.
        reason: an operator's words, for the audit.
        clock: the database's clock.

    Returns:
        The steps that were applied, and what comes next.

    Raises:
        DeadKeysUnreadable: the file of dead keys can't be read; nothing was changed.
        HostClockOff: this machine's clock is off by more than the ring's skew.
        MissingMasterSecret, SealBroken: stored keys can't be unsealed; nothing was minted over them.
        RingBusy: the ring's row could not be locked in time.
        WeakPolicy: the ring's policy would break the invariant.
        CustodianUnreachable, CustodianRefused, CustodianNotConfigured: no key can be made; nothing was minted.
    """
    policy = validated(policy_of(ring), periods())
    moment = clock()
    _compare_clocks(now, moment, policy)
    buried = bury(ring, moment=moment, actor=actor)
    materials: list[Material] = []
    try:
        while True:
            steps = _plan(ring, policy, moment, force=force)
            _supply(ring, steps, materials, moment)
            with transaction.atomic():
                ring = lock_ring(ring.pk)
                policy, moment = validated(policy_of(ring), periods()), clock()
                steps = _plan(ring, policy, moment, force=force)
                suitable = [material for material in materials if material.suits(ring)]
                if _mints(steps) <= len(suitable):
                    done = apply_steps(ring, steps, materials=suitable, now=moment, actor=actor, reason=reason)
                    note_transitions(ring, now=moment)
                    KeyRing.objects.filter(pk=ring.pk).update(looked_after_at=moment)
                    return RotationReport([*buried, *done], next_takeover(ring.pk, moment))
    finally:
        discard(ring, materials)
        destroy_kept(ring.pk, now=moment)


def preview(ring: KeyRing, *, now: datetime, force: bool = False, clock: Clock = database_clock) -> RotationReport:
    """What `rotate` would do at this moment; changes nothing, and needs no master secret.

    Raises:
        DeadKeysUnreadable, HostClockOff, WeakPolicy: as `rotate`.
    """
    policy = validated(policy_of(ring), periods())
    moment = clock()
    _compare_clocks(now, moment, policy)
    buried = preview_burial(ring, moment=moment)
    steps = _plan(ring, policy, moment, force=force)
    planned = [*buried, *((step, getattr(step, "kid", "")) for step in steps)]
    moved = {step.kid: step.activates_at for step in steps if isinstance(step, SetStart)}
    coming = next_takeover(ring.pk, moment)
    if coming is not None and coming.kid in moved:
        coming = NextTakeover(coming.kid, moved[coming.kid])
    return RotationReport(planned, coming)


def next_takeover(ring_id: int, now: datetime) -> NextTakeover | None:
    """Who takes over next, and when; None while there is no standby."""
    standby = succession([facts_of(key) for key in _keys(ring_id)], now).standby
    return NextTakeover(standby.kid, standby.times.activates_at) if standby else None


def _keys(ring_id: int) -> list[KeyPair]:
    return list(KeyPair.objects.filter(ring_id=ring_id).select_related("ring").order_by("activates_at"))


def _plan(ring: KeyRing, policy: KeyPolicy, moment: datetime, *, force: bool) -> tuple[Step, ...]:
    facts = [facts_of(key) for key in _keys(ring.pk)]
    return plan_rotation(
        facts,
        purpose=Purpose(ring.purpose),
        policy=policy,
        around=periods(),
        now=moment,
        force=force,
        held=_held(ring, policy, facts, moment),
        retired=ring.retired_at is not None,
    )


def _held(ring: KeyRing, policy: KeyPolicy, facts: Sequence[KeyFacts], moment: datetime) -> bool:
    """Whether there is nobody to wait for. Where nobody is known to fetch, the timetable alone decides."""
    if not policy.patience or ring.purpose not in PUBLISHED_PURPOSES:
        return True
    standby = succession(facts, moment).standby
    return nobody_lacks(standby.kid if standby else None, realm_id=ring.realm_id, now=moment)


def _mints(steps: Sequence[Step]) -> int:
    return sum(isinstance(step, Mint) for step in steps)


def _supply(ring: KeyRing, steps: Sequence[Step], materials: list[Material], moment: datetime) -> None:
    """Make the keys that a plan lacks, once the stored ones are known to open."""
    missing = _mints(steps) - sum(material.suits(ring) for material in materials)
    if missing > 0:
        prove_master_secret([key for key in _keys(ring.pk) if _concerns(key, ring, moment)])
        for _ in range(missing):
            materials.append(make_material(ring))  # noqa: PERF401  (one that was made is known even if the next isn't)


def _concerns(key: KeyPair, ring: KeyRing, moment: datetime) -> bool:
    """Whether a key has to be usable: a former custodian may be gone once its last key signs no more."""
    return key.custodian == ring.custodian or key.deactivates_at is None or key.deactivates_at > moment


def _compare_clocks(host: datetime, database: datetime, policy: KeyPolicy) -> None:
    if abs(host - database) > policy.clock_skew:
        raise HostClockOff(
            f"This machine's clock says {host:%Y-%m-%d %H:%M:%S} and the database's {database:%Y-%m-%d %H:%M:%S} "
            f"UTC, more than {policy.clock_skew} apart: set the clock (NTP), then run rotate_keys again."
        )
