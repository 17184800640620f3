"""Naming the key of an event by its thumbprint (RFC 9278): a kid may be adopted and say nothing about the key."""

from collections.abc import Collection, Mapping

from keys.jwk import thumbprint_uri
from keys.models import KeyPair, KeyRing

Fact = dict[str, str | int | bool | None]


def thumbprint_of(public_jwk: Mapping[str, str] | None) -> Fact:
    """The thumbprint URI of a public half, as a detail of an event; nothing for a symmetric key, which has none."""
    return {"thumbprint": thumbprint_uri(public_jwk)} if public_jwk else {}


def thumbprints_of(ring: KeyRing, kids: Collection[str]) -> dict[str, Fact]:
    """The same for some keys of a ring by their kids, in one query."""
    if not kids:
        return {}
    rows = KeyPair.objects.filter(ring=ring, kid__in=kids).values_list("kid", "public_jwk")
    return {kid: thumbprint_of(public_jwk) for kid, public_jwk in rows}
