"""What apps above register with the audit, which knows none of their rows."""

from collections.abc import Callable, Collection, Mapping

from audit.models import Event

SEALED = "sealed"  # the detail in which personal fields stand, sealed under a key of the person
VIEW_PERSONAL = "audit.view_personal"  # the permission to see them opened

# The personal fields of an event; None where it has none, or none that anybody can open any more.
Opener = Callable[[Event], Mapping[str, str] | None]

_openers: list[Opener] = []
# Where things of one kind are looked at: takes pairs of a realm's slug and an opaque id, and gives the address of
# those that are still there. Asked once a page, so it asks the database once.
Places = Callable[[Collection[tuple[str, str]]], Mapping[tuple[str, str], str]]
# The ids of what a person has, such as sessions: takes the subject.
Traces = Callable[[str], Collection[str]]

_places: dict[str, list[Places]] = {}
_traces: list[Traces] = []


def register_opener(function: Opener) -> None:
    """Have a function asked for an event's personal fields."""
    if function not in _openers:
        _openers.append(function)


def personal_fields(event: Event) -> Mapping[str, str] | None:
    """The personal fields of an event, for somebody with the permission `VIEW_PERSONAL` alone.

    Returns:
        By name, such as address and user_agent; None where there are none, and where the person was deleted.
    """
    if SEALED not in event.details:
        return None
    found = (function(event) for function in _openers)
    return next((fields for fields in found if fields is not None), None)


def register_places(*nouns: str, places: Places) -> None:
    """Have the targets of some events lead to where they are looked at; one kind of event may be about several.

    Arguments:
        nouns: the first words of these events' names, such as `key`.
        places: finds the addresses.
    """
    for noun in nouns:
        known = _places.setdefault(noun, [])
        if places not in known:
            known.append(places)


def places_of(noun: str, ids: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """The addresses of things of one kind; of those that are gone, none."""
    found: dict[tuple[str, str], str] = {}
    for places in _places.get(noun, ()) if ids else ():
        found.update(places(ids))
    return found


def nouns_with_places() -> frozenset[str]:
    """The kinds of events whose targets lead somewhere."""
    return frozenset(_places)


def register_traces(traces: Traces) -> None:
    """Have a function asked for the ids of what a person has."""
    if traces not in _traces:
        _traces.append(traces)


def traces_of(subject: str) -> set[str]:
    """The ids of what a person has, as events name them."""
    return {trace for traces in _traces for trace in traces(subject)}
