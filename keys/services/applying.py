"""Applying a plan: one update or insert a step, and one security event beside it."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

from audit.services import record
from audit.vocabulary import EventName
from keys.errors import RingBusy
from keys.models import KeyPair, KeyRing
from keys.services.dead_keys import remember_once_committed
from keys.services.minting import Material, store
from keys.services.thumbprints import thumbprint_of, thumbprints_of
from keys.steps import Condemn, Finish, Mint, RaiseLifetime, Reopen, SetEnd, SetStart, Step, Wipe, Withdraw

LOCK_TIMEOUT = "10s"


def lock_ring(ring_id: int) -> KeyRing:
    """The ring's row and its realm; the row stays locked until the transaction ends.

    Raises:
        RingBusy: somebody else holds it for longer than the lock timeout.
    """
    with connection.cursor() as cursor:
        # True makes it local to the transaction, as PgBouncer in transaction mode wants it.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
    try:
        return KeyRing.objects.select_for_update(of=("self",)).select_related("realm").get(pk=ring_id)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise RingBusy(
                f"Another rotation has held ring {ring_id} for {LOCK_TIMEOUT}: run rotate_keys again."
            ) from error
        raise


def apply_steps(
    ring: KeyRing,
    steps: Collection[Step],
    *,
    materials: Iterable[Material],
    now: datetime,
    actor: str,
    reason: str = "",
) -> list[tuple[Step, str]]:
    """Carry out a plan in the transaction that holds the ring, and record each step.

    Arguments:
        ring: the locked ring.
        steps: the plan.
        materials: made keys, at least as many as the plan mints.
        now: the database's time.
        actor: who asked for it, an opaque id.
        reason: an operator's words.

    Returns:
        Each step with the kid that it concerned.
    """
    supply = iter(materials)
    done = []
    thumbprints = thumbprints_of(ring, {step.kid for step in steps if not isinstance(step, Mint)})
    for step in steps:
        if isinstance(step, Mint):
            key = store(ring, next(supply), step, now=now)
            kid, thumbprints[key.kid] = key.kid, thumbprint_of(key.public_jwk)
        else:
            kid = step.kid
            _update(ring, step, now)
        record(
            _event_name(step),
            realm=ring.realm.slug,
            actor=actor,
            target=kid,
            now=now,
            reason=reason,
            details=_details(ring, step) | thumbprints[kid],
        )
        done.append((step, kid))
    remember_once_committed(ring, [kid for step, kid in done if isinstance(step, Condemn | Wipe | Withdraw)])
    return done


def _update(ring: KeyRing, step: Step, now: datetime) -> None:
    rows = KeyPair.objects.filter(ring=ring, kid=getattr(step, "kid", ""))
    match step:
        case SetStart(activates_at=start):
            rows.update(activates_at=start)
        case SetEnd(deactivates_at=end, unpublishes_at=gone):
            rows.update(deactivates_at=end, unpublishes_at=gone)
        case Finish(deactivates_at=end, unpublishes_at=gone):
            rows.update(deactivates_at=end, unpublishes_at=gone, ends_ring=True)
        case Withdraw():
            rows.update(withdrawn_at=now, sealed_private=None, destroyed_at=now)
        case Reopen():
            rows.update(deactivates_at=None, unpublishes_at=None)
        case RaiseLifetime(max_lifetime=lifetime):
            rows.update(max_lifetime=lifetime)
        case Wipe():
            # A reference stays until the custodian has confirmed: keys.services.destruction.
            rows.update(sealed_private=None, destroyed_at=now)
        case Condemn():
            # The private half goes with the trust: nobody may ever use it again. It may be gone already.
            rows.filter(destroyed_at=None).update(sealed_private=None, destroyed_at=now)
            rows.update(compromised_at=now)


_EVENT_NAMES: dict[type, EventName] = {
    Mint: EventName.KEY_CREATED,
    SetStart: EventName.KEY_TAKEOVER_MOVED,
    SetEnd: EventName.KEY_END_SCHEDULED,
    Reopen: EventName.KEY_REOPENED,
    RaiseLifetime: EventName.KEY_LIFETIME_RAISED,
    Wipe: EventName.KEY_PRIVATE_WIPED,
    Condemn: EventName.KEY_COMPROMISED,
    Finish: EventName.KEY_END_SCHEDULED,
    Withdraw: EventName.KEY_WITHDRAWN,
}


def _event_name(step: Step) -> EventName:
    return _EVENT_NAMES[type(step)]


def _details(ring: KeyRing, step: Step) -> dict[str, str | int | bool | None]:
    details: dict[str, str | int | bool | None] = {"ring": str(ring)}
    match step:
        case Mint(times=times):
            details |= {"activates_at": times.activates_at.isoformat()}
        case SetStart(activates_at=start):
            details |= {"activates_at": start.isoformat()}
        case SetEnd(deactivates_at=end, unpublishes_at=gone) | Finish(deactivates_at=end, unpublishes_at=gone):
            details |= {"deactivates_at": end.isoformat(), "unpublishes_at": gone.isoformat()}
        case RaiseLifetime(max_lifetime=lifetime):
            details |= {"max_lifetime_seconds": int(lifetime.total_seconds())}
        case Reopen() | Wipe() | Condemn() | Withdraw():
            pass
    return details
