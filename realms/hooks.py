"""What apps above register with realms, which knows none of them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from realms.models import Realm

# Why a realm can't promise tokens that live this long: takes the realm, the access tokens' lifetime and the
# longest life of a grant; gives one sentence a fault.
LifetimeCheck = Callable[[Realm, timedelta, timedelta], Iterator[str]]

# Called in the transaction that changes a realm by hand: takes the realm, what differs by the column's name, the opaque
# id of who did it, and the time. What it raises undoes the change.
RealmChanged = Callable[[Realm, Mapping[str, str], str, datetime], None]

_checks: list[LifetimeCheck] = []
_listeners: list[RealmChanged] = []


def register_lifetime_check(function: LifetimeCheck) -> None:
    """Have a function asked before a realm gets other lifetimes."""
    if function not in _checks:
        _checks.append(function)


def lifetime_faults(realm: Realm, *, access: timedelta, refresh: timedelta) -> list[str]:
    """Why a realm can't have these lifetimes, one sentence each; empty where it can.

    Arguments:
        access: how long its access tokens would live.
        refresh: the longest life of a grant, refreshed or not.
    """
    return [fault for check in _checks for fault in check(realm, access, refresh)]


def register_realm_changed(function: RealmChanged) -> None:
    """Have a function called whenever somebody changes a realm by hand."""
    if function not in _listeners:
        _listeners.append(function)


def realm_changed(realm: Realm, differs: Mapping[str, str], *, actor: str, now: datetime) -> None:
    """Call what was registered.

    Arguments:
        realm: as it is now.
        differs: what was before and what is now, in words, by the column's name.
        actor: opaque id of who did it.
        now: aware time of the change.
    """
    for function in _listeners:
        function(realm, differs, actor, now)
