"""What a configuration can say of realms, rings, clients and upstreams; it follows from what is decided of them."""

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from accounts.upstream.terms import ProviderTerms
from idp_project.configuration.document import Description, Kind, Members, Schema
from idp_project.configuration.forms import FLAG, JWKS, SCOPES, SPAN, TEXT, TEXTS, Form, or_null, word_of, words_of
from keys.algorithms import Custody, Purpose, algorithm_named, choose_bits
from keys.errors import UnknownAlgorithm
from keys.policy import KeyPolicy
from realms.models import SLUG_PATTERN
from realms.terms import Terms
from tokens.client_metadata import ClientMetadata
from tokens.models import CLIENT_ID_PATTERN
from tokens.registration import MEMBERS
from tokens.vocabulary import DIRECT_CLIENT_ID

_PLAIN: Mapping[Any, Form] = {
    bool: FLAG,
    str: TEXT,
    timedelta: SPAN,
    tuple[str, ...]: TEXTS,
    timedelta | None: or_null(SPAN),
    Mapping[str, Any] | None: or_null(JWKS),
}
_RING = re.compile(rf"({'|'.join(Purpose)}) ([A-Za-z0-9-]{{1,16}})(?: ([1-9][0-9]{{3,4}}))?", re.ASCII)
_NAMES = {column: member for member, column in MEMBERS.items()} | {"scopes": "scope"}

# What a client registers, by the names of RFC 7591 §2 where it has one, with the attribute of ClientMetadata.
REGISTERED = {_NAMES.get(column.name, column.name): column.name for column in fields(ClientMetadata)}


def _form(annotation: Any) -> Form:
    """The form of an attribute of this type."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if get_origin(annotation) is tuple:
        return words_of(get_args(annotation)[0])
    if not (isinstance(annotation, type) and issubclass(annotation, StrEnum)):
        raise TypeError(f"A configuration has no form for {annotation}.")
    return word_of(annotation)


def _forms(of: type) -> dict[str, Form]:
    hints = get_type_hints(of)
    return {column.name: _form(hints[column.name]) for column in fields(of)}


def _client_forms() -> dict[str, Form]:
    forms = _forms(ClientMetadata) | {"scopes": SCOPES}
    return {member: forms[column] for member, column in REGISTERED.items()}


class ClientSecret(StrEnum):
    """What is said of the client secret that a realm has at an upstream provider: never the secret."""

    NONE = "none"  # the client is a public one
    STORED = "stored"  # there is one, and it stays


CUSTODY = frozenset({"custodian", "custody"})  # of a ring; the others are its policy
GIVEN = "given"  # in the place of these, where another secret came beside the document; no document says it


class RingName(NamedTuple):
    """What the name of a ring says."""

    purpose: Purpose
    algorithm: str
    bits: int | None


def ring_named(name: str) -> RingName:
    """What the name of a ring says, which is `str()` of its row.

    Raises:
        UnknownAlgorithm: no ring can have this name.
    """
    match = _RING.fullmatch(name)
    if match is None:
        raise UnknownAlgorithm("No ring has this name.")
    found = RingName(Purpose(match[1]), match[2], int(match[3]) if match[3] else None)
    row = algorithm_named(found.algorithm)
    if (row.name, choose_bits(row, found.bits)) != (found.algorithm, found.bits) or found.purpose not in row.purposes:
        raise UnknownAlgorithm("No ring has this name.")
    return found


def _names_a_ring(name: str) -> bool:
    try:
        ring_named(name)
    except UnknownAlgorithm:
        return False
    return True


SCHEMA: Schema = {
    Kind.REALM: Description(
        {"issuer": TEXT, **_forms(Terms), "direct_sign_in": FLAG},
        lambda name: re.fullmatch(SLUG_PATTERN, name) is not None,
        "a slug has 1 to 63 small letters, digits and hyphens, and no hyphen at an end.",
    ),
    Kind.RING: Description(
        {**_forms(KeyPolicy), "custodian": TEXT, "custody": word_of(Custody)},
        _names_a_ring,
        "a ring is named by purpose, algorithm and, for RSA, bits, such as sign ES256 or sign RS256 4096.",
    ),
    Kind.CLIENT: Description(
        {"client_name": TEXT, "enabled": FLAG, **_client_forms()},
        lambda name: re.fullmatch(CLIENT_ID_PATTERN, name) is not None and name != DIRECT_CLIENT_ID,
        "a client_id has 1 to 64 letters, digits and . _ ~ -, and is none of the provider's own.",
    ),
    Kind.UPSTREAM: Description(
        {**_forms(ProviderTerms), "client_secret": word_of(ClientSecret)},
        lambda name: re.fullmatch(SLUG_PATTERN, name) is not None,
        "a slug has 1 to 63 small letters, digits and hyphens, and no hyphen at an end.",
    ),
}


def terms_in(members: Members) -> Terms:
    """What the members of a realm decide of it."""
    return Terms(**{field.name: members[field.name] for field in fields(Terms)})


def provider_in(members: Members) -> ProviderTerms:
    """What the members of an upstream provider decide of it."""
    return ProviderTerms(**{field.name: members[field.name] for field in fields(ProviderTerms)})


def policy_in(members: Members) -> KeyPolicy:
    """The policy that the members of a ring are."""
    return KeyPolicy(**{field.name: members[field.name] for field in fields(KeyPolicy)})


def metadata_in(members: Members) -> ClientMetadata:
    """What the members of a client register."""
    return ClientMetadata(**{column: members[member] for member, column in REGISTERED.items()})


def registered_members(metadata: ClientMetadata) -> Members:
    """The opposite."""
    return {member: getattr(metadata, column) for member, column in REGISTERED.items()}
