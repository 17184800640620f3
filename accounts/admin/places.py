"""Where the audit's targets are looked at: people and their sessions."""

from collections.abc import Collection

from django.contrib.auth.models import Group
from django.urls import reverse

from accounts.models import Session, User
from audit.hooks import register_places, register_traces
from realms.selectors import all_realms

_ABOUT_PEOPLE = (
    "person", "membership", "sign_in", "registration", "user_code", "factor", "factors", "limit", "passkey", "device",
    "recovery_code", "recovery_codes", "totp", "address", "password", "upstream",
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


def realms(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of realms, by the slug that stands beside the target."""
    found = {realm.slug: realm.pk for realm in all_realms()}
    return {each: reverse("admin:realms_realm_change", args=[found[each[0]]]) for each in ids if each[0] in found}


def groups(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of groups of operators, by `group:` and their number."""
    known = {each: each[1].removeprefix("group:") for each in ids}
    there = set(Group.objects.filter(pk__in=[key for key in known.values() if key.isdecimal()]).values_list("pk"))
    return {
        each: reverse("admin:auth_group_change", args=[key])
        for each, key in known.items()
        if key.isdecimal() and (int(key),) in there
    }


register_places("realm", places=realms)
register_places("role", places=groups)
register_places(*_ABOUT_PEOPLE, places=people)
register_places("session", "logout", places=sessions)
register_traces(sids_of)
