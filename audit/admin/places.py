"""Where an event that is itself a target is looked at."""

from collections.abc import Collection

from django.urls import reverse

from audit.hooks import register_places


def events(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of events, by their numbers; none is ever deleted."""
    return {each: reverse("admin:audit_event_change", args=[each[1]]) for each in ids if each[1].isdecimal()}


register_places("personal_fields", places=events)
