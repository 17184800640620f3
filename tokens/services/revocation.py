"""Ending grants before their time, and removing those that ended long ago (RFC 7009 §2)."""

from datetime import datetime, timedelta

from django.db import transaction

from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm
from tokens.models import Grant
from tokens.services.purging import delete_in_batches
from tokens.vocabulary import RevocationReason

# For as long an operator can see in the admin why a grant ended.
_KEPT_AFTER_THE_END = timedelta(days=7)
_EVENTS = {
    RevocationReason.LOGOUT: EventName.GRANT_ENDED,
    RevocationReason.REVOKED: EventName.GRANT_ENDED,
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


def purge_dead_grants(now: datetime) -> int:
    """Delete grants that ended a week ago, in small batches, so that no lock lasts.

    Arguments:
        now: aware.

    Returns:
        How many were deleted.
    """
    return delete_in_batches(_PURGE, before=now - _KEPT_AFTER_THE_END)
