"""What apps above register with accounts, which knows none of them."""

from collections.abc import Callable, Sequence
from datetime import datetime

# Called in the transaction that ends sessions: takes their primary keys and the time. What it raises undoes the end.
SessionsEnded = Callable[[Sequence[int], datetime], None]

_listeners: list[SessionsEnded] = []


def register_sessions_ended(function: SessionsEnded) -> None:
    """Have a function called whenever sessions end."""
    if function not in _listeners:
        _listeners.append(function)


def sessions_ended(sessions: Sequence[int], *, now: datetime) -> None:
    """Call what was registered.

    Arguments:
        sessions: primary keys of the rows that have just ended.
        now: aware time of the end.
    """
    for function in _listeners:
        function(sessions, now)
