"""The property: who signs, with what, and that every verifier has the key of every token that is out."""

from keys.errors import LifetimeTooLong
from tests.keys.model.canonical import signing_view
from tests.keys.model.rules import Rules, told_once
from tests.keys.model.world import Copy, InvariantBrokenError, Row, Rows, State, bare


def settled(state: State, rules: Rules) -> State:
    """The state once every worker has signed and every verifier has verified all that is out.

    To sign less, or to verify less, breaks nothing that this doesn't break: so a state is looked at in the
    worst case alone, and the search needs no moves for either.

    Raises:
        InvariantBrokenError: two sign by the same clock, or none does, or a verifier refuses a token.
    """
    memories = frozenset(worker.signing and worker.signing.rows for worker in state.workers)
    signed = state._replace(rows=_signed(rules, state.rows, memories))
    _verified(signed)
    return signed


@told_once
def _signed(rules: Rules, present: Rows, memories: frozenset[Rows | None]) -> Rows:
    """The rows once every worker has signed for as long as it may, by every clock within the skew.

    Arguments:
        memories: what the workers sign by; None is what the rows say.
    """
    if len(rules.active(bare(present))) > 1:
        raise InvariantBrokenError("two signers by the rows")
    rows = {row.kid: row for row in present}
    for drift in rules.drifts:
        kids = set()
        for remembered in memories:
            memory = signing_view(rules, present) if remembered is None else remembered
            kid = _signer(memory, rules, drift)
            if kid is None or kid not in rows or not rows[kid].trusted:
                continue  # by what it remembers no key was trusted, or one that is compromised by now
            kids.add(kid)
            rows[kid] = _with_token(rows[kid], memory, rules, drift=drift, right=remembered is None and drift == 0)
        if len(kids) > 1:
            raise InvariantBrokenError(f"two workers whose clocks agree on {drift:+} sign with {sorted(kids)}")
    return tuple(rows[row.kid] for row in present)


def _signer(memory: Rows, rules: Rules, drift: int) -> int | None:
    """The key that a worker signs with; None where a compromise left the ring without a last, open-ended key."""
    try:
        kid = rules.signer(memory, drift)
    except LifetimeTooLong as error:
        raise InvariantBrokenError(f"a worker whose clock is off by {drift:+} may not sign: {error}") from error
    if kid is None and any(row.deactivates is None for row in memory):
        raise InvariantBrokenError(f"nobody signs by a clock that is off by {drift:+}")
    return kid


def _with_token(row: Row, memory: Rows, rules: Rules, *, drift: int, right: bool) -> Row:
    """The row with a token that is signed now, if it is the one that expires last."""
    lifetime = next(known.lifetime for known in memory if known.kid == row.kid)
    expires = drift + lifetime
    return row._replace(
        accepted=max(row.accepted or 0, expires + rules.leeway + rules.skew),
        promised=max(row.promised or 0, expires) if right else row.promised,
    )


def _verified(state: State) -> None:
    for row in state.rows:
        if not row.trusted:
            continue
        if row.promised is not None:
            _has_key(state.promise, row, "the verifier of the promise")
        if row.accepted is not None:
            _has_key(state.caches, row, "a verifier with a copy from a worker")


def _has_key(copy: Copy | None, row: Row, who: str) -> None:
    """A verifier without a copy fetches one first: there is a move for it."""
    if copy is None or row.kid in copy.held or (row.hasty and row.kid not in copy.gone):
        return
    raise InvariantBrokenError(f"{who}, {copy.age} ticks old, refuses a token of {row}")
