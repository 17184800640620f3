"""A migration of signing algorithms: its ring, and where it stands (docs/keys.md)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keys import api
from keys.errors import NoSigningKey, UnknownRing
from keys.models import KeyPair, KeyRing
from keys.selectors import keys_in, ring_of_kind, signing_rings
from keys.services.retirement import revive_ring
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.steps import Step
from realms.models import Realm
from tokens.algorithms_in_use import counted
from tokens.vocabulary import TokenKind

Clock = Callable[[], datetime]
LATELY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two algorithms.

    Attributes:
        algorithm: its `alg`.
        rings: those that sign with it; empty where there is none.
        clients: how many clients have each kind of token signed with it.
        signed_lately: how many tokens its keys signed in the last day, to the hour.
        movable_from: from when on clients may be moved to it; None where they may now, or where nothing signs.
        signs: whether a key of it may sign now.
        last_expiry: when the last token that its keys signed expires; None while that isn't decided.
    """

    algorithm: str
    rings: Sequence[KeyRing]
    clients: dict[TokenKind, int]
    signed_lately: int
    movable_from: datetime | None
    signs: bool
    last_expiry: datetime | None


def start(
    *, realm: Realm, algorithm: str, bits: int | None, actor: str, reason: str, clock: Clock
) -> Sequence[tuple[Step, str]]:
    """Have a ring with keys to move to: a new one, a retired one revived, or the one that is there.

    Never call it in a transaction: RSA takes seconds.

    Arguments:
        realm: whose.
        algorithm: its `alg`.
        bits: length of an RSA modulus; the default of the algorithm if left out.
        actor: opaque id of who does it, for the audit.
        reason: an operator's words, for the audit.
        clock: reads this machine's clock.

    Returns:
        What was done to its keys, each step with the kid.

    Raises:
        KeysError: the ring or its keys can't be made; the message says why.
    """
    try:
        ring = ring_of_kind(realm=realm, algorithm=algorithm, bits=bits)
    except UnknownRing:
        ring = add_ring(realm=realm, algorithm=algorithm, bits=bits, actor=actor, now=clock())
    if ring.retired_at is not None:
        ring = revive_ring(ring, actor=actor, reason=reason)
    return rotate(ring, now=clock(), actor=actor, reason=reason).steps


def sides(realm: Realm, *algorithms: str, now: datetime) -> list[Side]:
    """Where each of some algorithms stands in a realm.

    Arguments:
        now: the moment to look at, aware.
    """
    uses = counted(realm, algorithms)
    return [_side(realm, algorithm, uses[algorithm], now) for algorithm in algorithms]


def _side(realm: Realm, algorithm: str, uses: dict[TokenKind, int], now: datetime) -> Side:
    try:
        rings = signing_rings(realm, algorithm)
    except UnknownRing:
        return Side(algorithm, (), uses, 0, None, signs=False, last_expiry=None)
    keys = keys_in(rings)
    signed = api.tokens_signed_since([key.kid for key in keys], now - LATELY, realm_id=realm.pk)
    try:
        movable_from, signs = api.propagates_until(realm, algorithm), True
    except NoSigningKey:
        movable_from, signs = None, False
    return Side(algorithm, rings, uses, sum(signed.values()), movable_from, signs, _last_expiry(rings, keys))


def _last_expiry(rings: Sequence[KeyRing], keys: Sequence[KeyPair]) -> datetime | None:
    """When all that retired rings signed has expired; a compromised key's tokens are refused already."""
    if any(ring.retired_at is None for ring in rings):
        return None
    return max(
        (
            key.deactivates_at + key.max_lifetime
            for key in keys
            if key.compromised_at is None and key.withdrawn_at is None and key.deactivates_at is not None
        ),
        default=None,
    )
