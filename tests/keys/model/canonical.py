"""One state for all that have the same future: what no rule can tell apart any more is made the same.

- Kids are counted from nought, in the order in which the keys sign. Workers are sorted.
- What is longer ago than any rule looks back stays where it is.
- A memory holds only what its reader looks at, and no time beyond the last moment at which it may be used.
  If it then says what the rows say, it is none: as good as read anew. So is a copy, whose age is then nought.
- A copy speaks only of keys that sign, or of which a token is out.
- A key is exempt from (a) only until every copy could have it.
- A wiped, unpublished key without tokens is forgotten.
"""

from collections.abc import Iterable

from tests.keys.model.rules import Rules, told_once
from tests.keys.model.world import Copy, Memory, Row, Rows, State, Worker

LOST = -1
Names = tuple[tuple[int, int], ...]


def canonical(state: State, rules: Rules) -> State:
    """The state that stands for all states with the future of this one."""
    rows, names, asked_for = _rows(rules, state.rows)
    workers = tuple(sorted((_worker(rules, worker, rows, names) for worker in state.workers), key=hash))
    renamed = state._replace(rows=rows, workers=workers)
    return renamed._replace(
        promise=_copy(state.promise, names, asked_for, promised_copies(renamed, rules)),
        caches=_copy(state.caches, names, asked_for, served_copies(renamed, rules)),
    )


@told_once
def _rows(rules: Rules, raw: Rows) -> tuple[Rows, Names, frozenset[int]]:
    """The rows, how they were called before and are now, and those that somebody still asks for."""
    kept = [_outgrown(row, rules) for row in raw if not _needless(row, rules)]
    kept.sort(key=lambda row: (row.activates, row.published, row.kid))
    rows = tuple(row if row.kid == place else row._replace(kid=place) for place, row in enumerate(kept))
    asked_for = frozenset(row.kid for row in rows if _is_asked_for(row, rules))
    return rows, tuple((row.kid, place) for place, row in enumerate(kept)), asked_for


@told_once
def _worker(rules: Rules, worker: Worker, rows: Rows, names: Names) -> Worker:
    if worker == Worker():
        return worker
    known = dict(names)
    signing, serving = (
        memory and Memory(tuple(row._replace(kid=known.get(row.kid, LOST)) for row in memory.rows), memory.age)
        for memory in worker
    )
    if signing is not None:
        seen = signing_view(rules, signing.rows, signing.age)
        signing = None if seen == signing_view(rules, rows, signing.age) else Memory(seen, signing.age)
    if serving is not None:
        present = serving_view(rules, rows, serving.age)
        asked_for = {row.kid for row in present}
        seen = tuple(row for row in serving_view(rules, serving.rows, serving.age) if row.kid in asked_for)
        serving = None if seen == present else Memory(seen, serving.age)
    return Worker(signing, serving)


@told_once
def signing_view(rules: Rules, rows: Rows, age: int = 0) -> Rows:
    """What a worker's signer sees of rows that were so until `age` ticks ago, for as long as it may."""
    last = max(rules.signing_memory - 1 - age, 0) + 2 * rules.skew
    usable = [row for row in rows if row.trusted and row.private]
    seen = tuple(
        Row(
            row.kid,
            0,
            max(row.activates, -rules.skew),
            _within(row.deactivates, last, -rules.skew),
            _within(row.unpublishes, last + row.lifetime + rules.skew, -rules.skew),
            row.lifetime,
        )
        for row in usable
        if row.activates <= last and (row.deactivates is None or row.deactivates > -rules.skew)
    )
    # A ring whose keys sign all later is not one without keys.
    waiting = [row for row in usable if row.deactivates is None]
    return seen or tuple(Row(row.kid, 0, last + 1, None, None, row.lifetime) for row in waiting)


@told_once
def serving_view(rules: Rules, rows: Rows, age: int = 0) -> Rows:
    """What a worker's JWKS sees of rows that were so until `age` ticks ago, for as long as it may."""
    last = max(rules.serving_memory - age, 0) + 2 * rules.skew
    return tuple(
        Row(
            row.kid,
            max(row.published, -2 * rules.skew),
            min(max(row.activates, -rules.skew), last + 1),
            _within(row.deactivates, last, -rules.skew),
            _within(row.unpublishes, last, -rules.skew),
            0,
        )
        for row in rows
        if row.trusted and _is_asked_for(row, rules)
    )


def promised_copies(state: State, rules: Rules) -> set[Copy]:
    """What the rows say themselves, now and by the right time."""
    return {rules.jwks(serving_view(rules, state.rows), 0)}


def served_copies(state: State, rules: Rules) -> set[Copy]:
    """What a verifier may get now: from any worker, out of its memory and by a clock that may be off."""
    present = serving_view(rules, state.rows)
    views = {worker.serving.rows if worker.serving else present for worker in state.workers}
    return {rules.jwks(view, drift) for view in views for drift in rules.drifts}


def _within(tick: int | None, last: int, first: int) -> int | None:
    """A time, none where it is after the last moment at which somebody looks, at earliest the first."""
    return max(tick, first) if tick is not None and tick <= last else None


def _outgrown(row: Row, rules: Rules) -> Row:
    """The row without what is too long ago to be looked at."""
    return row._replace(
        published=max(row.published, rules.long_ago),
        activates=max(row.activates, rules.long_ago),
        deactivates=None if row.deactivates is None else max(row.deactivates, rules.ended),
        unpublishes=None if row.unpublishes is None else max(row.unpublishes, rules.ended),
        condemned=None if row.condemned is None else max(row.condemned, rules.ended),
        hasty=row.hasty and row.published > -rules.longest_copy,
    )


def _needless(row: Row, rules: Rules) -> bool:
    """Whether nobody asks for a key any more: wiped, out of every JWKS, and no token of it is out."""
    gone = row.unpublishes is not None and row.unpublishes <= rules.ended
    return gone and not row.private and row.accepted is None and row.promised is None


def _is_asked_for(row: Row, rules: Rules) -> bool:
    """Whether somebody signs with it, will sign with it, or holds a token of it."""
    out = row.accepted is not None or row.promised is not None
    return row.trusted and (out or row.deactivates is None or row.deactivates > rules.ended)


def _copy(copy: Copy | None, names: Names, asked_for: frozenset[int], as_new: Iterable[Copy]) -> Copy | None:
    """A copy that one could get just so now may as well have been got now: its age is nought."""
    if copy is None:
        return None
    known = dict(names)
    held = frozenset(known[kid] for kid in copy.held if kid in known) & asked_for
    gone = frozenset(known[kid] for kid in copy.gone if kid in known) & asked_for
    new = Copy(held, gone)
    return new if new in as_new else Copy(held, gone, copy.age)
