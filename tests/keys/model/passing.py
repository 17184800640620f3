"""A tick passes: everything is a tick nearer, and what has grown too old is dropped."""

from tests.keys.model.canonical import serving_view, signing_view
from tests.keys.model.rules import Rules
from tests.keys.model.world import Copy, Memory, Row, Rows, State, Worker


def later(state: State, rules: Rules) -> State:
    """The state a tick later. A worker drops its memory past the TTL or the outage, a verifier its old copy."""
    workers = tuple(
        Worker(
            _remembered(worker.signing, refused=rules.signing_memory),
            _remembered(worker.serving, refused=rules.serving_memory + 1),
        )
        for worker in state.workers
    )
    return state._replace(
        rows=_nearer(state.rows),
        workers=workers,
        promise=_aged(state.promise, refused=rules.propagation),
        caches=_aged(state.caches, refused=rules.max_age + 1),
    )


def remembering(worker: Worker, before: Rows, rules: Rules) -> Worker:
    """A worker that has read the rows just before they change."""
    return Worker(
        worker.signing or Memory(signing_view(rules, before), 0),
        worker.serving or Memory(serving_view(rules, before), 0),
    )


def _remembered(memory: Memory | None, *, refused: int) -> Memory | None:
    if memory is None or memory.age + 1 >= refused:
        return None
    return Memory(_nearer(memory.rows), memory.age + 1)


def _aged(copy: Copy | None, *, refused: int) -> Copy | None:
    if copy is None or copy.age + 1 >= refused:
        return None
    return Copy(copy.held, copy.gone, copy.age + 1)


def _nearer(rows: Rows) -> Rows:
    return tuple(
        Row(
            row.kid,
            row.published - 1,
            row.activates - 1,
            None if row.deactivates is None else row.deactivates - 1,
            None if row.unpublishes is None else row.unpublishes - 1,
            row.lifetime,
            None if row.condemned is None else row.condemned - 1,
            row.private,
            row.hasty,
            # A token that has expired is out no more.
            None if row.accepted is None or row.accepted <= 1 else row.accepted - 1,
            None if row.promised is None or row.promised <= 1 else row.promised - 1,
        )
        for row in rows
    )
