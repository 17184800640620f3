"""How sure a sign-in has to be for a client, and what a person can do where it is less (RFC 9470 §5).

A realm or a client may be registered to demand a second factor; a request may ask for classes: as an essential
`acr` (OpenID Connect Core §5.5.1.1), or by `acr_values` (§3.1.2.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from accounts.acr import ACR_VALUES, MULTI_FACTOR, PHISHING_RESISTANT, satisfies

_BY_A_PASSKEY = frozenset(ACR_VALUES)
_BY_OTHERS = _BY_A_PASSKEY - {PHISHING_RESISTANT}


@dataclass(frozen=True, slots=True)
class Demand:
    """One of the things that a sign-in has to be.

    Attributes:
        classes: of which it has to reach one; those that nobody here knows are reached by none.
        by_request: whether the client's request says so; False where it is registered.
    """

    classes: tuple[str, ...]
    by_request: bool


class Way(StrEnum):
    """How a person gets to what is demanded."""

    PROVE = "prove"  # a factor that they have
    BY_PASSKEY = "by_passkey"  # one of theirs; nothing else will do
    SET_UP = "set_up"  # one that they have not got yet
    NONE = "none"


def registered(*, realm: bool, client: bool) -> tuple[Demand, ...]:
    """What is demanded whatever the request says.

    Arguments:
        realm, client: whether it demands a second factor.
    """
    return (Demand((MULTI_FACTOR,), by_request=False),) if realm or client else ()


def requested(*, essential: Sequence[str], wished: Sequence[str]) -> tuple[Demand, ...]:
    """What a request demands.

    RFC 9470 §5 has a wish taken for a demand, so that no client goes round in circles between a service that
    refuses its tokens and a provider that makes the same ones again. Wishes of which nothing is known here come
    from libraries that send the classes of somebody else's provider: they change nothing.

    Arguments:
        essential: classes of an essential `acr` claim; none demands nothing.
        wished: classes of `acr_values`.
    """
    known = tuple(each for each in wished if each in ACR_VALUES)
    return tuple(Demand(classes, by_request=True) for classes in (tuple(essential), known) if classes)


def unmet(methods: tuple[str, ...], demands: Sequence[Demand]) -> tuple[Demand, ...]:
    """The demands that a sign-in is less than.

    Arguments:
        methods: of the session.
    """
    return tuple(demand for demand in demands if not satisfies(methods, demand.classes))


def way_to(lacking: Sequence[Demand], *, has_factor: bool, has_passkey: bool) -> Way:
    """How a person gets to all that is lacking.

    Nobody makes their first passkey here: a page that came by a sign-in which can be phished would vouch for one
    that can't. They make it on their account's page, and then try again.

    Arguments:
        has_factor: whether the person has any second factor.
        has_passkey: whether a passkey is among them.
    """
    if all(set(demand.classes) & _BY_OTHERS for demand in lacking):
        return Way.PROVE if has_factor else Way.SET_UP
    by_passkey = has_passkey and all(set(demand.classes) & _BY_A_PASSKEY for demand in lacking)
    return Way.BY_PASSKEY if by_passkey else Way.NONE
