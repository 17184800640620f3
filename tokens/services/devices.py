"""What rests on a device: the grants that end with it, and the devices on which nothing rests any more."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from accounts.device_cookie import LIFETIME
from tokens.models import Grant
from tokens.services.purging import delete_in_batches
from tokens.services.revocation import end_grants
from tokens.vocabulary import RevocationReason

MOST_KEPT = 100  # of one person, those used last: who keeps no cookies has another one at each sign-in
_RESTING = """
    EXISTS (SELECT 1 FROM tokens_grant AS g WHERE g.device_id = d.id)
    OR EXISTS (SELECT 1 FROM accounts_session AS s WHERE s.device_id = d.id)
"""
# Nobody shows a cookie of that age. A grant that its client refreshes without the device may be younger.
_PURGE = f"""
    DELETE FROM accounts_device WHERE id IN (
        SELECT d.id FROM accounts_device AS d
        WHERE d.last_used_at < %(before)s AND NOT ({_RESTING})
        LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    )
"""  # noqa: S608  (the part is a constant of ours)
# A device that is used in this moment is locked, or was used within the day. Nobody gets rid of an operator's word by
# signing in often.
_PURGE_SURPLUS = f"""
    DELETE FROM accounts_device WHERE id IN (
        SELECT d.id FROM accounts_device AS d JOIN (
            SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY last_used_at DESC) AS place
            FROM accounts_device
        ) AS placed ON placed.id = d.id
        WHERE placed.place > {MOST_KEPT} AND d.last_used_at < %(before)s AND d.operator_trust IS NULL
            AND NOT ({_RESTING})
        LIMIT %(batch)s FOR UPDATE OF d SKIP LOCKED
    )
"""  # noqa: S608  (both parts are constants of ours)
_SETTLED = timedelta(days=1)


def end_grants_on(devices: Sequence[UUID], actor: str, now: datetime) -> None:
    """End the grants that began on devices, and those that were allowed in a session on one, wherever they are used.

    Call it in the transaction that removes the devices.

    Arguments:
        devices: primary keys.
        actor: opaque id of who removes them.
        now: aware time of the removal.
    """
    resting = Grant.objects.filter(Q(device__in=devices) | Q(session__device__in=devices))
    end_grants(resting, reason=RevocationReason.DEVICE_REMOVED, actor=actor, now=now)


def purge_forgotten_devices(now: datetime) -> int:
    """Delete devices that nobody has used for longer than a cookie lives, and those beyond `MOST_KEPT` of a person.

    In small batches, and none on which a session or a grant rests.

    Returns:
        How many were deleted.
    """
    forgotten = delete_in_batches(_PURGE, before=now - LIFETIME)
    return forgotten + delete_in_batches(_PURGE_SURPLUS, before=now - _SETTLED)
