"""What apps above register with realms, which knows none of them."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from realms.models import Realm

# Why a realm can't promise tokens that live this long: takes the realm, the access tokens' lifetime and the
# longest life of a grant; gives one sentence a fault.
LifetimeCheck = Callable[[Realm, timedelta, timedelta], Iterator[str]]

_checks: list[LifetimeCheck] = []


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
