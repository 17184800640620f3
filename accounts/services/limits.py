"""Lifting limits on attempts, by an operator's word."""

from datetime import datetime

from django.db import transaction

from accounts.buckets import CountsBy, Whose, buckets_of
from accounts.models import AttemptBudget, User
from audit.services import record
from audit.vocabulary import EventName


def lift_limits(person: User, *, address: str = "", actor: str, reason: str, now: datetime) -> list[str]:
    """Give a person all their attempts back. What an address has used up, on whatever names, stays used.

    Arguments:
        person: whose.
        address: from which they try, or "": what is counted by name and address together can be lifted with it alone.
        actor: opaque id of who does it, for the audit.
        reason: in an operator's words.
        now: aware time of the change.

    Returns:
        The names of the limits that counted something and count from the beginning now.
    """
    spellings = filter(None, (person.username, person.email))
    buckets = {
        key: limit
        for spelling in spellings
        for key, limit in buckets_of(Whose(username=spelling, subject=person.subject, address=address)).items()
    }
    theirs = {key: limit for key, limit in buckets.items() if limit.counts_by is not CountsBy.ADDRESS}
    with transaction.atomic():
        used = AttemptBudget.objects.select_for_update().filter(key__in=list(theirs), full_at__gt=now).order_by("key")
        lifted = {theirs[bytes(key)].budget.name for key in used.values_list("key", flat=True)}
        AttemptBudget.objects.filter(key__in=list(theirs)).delete()
        details = {"limits": " ".join(sorted(lifted))}
        record(
            EventName.LIMIT_LIFTED,
            realm="",
            actor=actor,
            target=person.subject,
            now=now,
            reason=reason,
            details=details,
        )
    return sorted(lifted)
