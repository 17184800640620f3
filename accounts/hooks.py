"""What apps above register with accounts, which knows none of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from accounts.models import User

# Called in the transaction that ends sessions: takes their primary keys and the time. What it raises undoes the end.
SessionsEnded = Callable[[Sequence[int], datetime], None]

# Called in the transaction that removes devices: takes their primary keys, who does it, and the time.
DevicesRemoved = Callable[[Sequence[UUID], str, datetime], None]

_listeners: list[SessionsEnded] = []
_device_listeners: list[DevicesRemoved] = []
# What an app above stores about a person: lists of JSON objects, by name. Nothing secret is in them.
StoredAbout = Callable[[User], Mapping[str, Sequence[Mapping[str, object]]]]

_stores: list[StoredAbout] = []


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


def register_devices_removed(function: DevicesRemoved) -> None:
    """Have a function called whenever devices are removed."""
    if function not in _device_listeners:
        _device_listeners.append(function)


def devices_removed(devices: Sequence[UUID], *, actor: str, now: datetime) -> None:
    """Call what was registered.

    Arguments:
        devices: primary keys of the rows that count no more.
        actor: opaque id of who does it.
        now: aware time of the removal.
    """
    for function in _device_listeners:
        function(devices, actor, now)


def register_stored_about(function: StoredAbout) -> None:
    """Have a function asked for what is stored about a person."""
    if function not in _stores:
        _stores.append(function)


def stored_above(person: User) -> dict[str, Sequence[Mapping[str, object]]]:
    """What the apps above store about a person, by name."""
    return {name: rows for function in _stores for name, rows in function(person).items()}
