"""Distrusting again what the file of dead keys knows, and a restored database has forgotten."""

from datetime import datetime

from django.db import transaction

from keys.dead_keys import DeadKeys, Fate
from keys.dead_keys_file import dead_keys_for_writing
from keys.models import KeyRing
from keys.planning import plan_compromise
from keys.selectors import facts_of, keys_of
from keys.services.applying import apply_steps, lock_ring
from keys.steps import Step, Wipe
from keys.timetable import KeyState, state_at

REASON = "listed in the file of dead keys"


def bury(ring: KeyRing, *, moment: datetime, actor: str) -> list[tuple[Step, str]]:
    """Carry out what the file of dead keys says of a ring's keys; nothing where its rows say the same.

    Arguments:
        ring: the ring.
        moment: the database's time.
        actor: who asks, an opaque id.

    Returns:
        The steps, each with the kid that it concerned.

    Raises:
        DeadKeysUnreadable: the file can't be read; nothing was changed.
        RingBusy: the ring's row could not be locked in time.
    """
    dead = dead_keys_for_writing()
    if not _plan(ring, dead, moment):
        return []
    with transaction.atomic():
        locked = lock_ring(ring.pk)
        steps = _plan(locked, dead, moment)
        return apply_steps(locked, steps, materials=(), now=moment, actor=actor, reason=REASON)


def preview_burial(ring: KeyRing, *, moment: datetime) -> list[tuple[Step, str]]:
    """What `bury` would do.

    Raises:
        DeadKeysUnreadable: the file can't be read.
    """
    return [(step, getattr(step, "kid", "")) for step in _plan(ring, dead_keys_for_writing(dry_run=True), moment)]


def _plan(ring: KeyRing, dead: DeadKeys, moment: datetime) -> list[Step]:
    """A key whose private half was destroyed keeps its public one in the JWKS, unless it would still sign.

    Then its row is from before its end: nobody knows what it signed, or until when, so it is distrusted.
    """
    facts = [(facts_of(key), dead.fate_of(key.kid, key.public_jwk)) for key in keys_of(ring.pk)]
    condemned, wiped = set[str](), list[Step]()
    for key, fate in facts:
        state = state_at(key.times, moment)
        if fate is None or state is KeyState.COMPROMISED:
            continue
        if fate is Fate.COMPROMISED or state in (KeyState.ACTIVE, KeyState.PRE_ACTIVE):
            condemned.add(key.kid)
        elif key.has_private:
            wiped.append(Wipe(key.kid))
    if not condemned:
        return wiped
    retired = ring.retired_at is not None
    return [*plan_compromise([key for key, _ in facts], condemned, moment, retired=retired), *wiped]
