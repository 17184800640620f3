"""Sessions begin with a proof and end once."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session as CookieSession
from django.db import transaction

from accounts.hooks import sessions_ended
from accounts.models import Session, User
from accounts.selectors import SESSION_LIFETIME
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import SessionEnd
from audit.services import record, record_each
from audit.vocabulary import EventName
from realms.models import Realm

_KEPT = timedelta(days=7)  # for an operator's eyes
_BATCH = 500


def begin_session(*, realm: Realm, signed_in: SignedIn, now: datetime, replacing: Session | None = None) -> Session:
    """Begin a session of a person who proved who they are.

    Arguments:
        realm: the realm that they signed in to; the session counts nowhere else.
        signed_in: the proof; its time is the session's `auth_time`.
        now: aware time, not before the proof.
        replacing: the session that the same browser had in this realm. Somebody else's ends with this; the
            same person's goes on for the clients that know it.
    """
    person = signed_in.person
    with transaction.atomic():
        session = Session.objects.create(
            user=person, realm=realm, auth_time=signed_in.at, methods=list(signed_in.methods), created_at=now
        )
        actor = f"user:{person.subject}"
        record(EventName.SESSION_BEGUN, realm=realm.slug, actor=actor, target=session.sid, now=now)
        if replacing is not None and replacing.user_id != person.pk:
            end_session(replacing, reason=SessionEnd.REPLACED, actor=actor, now=now)
    return session


def end_session(session: Session, *, reason: SessionEnd, actor: str, now: datetime) -> bool:
    """End a session; of several who try at once, one does.

    Arguments:
        session: its row; ended or not.
        reason: why.
        actor: opaque id of who does it, for the audit.
        now: aware time of the end.

    Returns:
        Whether this call ended it; False where it had ended before.
    """
    with transaction.atomic():
        ended = Session.objects.filter(pk=session.pk, ended_at__isnull=True).update(ended_at=now, end_reason=reason)
        if not ended:
            return False
        details = {"reason": reason.value}
        record(
            EventName.SESSION_ENDED, realm=session.realm.slug, actor=actor, target=session.sid, now=now, details=details
        )
        sessions_ended([session.pk], now=now)
    return True


def end_sessions_of(person: User, *, reason: SessionEnd, actor: str, now: datetime, realm: Realm | None = None) -> int:
    """End every session of a person that has not ended, those included that are over by their age.

    A client may keep its own session for longer than this provider does, so it is told of these too.

    Arguments:
        person: whose.
        reason: why.
        actor: opaque id of who does it, for the audit.
        now: aware time of the end.
        realm: end only those of this realm; None for all.

    Returns:
        How many ended.
    """
    with transaction.atomic():
        standing = Session.objects.select_for_update(of=("self",)).filter(user=person, ended_at__isnull=True)
        if realm is not None:
            standing = standing.filter(realm=realm)
        found = list(standing.order_by("pk").values_list("pk", "realm__slug", "sid"))
        if not found:
            return 0
        ending = [pk for pk, _slug, _sid in found]
        Session.objects.filter(pk__in=ending).update(ended_at=now, end_reason=reason)
        targets = [(slug, sid, {"reason": reason.value}) for _pk, slug, sid in found]
        record_each(EventName.SESSION_ENDED, targets=targets, actor=actor, now=now)
        sessions_ended(ending, now=now)
    return len(ending)


def purge_dead_sessions(now: datetime) -> int:
    """Delete sessions that counted for the last time a week ago, in small batches.

    By then nothing asks for them: a grant that outlives its session doesn't look at it any more.

    Returns:
        How many were deleted.
    """
    deleted = 0
    while True:
        dead = Session.objects.filter(auth_time__lt=now - SESSION_LIFETIME - _KEPT).values_list("pk", flat=True)
        keys = list(dead[:_BATCH])
        Session.objects.filter(pk__in=keys).delete()
        batch = len(keys)
        deleted += batch
        if batch < _BATCH:
            return deleted


def purge_expired_cookies(now: datetime) -> int:
    """Delete the rows behind cookies that have expired, which Django leaves to whoever runs it.

    Returns:
        How many were deleted.
    """
    deleted, _by_model = CookieSession.objects.filter(expire_date__lt=now).delete()
    return deleted
