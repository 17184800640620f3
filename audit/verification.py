"""Going over the hash chain from its beginning: which event was changed, removed or moved, which seal doesn't hold."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef

from audit.chain import FIRST, digest_of, head_of
from audit.models import Event, Seal, SealedEvent
from audit.sealing import COLUMNS

# Holds the signature of a seal's head; "" where it is good, else a sentence about what is wrong.
CheckSignature = Callable[[Seal], str]


@dataclass(slots=True)
class Findings:
    """What was looked at, and what is wrong.

    Attributes:
        seals, events: how many there are in the chain.
        head: the youngest one, in hexadecimal; "" for an empty chain.
        unsealed: how many events are in no batch yet.
        unsealed_since: when the oldest of them happened.
        faults: one sentence each; empty where the chain is whole.
        doubts: signatures that vouch for nothing any more, where a later one vouches for the same.
    """

    seals: int = 0
    events: int = 0
    head: str = ""
    unsealed: int = 0
    unsealed_since: datetime | None = None
    faults: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def verify_chain(*, check_signature: CheckSignature, noted: Mapping[int, str] | None = None) -> Findings:
    """Hold every event and every seal against the chain, a batch at a time.

    Arguments:
        check_signature: holds a head's signature.
        noted: heads that somebody noted down elsewhere, in hexadecimal by their numbers; without one nobody can
            see that the youngest batches were cut off with all their events.
    """
    found, before, unvouched = Findings(), (0, FIRST), list[str]()
    missing = dict(noted or {})
    for seal in Seal.objects.order_by("number").iterator():
        head = bytes(seal.head)
        found.faults += _faults_of(seal, before, found)
        if missing.pop(seal.number, head.hex()) != head.hex():
            found.faults.append(f"Seal {seal.number} is not the one that was noted down.")
        wrong = check_signature(seal)
        if wrong:
            unvouched.append(wrong)
        else:  # and so it vouches for all the heads before it
            found.doubts += unvouched
            unvouched.clear()
        before, found.seals, found.head = (seal.number, head), found.seals + 1, head.hex()
    found.faults += unvouched
    found.faults += [f"Seal {number}, which was noted down, is missing." for number in sorted(missing)]
    _count_unsealed(found)
    return found


def _faults_of(seal: Seal, before: tuple[int, bytes], found: Findings) -> Iterator[str]:
    number, head = before
    if (seal.number, bytes(seal.previous)) != (number + 1, head):
        yield f"Seal {seal.number} doesn't follow seal {number}: one was removed, added or exchanged."
    members = list(SealedEvent.objects.filter(seal=seal).order_by("position"))
    found.events += len(members)
    ids = [member.event for member in members]
    rows = {row["id"]: row for row in Event.objects.filter(pk__in=ids).values(*COLUMNS)}
    for member in members:
        if member.event not in rows:
            yield f"Event {member.event} was removed."
        elif digest_of(rows[member.event]) != bytes(member.digest):
            yield f"Event {member.event} was changed."
    digests = [bytes(member.digest) for member in members]
    sealed = head_of(number=seal.number, previous=bytes(seal.previous), sealed_at=seal.sealed_at, digests=digests)
    if sealed != bytes(seal.head):
        yield f"The batch of seal {seal.number} is not the one that was sealed{_moved(ids)}."


def _moved(ids: list[int]) -> str:
    """Which events stand in another order than the one in which every batch is sealed."""
    moved = [str(one) for one, other in zip(ids, sorted(ids), strict=True) if one != other]
    return f": events {', '.join(moved)} were re-ordered" if moved else ": an event was added, removed or exchanged"


def _count_unsealed(found: Findings) -> None:
    sealed = SealedEvent.objects.filter(event=OuterRef("pk"))
    waiting = Event.objects.filter(~Exists(sealed)).aggregate(count=Count("pk"), since=Min("occurred_at"))
    found.unsealed, found.unsealed_since = waiting["count"], waiting["since"]
