"""What a state of the model holds, in ticks from now: rows, workers' memories, verifiers' copies, tokens.

All of it is frozen and counted from the present moment, so two histories that lead to the same future are
one state. That is what lets the search end.
"""

from typing import NamedTuple

KEYS = 3
WORKERS = 3


class Row(NamedTuple):
    """A key's row, and the tokens of it that are out.

    Of a key's tokens only the one that expires last is kept: who must have the key for it has it for the others.
    """

    kid: int
    published: int
    activates: int
    deactivates: int | None
    unpublishes: int | None
    lifetime: int
    condemned: int | None = None
    private: bool = True
    hasty: bool = False
    """It signed before it had propagated, rightly: a first key, or the successor of a compromised one."""
    accepted: int | None = None
    """Some verifier accepts a token of it until then, leeway and a slow clock included."""
    promised: int | None = None
    """The `exp` of a token of it that a worker with fresh rows and the right time signed."""

    @property
    def trusted(self) -> bool:
        """Whether nobody declared it compromised."""
        return self.condemned is None


Rows = tuple[Row, ...]


class Memory(NamedTuple):
    """Rows that are no longer so, and for how long they haven't been."""

    rows: Rows
    age: int


class Worker(NamedTuple):
    """What a worker keeps to sign and to serve the JWKS.

    None is a memory that says what the rows say, or an empty one (a worker that has just started): either
    reads as the rows are when it is asked next. A worker that is cut off from the database is one that
    doesn't read; what it keeps grows too old, and it stops.
    """

    signing: Memory | None = None
    serving: Memory | None = None


class Copy(NamedTuple):
    """A verifier's copy of the JWKS; kids that are neither held nor gone were not published yet."""

    held: frozenset[int]
    gone: frozenset[int]
    age: int = 0


class State(NamedTuple):
    """Everything that the future depends on.

    Attributes:
        rows: the ring's keys in the order in which they sign.
        policy: which of the ring's policies holds.
        made: how many keys a rotation has made and not applied yet.
        workers: in no order that matters: they are sorted.
        promise: the verifier of the promise: a copy of what the rows said, kept for less than N.
        caches: the verifier as it is: a copy that a worker served from its memory, kept for the max-age.
        losses: how many compromises may still be declared.
        changes: how many times the policy may still change.
    """

    rows: Rows = ()
    policy: int = 0
    made: int = 0
    workers: tuple[Worker, ...] = (Worker(),) * WORKERS
    promise: Copy | None = None
    caches: Copy | None = None
    losses: int = 0
    changes: int = 0


class InvariantBrokenError(Exception):
    """Something that must never happen did."""


def bare(rows: Rows) -> Rows:
    """Rows without the tokens that are out: as a plan or a memory sees them."""
    return tuple(row._replace(accepted=None, promised=None) for row in rows)
