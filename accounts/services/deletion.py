"""The end of an account: sessions end, the row goes with all that hangs on it, and the audit stays whole."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from accounts.errors import LastSuperuser, PersonGone
from accounts.models import MailedLink, User
from accounts.selectors.operators import owners
from accounts.services.people import record_people_deleted
from accounts.services.sessions import end_sessions_of
from accounts.vocabulary import SessionEnd


def delete_account(person: User, *, now: datetime) -> None:
    """Delete a person who wants to be gone.

    Grants, consents, factors, devices and the key under which the audit keeps what is personal go with the row, so
    codes and tokens of theirs stand for nothing any more; clients of their sessions are told.

    Arguments:
        person: who proved lately that it is them.
        now: aware time.

    Raises:
        LastSuperuser: they are the only superuser who can come in.
        PersonGone: they were deleted already.
    """
    with transaction.atomic():
        held = part_with([person], reason=SessionEnd.SIGNED_OUT, actor=f"user:{person.subject}", now=now)
        if not held:
            raise PersonGone("The person was deleted already.")
        if held[0].is_superuser and not other_superusers(person).exists():
            raise LastSuperuser("You are the only superuser. Make somebody else one first.")
        held[0].delete()


def other_superusers(person: User) -> QuerySet[User]:
    """The superusers besides a person who can come in."""
    return owners().exclude(pk=person.pk)


def part_with(people: Sequence[User], *, reason: SessionEnd, actor: str, now: datetime) -> list[User]:
    """End what people have, write the events, and hold their rows: the caller deletes them in the same transaction.

    Sessions are locked before people, since whoever begins a grant holds the session until the database checks that
    the person is there. Nothing can begin once the rows are held: what refers to them waits, and finds them gone.
    With a superuser all others are held, so that of two who go at once the second sees that the first has gone.

    Arguments:
        people: whose rows are to be deleted.
        reason: of the end of their sessions.
        actor: opaque id of who does it, for the audit.
        now: aware time.

    Returns:
        Those that are still there.
    """
    keys = {person.pk for person in people}
    superusers = Q(is_superuser=True) if any(person.is_superuser for person in people) else Q(pk__in=keys)
    end_sessions_of(*people, reason=reason, actor=actor, now=now)
    rows = User.objects.filter(Q(pk__in=keys) | superusers).order_by("pk").select_for_update(of=("self",))
    held = [person for person in rows if person.pk in keys]
    end_sessions_of(*held, reason=reason, actor=actor, now=now)  # those that began before the rows were held
    _forget_names(held)
    record_people_deleted(held, actor=actor, now=now)
    return held


def _forget_names(people: Sequence[User]) -> None:
    """Take names and addresses out of rows that outlive their person."""
    addresses = [person.email_canonical for person in people if person.email_canonical]
    MailedLink.objects.alias(folded=Lower("email")).filter(user=None, folded__in=addresses).delete()
    history = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User))
    for person in people:
        history.filter(object_id=str(person.pk)).update(object_repr=person.subject, change_message="")
