"""What an operator decides of a realm, and what is wrong with it, a sentence a fault."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from realms.colours import Scheme, fault
from realms.vocabulary import Registration

LONGEST_ACCESS_TOKEN = timedelta(minutes=15)
LONGEST_SPAN = timedelta(days=3650)
_MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A realm as its operator has it. Each attribute is a column of the same name.

    Attributes:
        name: what people read.
        enabled: whether anything of it works.
        registration: who makes its accounts.
        require_second_factor: whether everybody has to prove a second factor.
        accent: the colour of its pages' links and buttons in the light scheme, "" for Signet's own.
        accent_dark: the same in the dark scheme.
        access_token_lifetime: how long its access tokens live.
        refresh_idle_lifetime: a grant ends when nobody has refreshed it for this long.
        refresh_absolute_lifetime: a grant ends this long after it began.
    """

    name: str
    enabled: bool = True
    registration: Registration = Registration.CLOSED
    require_second_factor: bool = False
    accent: str = ""
    accent_dark: str = ""
    access_token_lifetime: timedelta = timedelta(minutes=10)
    refresh_idle_lifetime: timedelta = timedelta(days=7)
    refresh_absolute_lifetime: timedelta = timedelta(days=30)


def faults(terms: Terms) -> Iterator[tuple[str, str]]:
    """What is wrong with a realm's terms: the name of the attribute, and a sentence.

    What needs the realm's rings is not looked at here.
    """
    if not 0 < len(terms.name) <= _MAX_NAME or not terms.name.isprintable():
        yield "name", f"A name has 1 to {_MAX_NAME} characters that can be printed."
    yield from colour_faults(accent=terms.accent, accent_dark=terms.accent_dark)
    yield from lifetime_faults(
        access=terms.access_token_lifetime, idle=terms.refresh_idle_lifetime, absolute=terms.refresh_absolute_lifetime
    )


def colour_faults(*, accent: str, accent_dark: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a realm's colours: the name of the column, and a sentence.

    Arguments:
        accent: for the light scheme, as #rrggbb in small letters, or "" for Signet's own.
        accent_dark: for the dark scheme.
    """
    for name, colour, scheme in (("accent", accent, Scheme.LIGHT), ("accent_dark", accent_dark, Scheme.DARK)):
        found = fault(colour, scheme)
        if found:
            yield name, found


def lifetime_faults(
    *, access: timedelta | None, idle: timedelta | None, absolute: timedelta | None
) -> Iterator[tuple[str, str]]:
    """What is wrong with a realm's lifetimes: the name of the column, and a sentence.

    Arguments:
        access: how long its access tokens live; None for one that isn't known, here and below.
        idle: a grant ends when nobody has refreshed it for this long.
        absolute: a grant ends this long after it began.
    """
    for name, span in (
        ("access_token_lifetime", access),
        ("refresh_idle_lifetime", idle),
        ("refresh_absolute_lifetime", absolute),
    ):
        if span is not None and span <= timedelta(0):
            yield name, "It must be above nought."
        if span is not None and span > LONGEST_SPAN:
            yield name, "That is too long: the longest is ten years."
    if access is not None and access > LONGEST_ACCESS_TOKEN:
        yield "access_token_lifetime", "An access token lives for 15 minutes at most."
    if idle is not None and absolute is not None and idle > absolute:
        yield "refresh_idle_lifetime", "It can't be longer than the whole life of a grant."
