"""Where the audit's targets are looked at: clients and grants."""

from collections.abc import Collection

from django.urls import reverse

from audit.hooks import register_places, register_traces
from realms.identifiers import uuid_in
from tokens.models import Client, Grant


def clients(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of clients, by realm and client_id."""
    rows = Client.objects.filter(client_id__in={each for _realm, each in ids})
    found = {(slug, name): pk for slug, name, pk in rows.values_list("realm__slug", "client_id", "pk")}
    return {each: reverse("admin:tokens_client_change", args=[found[each]]) for each in ids if each in found}


def grants(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of grants, by their ids."""
    known = {each[1]: key for each in ids if (key := uuid_in(each[1])) is not None}
    there = set(Grant.objects.filter(pk__in=set(known.values())).values_list("pk", flat=True))
    return {
        each: reverse("admin:tokens_grant_change", args=[known[each[1]]]) for each in ids if known.get(each[1]) in there
    }


def grants_of(subject: str) -> list[str]:
    """The ids of a person's grants that are still kept."""
    return [str(pk) for pk in Grant.objects.filter(user__subject=subject).values_list("pk", flat=True)]


register_places("client", "consent", places=clients)
register_places("grant", "device", places=grants)
register_traces(grants_of)
