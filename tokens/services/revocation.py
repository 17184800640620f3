"""Ending grants before their time, and removing those that ended long ago (RFC 7009 §2)."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from audit.services import record, record_each
from audit.vocabulary import EventName
from realms.models import Realm
from tokens.models import Grant
from tokens.selectors import unended
from tokens.services.purging import delete_in_batches
from tokens.vocabulary import RevocationReason

# For as long an operator can see in the admin why a grant ended.
_KEPT_AFTER_THE_END = timedelta(days=7)
_EVENTS = {
    RevocationReason.LOGOUT: EventName.GRANT_ENDED,
    RevocationReason.REVOKED: EventName.GRANT_ENDED,
    RevocationReason.WITHDRAWN: EventName.GRANT_ENDED,
    RevocationReason.OPERATOR: EventName.GRANT_ENDED,
    RevocationReason.DEVICE_REMOVED: EventName.GRANT_ENDED,
    RevocationReason.CODE_REPLAY: EventName.GRANT_REUSE_DETECTED,
    RevocationReason.REUSE: EventName.GRANT_REUSE_DETECTED,
    RevocationReason.AHEAD_OF_DATABASE: EventName.GRANT_AHEAD_OF_DATABASE,
}
_PURGE = """
    DELETE FROM tokens_grant WHERE id IN (
        SELECT id FROM tokens_grant WHERE absolute_expires_at < %(before)s OR revoked_at < %(before)s
        LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    )
"""


def end_grant(*, grant: Grant, realm: Realm, reason: RevocationReason, actor: str, now: datetime) -> bool:
    """End a grant, and write the event, in one transaction that is over when this returns.

    Arguments:
        grant: the row.
        reason: decides the event's name.
        actor: opaque id of who did it; "" where nobody knows.
        now: aware time of the end.

    Returns:
        Whether this call ended it; of several at once exactly one does, and writes the event.
    """
    with transaction.atomic(durable=True):
        ended = Grant.objects.filter(pk=grant.pk, revoked_at=None).update(revoked_at=now, revocation_reason=reason)
        if ended:
            details = {"reason": reason.value, "client_id": grant.client.client_id}
            record(_EVENTS[reason], realm=realm.slug, actor=actor, target=str(grant.pk), now=now, details=details)
    return bool(ended)


def end_grants(
    grants: QuerySet[Grant], *, reason: RevocationReason, actor: str, now: datetime, because: str = ""
) -> int:
    """End those of several grants that have not ended, in one statement, with an event each.

    Rows are locked in one order first, so two that end the same grants wait for each other and don't block; each
    grant is ended, and told of, by one of them.

    Arguments:
        grants: which; plain filters alone, since their rows are locked.
        reason: the same for all.
        actor: opaque id of who does it.
        now: aware time of the end; grants that are over by their age are left alone.
        because: the words that an operator gave.

    Returns:
        How many ended.
    """
    with transaction.atomic():
        standing = unended(grants, now).select_for_update(of=("self",)).order_by("pk")
        found = list(standing.values_list("pk", "realm__slug", "client__client_id"))
        if not found:
            return 0
        ending = [pk for pk, _slug, _client_id in found]
        Grant.objects.filter(pk__in=ending).update(revoked_at=now, revocation_reason=reason)
        targets = [(slug, str(pk), {"reason": reason.value, "client_id": client_id}) for pk, slug, client_id in found]
        record_each(EventName.GRANT_ENDED, targets=targets, actor=actor, now=now, reason=because)
    return len(found)


def purge_dead_grants(now: datetime) -> int:
    """Delete grants that ended a week ago, in small batches, so that no lock lasts.

    Arguments:
        now: aware.

    Returns:
        How many were deleted.
    """
    return delete_in_batches(_PURGE, before=now - _KEPT_AFTER_THE_END)
