"""Where the audit's targets are looked at: keys and rings."""

from collections.abc import Collection

from django.urls import reverse

from audit.hooks import register_places
from keys.models import KeyPair
from keys.selectors import rings


def keys(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of keys, by their kids."""
    found = dict(KeyPair.objects.filter(kid__in={each for _realm, each in ids}).values_list("kid", "pk"))
    return {each: reverse("admin:keys_keypair_change", args=[found[each[1]]]) for each in ids if each[1] in found}


def ring_pages(ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of rings, by realm and name."""
    found = {(ring.realm.slug, str(ring)): ring.pk for ring in rings()}
    return {each: reverse("admin:keys_keyring_change", args=[found[each]]) for each in ids if each in found}


register_places("key", places=keys)
register_places("ring", places=ring_pages)
