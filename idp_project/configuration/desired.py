"""What there shall be: what is wanted laid over what there is, and completed where something new is made."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from accounts.upstream.terms import ProviderTerms
from idp_project.configuration.difference import overlaid
from idp_project.configuration.document import Kind, Members, Place, Things
from idp_project.configuration.schema import ClientSecret, metadata_in, registered_members, ring_named
from keys.algorithms import Custody, Purpose
from keys.custodians.local import LocalCustodian
from keys.policy import KeyPolicy
from realms.selectors import issuer_of
from realms.terms import Terms
from tokens.client_metadata import ClientMetadata, completed


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the settings say of whatever is made.

    Attributes:
        base: the site's public base address, the default realm's issuer.
        policies: the policy of a new ring, by its purpose.
        rings: the names of the rings that every realm has.
    """

    base: str
    policies: Mapping[Purpose, KeyPolicy]
    rings: tuple[str, ...]


def desired_things(present: Things, wanted: Things, defaults: Defaults) -> Things:
    """All that there shall be, each thing with all its members.

    Arguments:
        present: what there is in the realms that are named, complete.
        wanted: what the document says.
        defaults: for what is new. A new realm gets the rings that every realm has.
    """
    new = {place: _new(place, defaults) for place in wanted if place not in present}
    rings = {place: _new(place, defaults) for place in _further_rings(present, wanted, defaults)}
    desired = overlaid({**present, **new, **rings}, wanted)
    return {
        place: _completed(members) if place.kind is Kind.CLIENT and place in wanted else members
        for place, members in desired.items()
    }


def _new(place: Place, defaults: Defaults) -> Members:
    if place.kind is Kind.REALM:
        issuer = issuer_of(place.realm, base=defaults.base)
        return {"issuer": issuer, **_attributes(Terms(name=place.realm)), "direct_sign_in": True}
    if place.kind is Kind.RING:
        policy = asdict(defaults.policies[ring_named(place.name).purpose])
        return {**policy, "custodian": LocalCustodian.name, "custody": Custody.ENVELOPE}
    if place.kind is Kind.UPSTREAM:
        terms = ProviderTerms(name=place.name, issuer="", client_id="")
        return {**_attributes(terms), "client_secret": ClientSecret.NONE}
    return {"client_name": place.name, "enabled": True, **registered_members(ClientMetadata())}


def _attributes(terms: Terms | ProviderTerms) -> Members:
    return {field.name: getattr(terms, field.name) for field in fields(terms)}


def _further_rings(present: Things, wanted: Things, defaults: Defaults) -> list[Place]:
    """The rings that new realms need beside those that the document names; of an algorithm one is enough."""
    kinds = {(place.realm, *ring_named(place.name)[:2]) for place in wanted if place.kind is Kind.RING}
    return [
        further
        for place in wanted
        if place.kind is Kind.REALM and place not in present
        for further in (Place(place.realm, Kind.RING, name) for name in defaults.rings)
        if (further.realm, *ring_named(further.name)[:2]) not in kinds
    ]


def _completed(members: Members) -> Mapping[str, Any]:
    return {**members, **registered_members(completed(metadata_in(members)))}
