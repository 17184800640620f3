"""Random operations over the same model, where a search can't go: long policies, many keys, losses in a row.

Each walk draws policies of its own and begins with a new ring. Time passes more often than anything else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from keys.policy import KeyPolicy, faults
from tests.keys.model.moves import Move, after_all, raw_moves
from tests.keys.model.rules import AROUND, POLICY, TICK, Rules
from tests.keys.model.search import BrokenStoryError
from tests.keys.model.world import InvariantBrokenError, State

LONGEST_WALK = 2_000
MOST_KEYS = 8
TIME_PASSES = 0.6
TOLD = 60


@dataclass(frozen=True, slots=True)
class Walked:
    """How many operations were done, in how many rings."""

    operations: int
    rings: int

    def __str__(self) -> str:
        return f"{self.operations:,} random operations on {self.rings:,} rings: none broke the invariant"


def walk(operations: int, *, seed: int, rules: Rules | None = None) -> Walked:
    """Do so many random operations.

    Arguments:
        seed: the same seed walks the same ways.
        rules: the rules of every ring; drawn anew for each if None.

    Raises:
        BrokenStoryError: one of them breaks the invariant; the message tells the end of the walk that led there.
    """
    chance, done, rings = Random(seed), 0, 0  # noqa: S311  (no secret)
    while done < operations:
        done += _one_ring(rules or drawn_rules(chance), chance, min(LONGEST_WALK, operations - done))
        rings += 1
    return Walked(done, rings)


def drawn_rules(chance: Random) -> Rules:
    """Three sound policies for one ring."""
    return Rules(tuple(_drawn_policy(chance) for _ in range(3)), keys=MOST_KEYS)


def _drawn_policy(chance: Random) -> KeyPolicy:
    """A policy against which the real rules have nothing; the skew and the leeway are all rings' own."""
    while True:
        policy = replace(
            POLICY,
            rotation_period=_drawn(chance, 12, 60),
            propagation=_drawn(chance, 9, 30),
            max_token_lifetime=_drawn(chance, 1, 40),
        )
        if not faults(policy, AROUND):
            return policy


def _drawn(chance: Random, least: int, most: int) -> timedelta:
    return chance.choice((least, chance.randint(least, most))) * TICK


def _one_ring(rules: Rules, chance: Random, operations: int) -> int:
    state, told = State(losses=operations, changes=operations), []
    for _ in range(operations):
        try:
            name, raw = _drawn_move(raw_moves(state, rules), chance)
            told.append(name)
            state = after_all(raw, rules)
        except InvariantBrokenError as error:
            raise BrokenStoryError(f"{' → '.join(told[-TOLD:])} → {error}") from error
    return operations


def _drawn_move(choice: Iterator[Move], chance: Random) -> Move:
    """The first move is the passing of time. A loss is rare, or no ring would ever grow old."""
    a_tick = next(choice)
    if chance.random() < TIME_PASSES:
        return a_tick
    move = chance.choice([a_tick, *choice])
    return a_tick if move[0].startswith("compromise") and chance.random() < TIME_PASSES else move
