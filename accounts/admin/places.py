"""Where the audit's targets are looked at: people and their sessions."""

from collections.abc import Collection

from django.urls import reverse

from accounts.models import Session, User
from audit.hooks import register_places, register_traces

_ABOUT_PEOPLE = (
    "person", "membership", "sign_in", "registration", "user_code", "factor", "factors", "limit", "passkey", "device",
    "recovery_codes", "totp", "address", "password", "upstream",
)  # fmt: skip


def people(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of people, by their subjects."""
    found = dict(User.objects.filter(subject__in={each for _realm, each in ids}).values_list("subject", "pk"))
    return {each: reverse("admin:accounts_user_change", args=[found[each[1]]]) for each in ids if each[1] in found}


def sessions(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of sessions, by their sids."""
    found = dict(Session.objects.filter(sid__in={each for _realm, each in ids}).values_list("sid", "pk"))
    return {each: reverse("admin:accounts_session_change", args=[found[each[1]]]) for each in ids if each[1] in found}


def sids_of(subject: str) -> list[str]:
    """The sids of a person's sessions that are still kept."""
    return list(Session.objects.filter(user__subject=subject).values_list("sid", flat=True))


register_places(*_ABOUT_PEOPLE, places=people)
register_places("session", "logout", places=sessions)
register_traces(sids_of)
