"""Moving clients from one signing algorithm to another, step by step, and back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from audit.services import record_each
from audit.vocabulary import EventName
from keys import api
from realms.models import Realm
from tokens.algorithm_shares import in_share
from tokens.algorithms_in_use import used_for
from tokens.models import Client
from tokens.registration import metadata_of
from tokens.services.clients import ClientRefused, refuse_faults
from tokens.vocabulary import TokenKind

_COLUMNS = {TokenKind.ACCESS: ("access_token_alg",), TokenKind.ID: ("id_token_alg", "userinfo_alg")}


class MoveRefused(ValueError):
    """Nobody was moved; the text says why."""


@dataclass(frozen=True, slots=True)
class Move:
    """Which clients are to move, and with what.

    Attributes:
        source, target: from which algorithm to which, also where it goes back.
        kinds: what of theirs moves.
        clients: these, by their client_ids.
        percent: or a stable share of the realm's; with `back` those beyond it.
        back: from the target to the source, and only what was moved before.
    """

    source: str
    target: str
    kinds: frozenset[TokenKind] = frozenset({TokenKind.ACCESS})
    clients: frozenset[str] = frozenset()
    percent: int | None = None
    back: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        """From where to where it goes."""
        return (self.target, self.source) if self.back else (self.source, self.target)


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of it.

    Attributes:
        clients: the client_ids of those that moved.
        refused: why others can't, by their client_ids.
        unconcerned: those that were named and have nothing to move.
    """

    clients: Sequence[str]
    refused: Mapping[str, str] = field(default_factory=dict)
    unconcerned: Sequence[str] = ()


def move_clients(
    move: Move, *, realm: Realm, actor: str, now: datetime, reason: str = "", dry_run: bool = False
) -> Moved:
    """Have what is signed for some clients signed with another algorithm from now on; what is out stays valid.

    Arguments:
        move: which, and with what.
        realm: whose clients.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.
        reason: an operator's words, for the audit.
        dry_run: change nothing.

    Returns:
        Who moved. A client that can't be registered so is passed over, and the others go on.

    Raises:
        MoveRefused: it is wrongly asked for, a client is unknown, or verifiers may not know the new key yet.
        KeysError: the realm has no such ring, or none of its keys may sign.
    """
    _refuse_wrong(move)
    with transaction.atomic():
        held = api.hold_rings(realm)
        _refuse_too_early(realm, move.ends[1], held)
        moved: dict[Client, tuple[str, ...]] = {}
        refused: dict[str, str] = {}
        for client in _asked(move, realm):
            columns = _columns_that_move(client, move)
            if not columns:
                continue
            try:
                asked_for: dict[str, Any] = dict.fromkeys(columns, move.ends[1])
                refuse_faults(replace(metadata_of(client), **asked_for), realm=realm, rings=held)
            except ClientRefused as error:
                refused[client.client_id] = str(error)
            else:
                moved[client] = columns
        if moved and not dry_run:
            _apply(moved, move, realm=realm, actor=actor, now=now, reason=reason)
    ids = [client.client_id for client in moved]
    return Moved(ids, refused, sorted(move.clients - {*ids, *refused}))


def _refuse_wrong(move: Move) -> None:
    if move.source == move.target:
        raise MoveRefused("The two algorithms are one: name another.")
    if bool(move.clients) == (move.percent is not None):
        raise MoveRefused("Name either clients or a share of them.")
    if TokenKind.ID in move.kinds and not move.clients:
        raise MoveRefused(
            "How its ID tokens are signed is what a client registered and checks (OpenID Connect Core §3.1.3.7): name "
            "the clients that were changed for it."
        )


def _refuse_too_early(realm: Realm, algorithm: str, held: Collection[str]) -> None:
    """Verifiers hold copies of the JWKS: whoever moves to a key that they don't know locks people out."""
    if algorithm not in held:
        raise MoveRefused(f"The realm has no ring that signs with {algorithm}: start the migration first.")
    until = api.propagates_until(realm, algorithm)
    if until is not None:
        raise MoveRefused(
            f"Verifiers may not know the key that signs with {algorithm} before {until:%Y-%m-%d %H:%M:%S} UTC: move "
            f"clients then."
        )


def _asked(move: Move, realm: Realm) -> list[Client]:
    """The clients that may have to move, locked, in the order of their rows."""
    concerned = Q(client_id__in=move.clients) if move.clients else _anything(move)
    rows = Client.objects.filter(concerned, realm=realm).order_by("pk")
    found = list(rows.select_for_update(of=("self",)))
    unknown = sorted(move.clients - {client.client_id for client in found})
    if unknown:
        raise MoveRefused(f"The realm {realm.slug} has no client {unknown[0]!r}: nobody was moved.")
    if move.percent is None:
        return found
    return [
        client
        for client in found
        if in_share(client.client_id, move.percent, source=move.source, target=move.target) is not move.back
    ]


def _anything(move: Move) -> Q:
    found = Q()
    for kind in move.kinds:
        found |= used_for(kind, move.ends[0])
    return found


def _columns_that_move(client: Client, move: Move) -> tuple[str, ...]:
    """Which of a client's columns say the algorithm that it leaves; back goes only what came from there."""
    present, _wanted = move.ends
    names = (name for kind in sorted(move.kinds) for name in _COLUMNS[kind])
    return tuple(
        name
        for name in names
        if getattr(client, name) == present and (not move.back or client.moved_algorithms.get(name) == move.source)
    )


def _apply(
    moved: Mapping[Client, tuple[str, ...]], move: Move, *, realm: Realm, actor: str, now: datetime, reason: str
) -> None:
    present, wanted = move.ends
    for client, columns in moved.items():
        before = {name: algorithm for name, algorithm in client.moved_algorithms.items() if name not in columns}
        client.moved_algorithms = before if move.back else {**before, **dict.fromkeys(columns, present)}
        for name in columns:
            setattr(client, name, wanted)
    names = sorted({name for columns in _COLUMNS.values() for name in columns})
    Client.objects.bulk_update(moved, [*names, "moved_algorithms"])
    record_each(
        EventName.CLIENT_ALGORITHM_MOVED,
        targets=[
            (realm.slug, client.client_id, dict.fromkeys(columns, f"{present} → {wanted}"))
            for client, columns in moved.items()
        ],
        actor=actor,
        now=now,
        reason=reason,
    )
