"""Reading what workers wrote down: how many tokens a key signed, and who holds which JWK Set."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Sum

from keys.models import SignatureCount


def tokens_signed_since(kids: Iterable[str], moment: datetime, *, realm_id: int | None = None) -> dict[str, int]:
    """How many tokens each of some keys signed, from the hour of a moment on.

    A worker writes its counts down about once a minute, so the last minute may be missing; and a worker that was
    killed takes its last minute with it. What has expired is forgotten.

    Arguments:
        kids: of the keys.
        moment: aware; its whole hour counts.
        realm_id: of their realm; needed only where two realms adopted the same key.

    Returns:
        The count of every one of these keys, nought where nothing is known.
    """
    found = dict.fromkeys(kids, 0)
    rows = SignatureCount.objects.filter(key__kid__in=list(found), hour__gte=_hour(moment))
    if realm_id is not None:
        rows = rows.filter(key__realm_id=realm_id)
    found.update(rows.values_list("key__kid").annotate(Sum("signatures")))
    return found


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
