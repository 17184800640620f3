"""What apps above register with the audit, which knows none of them."""

from collections.abc import Callable, Mapping

from audit.models import Event

SEALED = "sealed"  # the detail in which personal fields stand, sealed under a key of the person
VIEW_PERSONAL = "audit.view_personal"  # the permission to see them opened

# The personal fields of an event; None where it has none, or none that anybody can open any more.
Opener = Callable[[Event], Mapping[str, str] | None]

_openers: list[Opener] = []


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
