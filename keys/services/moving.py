"""Moving a ring to another custodian, or to another custody: new keys are made there, and nothing else changes.

The keys that are there stay where they are, and take over and go as their timetables say. So a move is over
when the last key of the former custodian stops signing, and no verifier notices it.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit.services import record
from audit.vocabulary import EventName
from keys.algorithms import Custody, Purpose
from keys.custodians import Custodian, custodian_named
from keys.errors import CustodianRefused, CustodyRefused, KeysError, SealBroken
from keys.jose import is_signature
from keys.models import KeyPair, KeyRing
from keys.planning import succession
from keys.selectors import facts_of, policy_of
from keys.services.applying import lock_ring

_PROBE, _ELSEWHERE = b"signet: is anybody there?", b"signet: is anybody elsewhere?"


@dataclass(frozen=True, slots=True)
class Move:
    """What a move means.

    Attributes:
        changed: whether the ring is another's now than before.
        complete_at: from here on a key of the new custodian signs; None while no key of the ring may sign.
    """

    changed: bool
    complete_at: datetime | None


def custody_fault(*, custodian: str, custody: Custody, purpose: Purpose, algorithm: str) -> str | None:
    """Why the keys of a ring can't be kept so, in one sentence, or None where they can.

    Arguments:
        custodian: its name.
        custody: sealed here, or kept there.
        purpose, algorithm: the ring's.
    """
    try:
        found = custodian_named(custodian)
    except KeysError as error:
        return str(error)
    if custody is Custody.ENVELOPE:
        return None
    if purpose is Purpose.MAC:
        return "Tags are made here with every request, so a mac ring is never remote: choose the custody envelope."
    if algorithm not in found.remote_algorithms:
        signs = ", ".join(sorted(found.remote_algorithms))
        what = f"signs {signs} and not {algorithm}" if signs else "signs nothing itself"
        return f"The custodian {custodian!r} {what}: choose the custody envelope, or another custodian."
    return None


def prove_custody(*, custodian: str, custody: Custody, algorithm: str, bits: int | None) -> None:
    """Have a custodian do once what it will be asked for; what it makes is destroyed again. Takes seconds.

    Raises:
        CustodianNotConfigured, CustodianUnreachable, CustodianRefused, UnavailableAlgorithm: it can't.
        MalformedSecrets: the local one has no master secret.
    """
    found = custodian_named(custodian)
    if custody is Custody.REMOTE:
        _prove_that_it_signs(found, algorithm, bits)
        return
    data_key = bytes(32)
    wrapped = found.wrap(data_key, purpose="probe", bound=_PROBE)
    if found.unwrap(wrapped, secret_id=found.wrapping_id(), purpose="probe", bound=_PROBE) != data_key:
        raise CustodianRefused(f"The custodian {custodian!r} doesn't unwrap what it has wrapped.")
    with suppress(SealBroken):
        found.unwrap(wrapped, secret_id=found.wrapping_id(), purpose="probe", bound=_ELSEWHERE)
        raise CustodianRefused(f"The custodian {custodian!r} unwraps what is bound to another place: is it too old?")


def _prove_that_it_signs(custodian: Custodian, algorithm: str, bits: int | None) -> None:
    made = custodian.make_key(algorithm=algorithm, bits=bits)
    try:
        signature = custodian.sign(_PROBE, reference=made.reference, algorithm=algorithm)
    finally:
        custodian.destroy(made.reference)
    if not is_signature(signature, message=_PROBE, key=made.public_key, algorithm=algorithm):
        raise CustodianRefused(f"The custodian {custodian.name!r} makes signatures that don't verify.")


def move_ring(ring: KeyRing, *, custodian: str, custody: Custody, actor: str, now: datetime, reason: str = "") -> Move:
    """Have a ring's new keys made by another custodian. Prove that it can before, outside of any transaction.

    Arguments:
        ring: the ring.
        custodian: the name of who looks after the keys to come.
        custody: whether they are sealed here or stay there.
        actor: who asks, an opaque id.
        now: aware time of the change.
        reason: an operator's words, for the audit.

    Raises:
        CustodyRefused: the custodian can't keep such keys, or there is none of this name.
        RingBusy: the ring's row could not be locked in time.
    """
    fault = custody_fault(custodian=custodian, custody=custody, purpose=Purpose(ring.purpose), algorithm=ring.algorithm)
    if fault:
        raise CustodyRefused(fault)
    with transaction.atomic():
        locked = lock_ring(ring.pk)
        before, after = (locked.custodian, str(locked.custody)), (custodian, str(custody))
        if before != after:
            KeyRing.objects.filter(pk=locked.pk).update(custodian=custodian, custody=custody)
            record(
                EventName.RING_MOVED,
                realm=locked.realm.slug,
                actor=actor,
                target=str(locked),
                now=now,
                reason=reason,
                details={"custodian": " → ".join((" ".join(before), " ".join(after)))},
            )
        locked.refresh_from_db()
        return Move(before != after, move_complete_at(locked, now))


def move_complete_at(ring: KeyRing, now: datetime) -> datetime | None:
    """From when on a key of the ring's present custodian signs, as its timetable and policy say now.

    Arguments:
        ring: the ring.
        now: aware.

    Returns:
        `now` or earlier where it does already; None while no key of the ring may sign.
    """
    keys = {key.kid: key for key in KeyPair.objects.filter(ring_id=ring.pk).select_related("ring")}
    found = succession([facts_of(key) for key in keys.values()], now)
    if found.signer is None:
        return None
    signer, policy = keys[found.signer.kid], policy_of(ring)
    if _is_where_it_shall_be(signer, ring):
        return signer.activates_at
    if found.standby is None:
        return max(signer.activates_at + policy.rotation_period, now + policy.propagation)
    standby = keys[found.standby.kid]
    if _is_where_it_shall_be(standby, ring):
        return standby.activates_at
    return standby.activates_at + policy.rotation_period


def _is_where_it_shall_be(key: KeyPair, ring: KeyRing) -> bool:
    remote = key.custodian_reference != ""
    return key.custodian == ring.custodian and remote is (ring.custody == Custody.REMOTE)
