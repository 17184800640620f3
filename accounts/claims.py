"""A person's standard claims, by scope and by name (OpenID Connect Core §5.1, §5.4, §5.5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What is known of a person. Texts are "" where nothing is.

    Attributes:
        username: the name they sign in with.
        updated_at: aware time at which any of this changed last.
        email_verified: somebody made sure that the address is theirs.
        phone_number: by E.164.
        phone_number_verified: somebody made sure that the number is theirs.
        address: as on an envelope, with line breaks.
    """

    username: str
    updated_at: datetime
    name: str = ""
    given_name: str = ""
    family_name: str = ""
    locale: str = ""
    zoneinfo: str = ""
    email: str = ""
    email_verified: bool = False
    phone_number: str = ""
    phone_number_verified: bool = False
    address: str = ""


# Each claim with how it is told; None where there is nothing to tell.
_CLAIMS: Mapping[str, Callable[[PersonFacts], object]] = {
    "name": lambda person: person.name or None,
    "given_name": lambda person: person.given_name or None,
    "family_name": lambda person: person.family_name or None,
    "preferred_username": lambda person: person.username,
    "locale": lambda person: person.locale or None,
    "zoneinfo": lambda person: person.zoneinfo or None,
    "updated_at": lambda person: int(person.updated_at.timestamp()),
    "email": lambda person: person.email or None,
    "email_verified": lambda person: person.email_verified if person.email else None,
    "phone_number": lambda person: person.phone_number or None,
    "phone_number_verified": lambda person: person.phone_number_verified if person.phone_number else None,
    "address": lambda person: {"formatted": person.address} if person.address else None,
}

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name",
        "given_name",
        "family_name",
        "preferred_username",
        "locale",
        "zoneinfo",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
    "address": ("address",),
}
SUPPORTED_CLAIMS: tuple[str, ...] = tuple(_CLAIMS)  # for discovery; `sub` and its like are the protocol's


def standard_claims(person: PersonFacts, *, scopes: frozenset[str], requested: frozenset[str]) -> dict[str, object]:
    """The claims about a person that a client gets.

    Arguments:
        person: what is known of them.
        scopes: what was granted; scopes without claims of ours add nothing.
        requested: claims asked for by name; unknown ones add nothing. The danger: every claim named here
            is told, so only names that the person consented to may come in.

    Returns:
        Claims with a value. What is not known is left out, never null (§5.3.2).
    """
    by_scope = {claim for scope in scopes for claim in SCOPE_CLAIMS.get(scope, ())}
    told = {name: tell(person) for name, tell in _CLAIMS.items() if name in by_scope | requested}
    return {name: value for name, value in told.items() if value is not None}
