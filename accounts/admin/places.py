"""Where the audit's targets are looked at: people, and what they have; providers, realms and groups."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import Device, MailedLink, Session, UpstreamProvider, User
from accounts.vocabulary import LinkPurpose
from audit.hooks import register_places, register_traces
from realms.identifiers import uuid_in
from realms.selectors import all_realms

_ABOUT_PEOPLE = (
    "person", "membership", "sign_in", "registration", "user_code", "factor", "factors", "limit", "passkey", "device",
    "recovery_code", "recovery_codes", "upstream", "link", "address", "password",
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


def devices(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of devices, by their ids."""
    return _by_uuid(ids, Device.objects.all(), "admin:accounts_device_change")


def invitations(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of invitations that are open, by their ids."""
    waiting = MailedLink.objects.filter(purpose=LinkPurpose.INVITATION, used_at=None)
    return _by_uuid(ids, waiting, "admin:accounts_mailedlink_change")


def providers(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of upstream providers, by realm and slug."""
    rows = UpstreamProvider.objects.filter(slug__in={each for _realm, each in ids})
    found = {(realm, slug): pk for realm, slug, pk in rows.values_list("realm__slug", "slug", "pk")}
    return {
        each: reverse("admin:accounts_upstreamprovider_change", args=[found[each]]) for each in ids if each in found
    }


def _by_uuid(ids: Collection[tuple[str, str]], rows: QuerySet[Any], page: str) -> dict[tuple[str, str], str]:
    known = {each: key for each in ids if (key := uuid_in(each[1])) is not None}
    there = set(rows.filter(pk__in=set(known.values())).values_list("pk", flat=True))
    return {each: reverse(page, args=[key]) for each, key in known.items() if key in there}


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


def devices_of(subject: str) -> list[str]:
    """The ids of a person's devices."""
    return [str(pk) for pk in Device.objects.filter(user__subject=subject).values_list("pk", flat=True)]


register_traces(devices_of)
register_places("device", places=devices)
register_places("invitation", "link", places=invitations)
register_places("upstream", places=providers)
register_places("realm", places=realms)
register_places("role", places=groups)
register_places(*_ABOUT_PEOPLE, places=people)
register_places("session", "logout", places=sessions)
register_traces(sids_of)
