"""The search: breadth first over all states, each visited once, until none is left or a bound is met."""

from collections import deque
from dataclasses import dataclass

from tests.keys.model.moves import moves
from tests.keys.model.rules import Rules
from tests.keys.model.world import InvariantBrokenError, State


@dataclass(frozen=True, slots=True)
class Explored:
    """What a search saw.

    Attributes:
        states, transitions: how many.
        whole: no state was left: there is no history, however long, that leads to another.
    """

    states: int
    transitions: int
    whole: bool

    def __str__(self) -> str:
        left = "none is left, however long the history" if self.whole else "more are left"
        return f"{self.states:,} states, {self.transitions:,} transitions; {left}"


class BrokenStoryError(Exception):
    """The invariant is broken; the message tells the shortest story that does it."""


def search(start: State, rules: Rules, *, most_states: int = 10_000_000) -> Explored:
    """Visit every state that can be reached.

    Arguments:
        most_states: where to stop.

    Raises:
        BrokenStoryError: one of them breaks the invariant.
    """
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    waiting, transitions = deque([start]), 0
    while waiting and len(came_from) < most_states:
        state = waiting.popleft()
        try:
            for name, after in moves(state, rules):
                transitions += 1
                if after not in came_from:
                    came_from[after] = (state, name)
                    waiting.append(after)
        except InvariantBrokenError as error:
            raise BrokenStoryError(f"{_story(state, came_from)} → {error}") from error
    return Explored(len(came_from), transitions, not waiting)


def _story(state: State, came_from: dict[State, tuple[State, str] | None]) -> str:
    told = []
    while (step := came_from[state]) is not None:
        state, name = step
        told.append(name)
    return " → ".join(reversed(told))
