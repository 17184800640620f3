"""Everything that may happen next. Each move is a name for the story, and the state after it."""

from collections.abc import Iterator

from keys.steps import Mint
from tests.keys.model.canonical import canonical, promised_copies, served_copies
from tests.keys.model.edits import edited
from tests.keys.model.holding import settled
from tests.keys.model.passing import later
from tests.keys.model.rules import Rules
from tests.keys.model.world import State, Worker, bare

Move = tuple[str, State]


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """Every move from a state. In the states after them all workers have signed, and all verifiers verified.

    Raises:
        InvariantBrokenError: a move leads to what must never be.
    """
    for name, raw in raw_moves(state, rules):
        yield name, after_all(raw, rules)


def after_all(raw: State, rules: Rules) -> State:
    """The state after a move once everybody has signed and verified, as the one that stands for its like.

    Raises:
        InvariantBrokenError: this must never be.
    """
    return settled(canonical(raw, rules), rules)


def raw_moves(state: State, rules: Rules) -> Iterator[Move]:
    """Every move, the passing of time first; the states after them are to be passed to `after_all`."""
    yield "a tick", later(state, rules)
    yield from _rotations(state, rules)
    yield from _losses(state, rules)
    yield from _changes(state, rules)
    yield from _readings(state)
    for copy in promised_copies(state, rules) - {state.promise}:
        yield "the verifier of the promise fetches", state._replace(promise=copy)
    for copy in served_copies(state, rules) - {state.caches}:
        yield "a verifier fetches from a worker", state._replace(caches=copy)


def _rotations(state: State, rules: Rules) -> Iterator[Move]:
    """A run makes keys outside the lock, may crash, and applies what it plans anew: at once, late or never."""
    if state.made:
        yield "a run crashes between making and applying", state._replace(made=0)
    rows = bare(state.rows)
    for force in (False, True):
        steps = rules.steps(rows, state.policy, force=force)
        mints = sum(isinstance(step, Mint) for step in steps)
        name = "rotate --force" if force else "rotate"
        if mints > state.made:
            yield f"{name}: keys are made", state._replace(made=mints)
        elif steps and mints + sum(row.trusted for row in rows) <= rules.keys:
            first = not rules.active(rows)
            kept = state._replace(rows=tuple(row for row in state.rows if row.trusted), made=0)
            yield f"{name}: applied", edited(kept, steps, rules, hasty=first)


def _losses(state: State, rules: Rules) -> Iterator[Move]:
    """A compromise of each key, and of all whose private half exists."""
    if not state.losses:
        return
    rows = bare(state.rows)
    everything = frozenset(row.kid for row in rows if row.trusted and row.private)
    for kids in {*(frozenset({row.kid}) for row in rows if row.trusted), everything} - {frozenset()}:
        signer_lost = bool(kids.intersection(rules.active(rows)))
        after = edited(state._replace(losses=state.losses - 1), rules.losses(rows, kids), rules)
        successors = rules.active(bare(after.rows)) if signer_lost else []
        hurried = tuple(row._replace(hasty=True) if row.kid in successors else row for row in after.rows)
        yield f"compromise {sorted(kids)}", after._replace(rows=hurried)


def _changes(state: State, rules: Rules) -> Iterator[Move]:
    if state.changes:
        for policy in range(len(rules.policies)):
            if policy != state.policy:
                yield f"policy {policy}", state._replace(policy=policy, changes=state.changes - 1)


def _readings(state: State) -> Iterator[Move]:
    """A worker reads the rows again, to sign or to serve the JWKS; one that restarts does both."""
    for place, worker in enumerate(state.workers):
        fresh = {
            "a worker reads the rows to sign": worker._replace(signing=None),
            "a worker reads the rows to serve": worker._replace(serving=None),
            "a worker restarts": Worker(),
        }
        for name, read in fresh.items():
            if read != worker:
                yield name, state._replace(workers=(*state.workers[:place], read, *state.workers[place + 1 :]))
