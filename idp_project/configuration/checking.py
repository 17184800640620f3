"""What is wrong with the changes that a configuration asks for: the rules of the commands and the admin."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.core.exceptions import ValidationError

from accounts.upstream.terms import faults as provider_faults
from idp_project.configuration.difference import Change
from idp_project.configuration.document import Kind, Members, Place, Things
from idp_project.configuration.schema import (
    REGISTERED,
    ClientSecret,
    metadata_in,
    policy_in,
    provider_in,
    ring_named,
    terms_in,
)
from keys.algorithms import Purpose, algorithm_named
from keys.conf import periods
from keys.errors import KeysError
from keys.forms import unserved_lifetime
from keys.policy import faults as policy_faults
from keys.services.moving import custody_fault
from realms import terms
from realms.models import Realm
from realms.spans import in_words
from tokens.models import Client
from tokens.services.client_changes import IDENTITY
from tokens.services.clients import ClientRefused, columns_of, refuse_faults, refuse_identity

_IDENTITY = [member for member, column in REGISTERED.items() if column in IDENTITY]
_FIXED = {
    Kind.REALM: {"issuer": "it never changes; leave it out, as export_config --portable does."},
    Kind.RING: {},
    Kind.CLIENT: {
        member: "it never changes: register another client."
        for member, column in REGISTERED.items()
        if column in IDENTITY
    },
    Kind.UPSTREAM: {"issuer": "it never changes: add another upstream provider."},
}


def faults(changes: Sequence[Change], desired: Things, *, issuers: dict[str, str]) -> Iterator[str]:
    """Why the changes can't be made, one sentence a fault, each with its place.

    Arguments:
        changes: all of them.
        desired: what there will be in the realms that are named, complete.
        issuers: the issuer that each of these realms has or will have.
    """
    algorithms: dict[str, set[str]] = defaultdict(set)
    for place in desired:
        if place.kind is Kind.RING and ring_named(place.name).purpose is Purpose.SIGN:
            algorithms[place.realm].add(ring_named(place.name).algorithm)
    for change in changes:
        place, members = change.place, desired[change.place]
        for member in change.after:
            if change.before is not None and member in _FIXED[place.kind]:
                yield f"{place}/{member}: {_FIXED[place.kind][member]}"
        match place.kind:
            case Kind.REALM:
                yield from _realm_faults(change, members, issuers[place.realm])
            case Kind.RING:
                yield from _ring_faults(change, members)
            case Kind.CLIENT:
                realm = Realm(slug=place.realm, **_columns(desired[Place(place.realm)]))
                yield from _client_faults(change, members, realm, algorithms[place.realm])
            case Kind.UPSTREAM:
                yield from _upstream_faults(change, members)
    yield from _unserved(changes, desired)


def _realm_faults(change: Change, members: Members, issuer: str) -> Iterator[str]:
    if change.makes and members["issuer"] != issuer:
        yield f"{change.place}/issuer: here it is {issuer}; leave it out, as export_config --portable does."
    for name, sentence in terms.faults(terms_in(members)):
        if name in change.after:
            yield f"{change.place}/{name}: {sentence}"


def _ring_faults(change: Change, members: Members) -> Iterator[str]:
    for sentence in policy_faults(policy_in(members), periods()):
        yield f"{change.place}: {sentence}"
    name = ring_named(change.place.name)
    fault = custody_fault(
        custodian=members["custodian"], custody=members["custody"], purpose=name.purpose, algorithm=name.algorithm
    )
    if fault:
        yield f"{change.place}: {fault}"
    if change.makes:
        row = algorithm_named(name.algorithm)
        try:
            if not row.bits:
                row.generate(None)  # cheap for all of these, and the only proof that this machine can do it
        except KeysError as error:
            yield f"{change.place}: {error}"


def _client_faults(change: Change, members: Members, realm: Realm, algorithms: set[str]) -> Iterator[str]:
    metadata = metadata_in(members)
    try:
        refuse_identity(client_id=change.place.name, name=members["client_name"])
        refuse_faults(metadata, realm=realm, rings=algorithms)
        columns = columns_of(metadata)
        Client(**columns).clean_fields(exclude={"realm", "client_id", "name", "created_at", "kind"})
    except ClientRefused as error:
        yield f"{change.place}: {error}"
    except ValidationError as error:
        members_of = {column: member for member, column in REGISTERED.items()}
        for column, sentences in error.message_dict.items():
            yield f"{change.place}/{members_of.get(column, column)}: {' '.join(sentences)}"


def _upstream_faults(change: Change, members: Members) -> Iterator[str]:
    for name, sentence in provider_faults(provider_in(members), loopback=settings.IDP_PLAIN_HTTP):
        yield f"{change.place}/{name}: {sentence}"
    # What is stored already doesn't differ, and so isn't among the changes.
    if change.after.get("client_secret") == ClientSecret.STORED:
        yield f"{change.place}/client_secret: none is stored here: give it with --upstream-secrets."


def _columns(members: Members) -> dict[str, object]:
    found = terms_in(members)
    return {
        "access_token_lifetime": found.access_token_lifetime,
        "refresh_idle_lifetime": found.refresh_idle_lifetime,
        "refresh_absolute_lifetime": found.refresh_absolute_lifetime,
    }


def _unserved(changes: Sequence[Change], desired: Things) -> Iterator[str]:
    """No realm promises what its rings may not vouch for, once all is changed."""
    touched = {change.place.realm for change in changes if change.place.kind in (Kind.REALM, Kind.RING)}
    for place, members in desired.items():
        if place.kind is Kind.RING and place.realm in touched:
            realm = terms_in(desired[Place(place.realm)])
            unserved = unserved_lifetime(
                ring_named(place.name).purpose,
                members["max_token_lifetime"],
                access=realm.access_token_lifetime,
                refresh=realm.refresh_absolute_lifetime,
            )
            if unserved:
                longest = in_words(members["max_token_lifetime"])
                yield f"{place}/max_token_lifetime: the {unserved}, and this ring vouches for {longest} at most."
