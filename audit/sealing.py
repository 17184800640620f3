"""Sealing security events into the hash chain, batch by batch; safe at any time and from any machine."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import connection, transaction

from audit.chain import FIRST, digest_of, head_of
from audit.models import Event, Seal, SealedEvent

logger = logging.getLogger("signet.audit")

BATCH = 1_000
LOOK_BACK = 100_000
"""How many ids behind the youngest sealed event a run of the housekeeping looks for late ones."""

COLUMNS = tuple(field.attname for field in Event._meta.concrete_fields)
_PATIENCE = "10s"  # a run that another one holds up fails and says so; the next one seals
_LOCK = 0x5369676E_6574  # a number of our own among PostgreSQL's advisory locks
# A transaction that began before may still write an event with a smaller id. Such ones come into a later batch in
# any case; that nothing younger than the oldest running transaction is sealed keeps the order in which they came.
_SETTLED = "age(e.xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid)"
_UNSEALED = """
SELECT e.id FROM audit_event e
 WHERE e.id > %s AND {settled}
   AND NOT EXISTS (SELECT 1 FROM audit_sealedevent s WHERE s.event = e.id)
 ORDER BY e.id LIMIT %s
"""


def seal_events(*, now: datetime, look_back: int | None = LOOK_BACK) -> int:
    """Seal what is not sealed yet; each batch is a transaction of its own.

    Arguments:
        now: aware time of the seals.
        look_back: how many ids before the youngest sealed event may still be unsealed; None looks at all there are.

    Returns:
        How many events were sealed.
    """
    total, after = 0, _look_from(look_back)
    while sealed := _seal_batch(now, after):
        # What turns up behind a batch meanwhile is for the next run: no batch goes over all those before it again.
        total, after = total + len(sealed), sealed[-1]
    return total


def waiting_since() -> datetime | None:
    """Since when the oldest event waits that came after those that are sealed; None where none does."""
    return Event.objects.filter(pk__gt=_youngest_sealed()).order_by("pk").values_list("occurred_at", flat=True).first()


def sign_heads(sign: Callable[[Seal], str]) -> int:
    """Have the heads signed that have no signature yet; outside of any lock, since a signature may come from afar.

    Arguments:
        sign: makes the token of a seal; what it raises leaves the seals from there on for the next run.

    Returns:
        How many were signed.
    """
    signed = 0
    for seal in Seal.objects.filter(token="").order_by("number"):
        signed += Seal.objects.filter(pk=seal.pk, token="").update(token=sign(seal))
    return signed


def _seal_batch(now: datetime, after: int) -> Sequence[int]:
    """Seal the next events behind an id; which ones these were."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_PATIENCE])
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])  # ends with the transaction
        last = Seal.objects.order_by("-number").first()
        events = list(Event.objects.filter(pk__in=_unsealed(after)).order_by("pk").values(*COLUMNS))
        if not events:
            return ()
        number, previous = (last.number + 1, bytes(last.head)) if last else (1, FIRST)
        digests = [digest_of(event) for event in events]
        head = head_of(number=number, previous=previous, sealed_at=now, digests=digests)
        seal = Seal.objects.create(number=number, previous=previous, head=head, sealed_at=now)
        SealedEvent.objects.bulk_create(
            SealedEvent(event=event["id"], seal=seal, position=position, digest=digest)
            for position, (event, digest) in enumerate(zip(events, digests, strict=True))
        )
    logger.info("audit.sealed number=%s events=%s head=%s", number, len(events), head.hex())
    return [event["id"] for event in events]


def _look_from(look_back: int | None) -> int:
    """Behind which id there may be events that aren't sealed."""
    if look_back is None:
        return -1
    return _youngest_sealed() - look_back


def _youngest_sealed() -> int:
    return SealedEvent.objects.order_by("-event").values_list("event", flat=True).first() or 0


def _unsealed(after: int) -> Sequence[int]:
    with connection.cursor() as cursor:
        cursor.execute(_UNSEALED.format(settled=_SETTLED), [after, BATCH])
        return [row[0] for row in cursor.fetchall()]
