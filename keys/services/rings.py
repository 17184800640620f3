"""Adding rings and changing their policy."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from audit.services import record
from audit.vocabulary import EventName
from keys.algorithms import Custody, Purpose, algorithm_named, choose_bits
from keys.conf import default_policy, periods
from keys.custodians import custodian_named
from keys.errors import CustodyRefused, RetirementRefused, RingExists, UnknownAlgorithm
from keys.models import KeyRing
from keys.policy import KeyPolicy, validated
from keys.selectors import policy_of
from keys.services.applying import lock_ring
from keys.services.moving import custody_fault
from realms.models import Realm
from realms.spans import in_words


def add_ring(
    *,
    realm: Realm,
    algorithm: str,
    actor: str,
    now: datetime,
    purpose: Purpose = Purpose.SIGN,
    bits: int | None = None,
    policy: KeyPolicy | None = None,
    custodian: str = "local",
    custody: Custody = Custody.ENVELOPE,
) -> KeyRing:
    """Add a ring without keys; the next rotation makes them.

    Arguments:
        realm: whose ring it is.
        algorithm: an `alg` value, or an alias of one.
        actor: who asks, an opaque id.
        now: aware time of the change.
        purpose: what its keys are for.
        bits: length of an RSA modulus; the default of the algorithm if left out.
        policy: how its keys rotate; that of the settings if left out.
        custodian: who looks after its private halves.
        custody: whether the custodian wraps them, or keeps them and signs; prove that it can before.

    Raises:
        UnknownAlgorithm: no such algorithm, length, or not for this purpose.
        UnavailableAlgorithm: the installed cryptography lacks it; no ring was added.
        UnknownCustodian, CustodyRefused, WeakPolicy: as said in the message.
        RingExists: the realm has this ring already.
        RetirementRefused: it has the ring, and it is retired.
    """
    row = algorithm_named(algorithm)
    if purpose not in row.purposes:
        raise UnknownAlgorithm(f"{row.name} is no algorithm for a ring with the purpose {purpose}.")
    length = choose_bits(row, bits)
    if not row.bits:
        row.generate(None)  # cheap for all of these, and the only proof that this machine can do it
    custodian_named(custodian)
    if fault := custody_fault(custodian=custodian, custody=custody, purpose=purpose, algorithm=row.name):
        raise CustodyRefused(fault)
    rules = validated(policy or default_policy(purpose), periods())
    try:
        with transaction.atomic():
            ring = KeyRing.objects.create(
                realm=realm, purpose=purpose, algorithm=row.name, bits=length, custodian=custodian,
                custody=custody, created_at=now, **_columns(rules),
            )  # fmt: skip
            record(EventName.RING_CREATED, realm=realm.slug, actor=actor, target=str(ring), now=now)
    except IntegrityError as error:
        _refuse_retired(realm, purpose, row.name, length)
        raise RingExists(f"The realm {realm.slug!r} has a ring for {purpose} with {row.name} already.") from error
    return ring


def _refuse_retired(realm: Realm, purpose: Purpose, algorithm: str, bits: int | None) -> None:
    ring = KeyRing.objects.filter(realm=realm, purpose=purpose, algorithm=algorithm, bits=bits).first()
    if ring is not None and ring.retired_at is not None:
        raise RetirementRefused(
            f"The realm {realm.slug!r} has the ring {ring}, but it is retired: revive it with add_ring --revive."
        )


def change_policy(ring: KeyRing, *, policy: KeyPolicy, actor: str, now: datetime) -> KeyRing:
    """Give a ring another policy; the next rotation follows it, and no token that is out breaks.

    Raises:
        WeakPolicy: it would break the invariant.
        RingBusy: the ring's row could not be locked in time.
    """
    validated(policy, periods())
    with transaction.atomic():
        locked = lock_ring(ring.pk)
        before, after = _columns(policy_of(locked)), _columns(policy)
        KeyRing.objects.filter(pk=locked.pk).update(**after)
        changed = {
            name: f"{in_words(before[name])} → {in_words(after[name])}" for name in after if before[name] != after[name]
        }
        if changed:
            record(
                EventName.RING_POLICY_CHANGED,
                realm=locked.realm.slug,
                actor=actor,
                target=str(locked),
                now=now,
                details=changed,
            )
    locked.refresh_from_db()
    return locked


def _columns(policy: KeyPolicy) -> dict[str, timedelta]:
    return {
        "rotation_period": policy.rotation_period,
        "propagation": policy.propagation,
        "max_token_lifetime": policy.max_token_lifetime,
        "clock_skew": policy.clock_skew,
        "verifier_leeway": policy.verifier_leeway,
        "patience": policy.patience,
    }
