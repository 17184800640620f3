"""The outbox of logouts: what has to be told is written with the end of the session itself.

Delivering is for `tokens.services.logout_delivery`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from audit.services import record_each
from audit.vocabulary import EventName
from tokens.models import LogoutDelivery
from tokens.services.courier import courier
from tokens.services.purging import delete_in_batches

_KEPT = timedelta(days=7)  # for an operator's eyes
# Of every grant of the session, whether it has ended or not: the client may have a session of its own since.
_QUEUE = """
    INSERT INTO tokens_logoutdelivery (realm_id, client_id, sid, subject, created_at, next_attempt_at, attempts,
        last_outcome)
    SELECT DISTINCT s.realm_id, c.id, s.sid, u.subject, %(now)s, %(now)s, 0, ''
    FROM accounts_session AS s
    JOIN accounts_user AS u ON u.id = s.user_id
    JOIN tokens_grant AS g ON g.session_id = s.id
    JOIN tokens_client AS c ON c.id = g.client_id
    WHERE s.id = ANY(%(sessions)s) AND c.enabled AND c.backchannel_logout_uri <> ''
    ON CONFLICT (client_id, sid) DO NOTHING
"""
_PURGE = """
    DELETE FROM tokens_logoutdelivery WHERE id IN (
        SELECT id FROM tokens_logoutdelivery
        WHERE created_at < %(before)s AND (delivered_at < %(before)s OR given_up_at < %(before)s)
        LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    )
"""


def queue_logouts(sessions: Sequence[int], now: datetime) -> None:
    """Write down whom to tell that sessions ended, in the transaction that ends them; they are told after its commit.

    Arguments:
        sessions: primary keys of the sessions.
        now: aware time of their end.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_QUEUE, {"sessions": list(sessions), "now": now})
        if cursor.rowcount:
            transaction.on_commit(courier.wake, robust=True)


def retry_logouts(deliveries: Collection[int], *, actor: str, now: datetime) -> int:
    """Have clients told once more, now, also where that was given up; the count of attempts goes on.

    Arguments:
        deliveries: primary keys of the rows.
        actor: opaque id of who asks, for the audit.
        now: aware.

    Returns:
        How many will be; those that were delivered are left alone.
    """
    with transaction.atomic():
        untold = LogoutDelivery.objects.filter(pk__in=deliveries, delivered_at__isnull=True)
        found = list(
            untold.select_for_update(of=("self",))
            .order_by("pk")
            .values_list("pk", "realm__slug", "sid", "client__client_id")
        )
        if not found:
            return 0
        LogoutDelivery.objects.filter(pk__in=[row[0] for row in found]).update(next_attempt_at=now, given_up_at=None)
        targets = [(slug, sid, {"client_id": client_id}) for _pk, slug, sid, client_id in found]
        record_each(EventName.LOGOUT_RETRIED, targets=targets, actor=actor, now=now)
        transaction.on_commit(courier.wake, robust=True)
    return len(found)


def purge_old_logouts(now: datetime) -> int:
    """Delete what was delivered or given up a week ago, in small batches.

    Returns:
        How many rows were deleted.
    """
    return delete_in_batches(_PURGE, before=now - _KEPT)
