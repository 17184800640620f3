"""Reading security events. Every way of finding some goes by an index: the table grows for ever."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from audit.hooks import places_of, traces_of
from audit.models import Event
from audit.vocabulary import EventName


def events_about(target: str) -> QuerySet[Event]:
    """The events of one target, newest first."""
    return Event.objects.filter(target=target).order_by("-id")


def of_person(subject: str) -> Q:
    """Of events: all that a person did, and all that happened to them and to what they have.

    Arguments:
        subject: whose; they may be gone.
    """
    said = Q(details__has_key="subject", details__subject=subject)
    return Q(target__in=[subject, *traces_of(subject)]) | Q(actor=f"user:{subject}") | said


def on_days(first: date | None, last: date | None) -> Q:
    """Of events: those from the beginning of one day (UTC) to the end of another; None is no bound."""
    since = Q(occurred_at__gte=_beginning(first)) if first else Q()
    return since & Q(occurred_at__lt=_beginning(last) + timedelta(days=1)) if last else since


def _beginning(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def matching(words: str) -> Q:
    """Of events: those whose target or actor begins so, whose name holds it, or whose reason does.

    Arguments:
        words: as an operator typed them; the kind before an actor's id may be left out.
    """
    names = [name for name in EventName if words.lower() in name]
    by_whom = Q(actor__startswith=words) | Q(actor__startswith=f"user:{words}") | Q(actor__startswith=f"client:{words}")
    because = ~Q(reason="") & Q(reason__icontains=words)
    return Q(target__startswith=words) | by_whom | Q(name__in=names) | because


def latest_of(kinds: Iterable[EventName], *, which: Q, most: int) -> list[Event]:
    """The latest events of some kinds.

    Arguments:
        which: further conditions.
        most: how many at most.
    """
    return list(Event.objects.filter(which, name__in=list(kinds)).order_by("-id")[:most])


def places(events: Collection[Event]) -> dict[int, tuple[str, str]]:
    """Where the target and the actor of each event are looked at: two addresses by the event's id, "" for none.

    A query a kind of thing, however many events there are.
    """
    wanted: dict[str, set[tuple[str, str]]] = {}
    for event in events:
        for noun, thing in (_target(event), _actor(event)):
            wanted.setdefault(noun, set()).add(thing)
    found = {noun: places_of(noun, things) for noun, things in wanted.items()}
    return {event.pk: (_place(found, *_target(event)), _place(found, *_actor(event))) for event in events}


def _place(found: dict[str, Any], noun: str, thing: tuple[str, str]) -> str:
    return str(found[noun].get(thing, ""))


def _target(event: Event) -> tuple[str, tuple[str, str]]:
    return event.name.partition(".")[0], (event.realm, event.target)


def _actor(event: Event) -> tuple[str, tuple[str, str]]:
    kind, _colon, identity = event.actor.partition(":")
    return {"user": "person"}.get(kind, kind), (event.realm, identity)
