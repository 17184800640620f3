"""What rests on a device: the grants that end with it, and the devices on which nothing rests any more."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from accounts.device_cookie import LIFETIME
from tokens.models import Grant
from tokens.services.purging import delete_in_batches
from tokens.services.revocation import end_grants
from tokens.vocabulary import RevocationReason

# Nobody shows a cookie of that age. A grant that its client refreshes without the device may be younger.
_PURGE = """
    DELETE FROM accounts_device WHERE id IN (
        SELECT d.id FROM accounts_device AS d
        WHERE d.last_used_at < %(before)s
            AND NOT EXISTS (SELECT 1 FROM tokens_grant AS g WHERE g.device_id = d.id)
            AND NOT EXISTS (SELECT 1 FROM accounts_session AS s WHERE s.device_id = d.id)
        LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    )
"""


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
    """Delete devices that nobody has used for longer than a cookie lives, in small batches.

    Returns:
        How many were deleted.
    """
    return delete_in_batches(_PURGE, before=now - LIFETIME)
