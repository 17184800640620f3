"""What the services write: the steps of a plan applied to rows, and what the database would refuse of it."""

from collections.abc import Sequence

from keys.steps import Condemn, Mint, RaiseLifetime, Reopen, SetEnd, SetStart, Step, Wipe
from tests.keys.model.passing import remembering
from tests.keys.model.rules import Rules, tick_of, ticks
from tests.keys.model.world import InvariantBrokenError, Row, State


def edited(state: State, steps: Sequence[Step], rules: Rules, *, hasty: bool = False) -> State:
    """The state after a transaction. Whoever has read the rows before remembers what they said.

    Arguments:
        hasty: the first key that this makes signs before it has propagated, rightly.

    Raises:
        InvariantBrokenError: the database would refuse the transaction.
    """
    rows = list(state.rows)
    for step in steps:
        if isinstance(step, Mint):
            rows.append(_minted(step, kid=_free(state, rows), hasty=hasty))
            hasty = False
        else:
            place = next(place for place, row in enumerate(rows) if str(row.kid) == step.kid)
            rows[place] = _changed(rows[place], step)
    _check_constraints(rows)
    workers = tuple(remembering(worker, state.rows, rules) for worker in state.workers)
    return state._replace(rows=tuple(rows), workers=workers)


def _free(state: State, rows: Sequence[Row]) -> int:
    """A kid that nothing speaks of: neither the rows nor a memory of them."""
    remembered = [row.kid for worker in state.workers for memory in worker if memory is not None for row in memory.rows]
    return 1 + max((*remembered, *(row.kid for row in rows)), default=-1)


def _minted(step: Mint, *, kid: int, hasty: bool) -> Row:
    times = step.times
    return Row(
        kid,
        tick_of(times.published_at),
        tick_of(times.activates_at),
        None if times.deactivates_at is None else tick_of(times.deactivates_at),
        None if times.unpublishes_at is None else tick_of(times.unpublishes_at),
        ticks(step.max_lifetime),
        hasty=hasty,
    )


def _changed(row: Row, step: Step) -> Row:
    match step:
        case SetStart(activates_at=start):
            return row._replace(activates=tick_of(start))
        case SetEnd(deactivates_at=end, unpublishes_at=gone):
            return row._replace(deactivates=tick_of(end), unpublishes=tick_of(gone))
        case Reopen():
            return row._replace(deactivates=None, unpublishes=None)
        case RaiseLifetime(max_lifetime=lifetime):
            return row._replace(lifetime=ticks(lifetime))
        case Wipe():
            return row._replace(private=False)
        case Condemn():
            return row._replace(condemned=0, private=False)
    raise TypeError(f"The model doesn't know the step {step}: teach it.")


def _check_constraints(rows: Sequence[Row]) -> None:
    """Every trusted key ends where another one starts, and no two sign at a time (keys/migrations/0002).

    What is past isn't looked at: no step may touch it, and in the model it is no longer exact.
    """
    trusted = [row for row in rows if row.trusted]
    starts = [row.activates for row in trusted if row.activates >= 0]
    # A key that was trusted when it began to sign has relieved the one before, whatever came later.
    relieved = {row.activates for row in rows if row.trusted or (row.condemned or 0) >= row.activates}
    ends = [row for row in trusted if row.deactivates is None or row.deactivates >= 0]
    for row in ends:
        end, gone = row.deactivates, row.unpublishes
        linked = (end is None and gone is None) or (
            end is not None and gone is not None and row.activates < end <= gone and end in relieved
        )
        if not linked or row.published > row.activates:
            raise InvariantBrokenError(f"the database refuses {row}")
    if len(set(starts)) < len(starts) or len({row.deactivates for row in ends}) < len(ends):
        raise InvariantBrokenError(f"the database refuses two keys that sign at a time: {trusted}")
