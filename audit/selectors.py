"""Reading security events."""

from django.db.models import QuerySet

from audit.models import Event


def events_about(target: str) -> QuerySet[Event]:
    """The events of one target, newest first."""
    return Event.objects.filter(target=target).order_by("-id")
