"""What apps above register with keys, which knows none of them."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError

from keys.errors import KeysError
from keys.sealing import SealedColumn
from realms.models import Realm

logger = logging.getLogger("signet.keys")

# Removes what is dead and says how many rows that were; takes the time.
Housekeeping = Callable[[datetime], int]
# What a compromise hits at most, by name; takes the realm's primary key and the time.
Impact = Callable[[int, datetime], Mapping[str, int]]
# Why a realm still needs an algorithm, a sentence each; asked while the realm's rings with it are locked.
AlgorithmUse = Callable[[Realm, str], Iterable[str]]


@dataclass(slots=True)
class Hooks:
    """The registered functions; each is called in the order in which it came."""

    housekeeping: dict[str, Housekeeping] = field(default_factory=dict)
    impact: list[Impact] = field(default_factory=list)
    algorithm_uses: list[AlgorithmUse] = field(default_factory=list)
    sealed_columns: list[SealedColumn] = field(default_factory=list)


_hooks = Hooks()


def register_housekeeping(name: str, function: Housekeeping) -> None:
    """Have a function run at the end of every `rotate_keys`.

    Arguments:
        name: under which its count is reported; registering it again replaces it.
        function: takes the time, returns how many rows it removed.
    """
    _hooks.housekeeping[name] = function


def register_impact(function: Impact) -> None:
    """Have a function count what a compromise hits at most."""
    if function not in _hooks.impact:
        _hooks.impact.append(function)


def housekeeping() -> Mapping[str, Housekeeping]:
    """The registered housekeeping, by name."""
    return dict(_hooks.housekeeping)


def run_housekeeping(now: datetime) -> dict[str, int | str]:
    """Run what the apps above registered, each on its own: one that fails doesn't stop the others.

    Arguments:
        now: aware.

    Returns:
        By name how many rows were removed, or a sentence that begins with FAILED.
    """
    done: dict[str, int | str] = {}
    for name, function in housekeeping().items():
        try:
            done[name] = function(now)
        except (KeysError, DatabaseError) as error:
            logger.error("housekeeping.failed name=%s error=%s", name, type(error).__name__)  # noqa: TRY400
            done[name] = f"FAILED: {error}".strip()
    return done


def impact_of_compromise(realm_id: int, now: datetime) -> dict[str, int]:
    """What distrusting a realm's key hits at most, added up over all hooks."""
    found: Counter[str] = Counter()
    for function in _hooks.impact:
        found.update(function(realm_id, now))
    return dict(found)


def register_algorithm_use(function: AlgorithmUse) -> None:
    """Have a function say why an algorithm is still needed, before a ring with it is retired."""
    if function not in _hooks.algorithm_uses:
        _hooks.algorithm_uses.append(function)


def uses_of_algorithm(realm: Realm, algorithm: str) -> list[str]:
    """Why a realm can't do without the rings that sign with an algorithm, a sentence each, over all hooks."""
    return [sentence for function in _hooks.algorithm_uses for sentence in function(realm, algorithm)]


def register_sealed_column(column: SealedColumn) -> None:
    """Have `rewrap_keys` reach a column of sealed values."""
    if column not in _hooks.sealed_columns:
        _hooks.sealed_columns.append(column)


def sealed_columns() -> list[SealedColumn]:
    """Every column with sealed values."""
    return list(_hooks.sealed_columns)
