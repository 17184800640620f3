"""Sessions begin with a proof and end once."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session as CookieSession
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.acr import joined
from accounts.errors import ChallengeOver
from accounts.hooks import sessions_ended
from accounts.models import Device, Session, User
from accounts.selectors import SESSION_LIFETIME, LiveSession, lineage_of
from accounts.services.presence import noticing_deletion
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import SessionEnd
from audit.services import record, record_each
from audit.vocabulary import EventName
from realms.models import Realm

_KEPT = timedelta(days=7)  # for an operator's eyes
_BATCH = 500


def begin_session(
    *,
    realm: Realm,
    signed_in: SignedIn,
    now: datetime,
    replacing: Session | None = None,
    device: Device | None = None,
) -> Session:
    """Begin a session of a person who proved who they are.

    Arguments:
        realm: the realm that they signed in to; the session counts nowhere else.
        signed_in: the proof; its time is the session's `auth_time`.
        now: aware time, not before the proof.
        replacing: the session that the same browser had in this realm. Somebody else's ends with this; the
            same person's goes on for the clients that know it, and ends with this one.
        device: the browser, as the person's device; None for that of the session that this one continues, or where
            nobody knows it.

    Raises:
        PersonGone: they were deleted since the proof.
    """
    with noticing_deletion(signed_in.person):
        return _begin(realm=realm, signed_in=signed_in, replacing=replacing, device=device, now=now)


def _begin(
    *, realm: Realm, signed_in: SignedIn, replacing: Session | None, device: Device | None, now: datetime
) -> Session:
    person = signed_in.person
    continued = replacing if replacing is not None and replacing.user_id == person.pk else None
    with transaction.atomic():
        session = Session.objects.create(
            user=person,
            realm=realm,
            device=device or (continued.device if continued else None),
            lineage=lineage_of(continued) if continued else "",
            auth_time=signed_in.at,
            methods=list(signed_in.methods),
            created_at=now,
        )
        actor = f"user:{person.subject}"
        record(EventName.SESSION_BEGUN, realm=realm.slug, actor=actor, target=session.sid, now=now)
        if replacing is not None and continued is None:
            end_session(replacing, reason=SessionEnd.REPLACED, actor=actor, now=now)
    return session


def step_up(*, realm: Realm, live: LiveSession, methods: tuple[str, ...], now: datetime) -> Session:
    """Go on with a session after one proof more: a session that continues it, of the same sign-in.

    When the person signed in stays as it was: a second proof is no fresh first one. What clients know of the
    session before stays good, and ends with this one.

    Arguments:
        realm: of the session.
        live: the session; the caller has the browser hold the new one in its place.
        methods: how the further proof was given.
        now: aware time.

    Raises:
        ChallengeOver: the session has ended meanwhile.
        PersonGone: they were deleted in this moment.
    """
    before = live.session
    proved = SignedIn(live.person, live.roles, before.auth_time, joined(tuple(before.methods), methods))
    with noticing_deletion(live.person), transaction.atomic():
        if not hold_session(before):
            raise ChallengeOver("The session has ended.")
        return begin_session(realm=realm, signed_in=proved, replacing=before, now=now)


def end_session(session: Session, *, reason: SessionEnd, actor: str, now: datetime) -> bool:
    """End a session, with those that it continues; of several who try at once, one does.

    Arguments:
        session: its row; ended or not.
        reason: why.
        actor: opaque id of who does it, for the audit.
        now: aware time of the end.

    Returns:
        Whether this call ended it; False where it had ended before.
    """
    root = lineage_of(session)
    together = Session.objects.filter(Q(sid=root) | Q(lineage=root))
    return session.pk in _end(together, reason=reason, actor=actor, now=now)


def hold_session(session: Session) -> bool:
    """Keep a session from ending until the caller's transaction does.

    Returns:
        Whether it stands; False where it has ended since it was read.
    """
    standing = Session.objects.select_for_update(no_key=True).filter(pk=session.pk, ended_at__isnull=True)
    return standing.first() is not None


def end_sessions(sessions: Collection[int], *, reason: SessionEnd, actor: str, now: datetime) -> int:
    """End several sessions, each with those that it continues or that continue it.

    Arguments:
        sessions: primary keys.
        reason, actor, now: as `end_session`.

    Returns:
        How many ended.
    """
    roots = {lineage_of(session) for session in Session.objects.filter(pk__in=sessions)}
    together = Session.objects.filter(Q(sid__in=roots) | Q(lineage__in=roots))
    return len(_end(together, reason=reason, actor=actor, now=now))


def end_sessions_of(
    *people: User,
    reason: SessionEnd,
    actor: str,
    now: datetime,
    realm: Realm | None = None,
    keeping: Session | None = None,
) -> int:
    """End every session of people that has not ended, those included that are over by their age.

    A client may keep its own session for longer than this provider does, so it is told of these too.

    Arguments:
        people: whose.
        reason: why.
        actor: opaque id of who does it, for the audit.
        now: aware time of the end.
        realm: end only those of this realm; None for all.
        keeping: the one that goes on, with those that it continues.

    Returns:
        How many ended.
    """
    theirs = Session.objects.filter(user__in=people)
    if realm is not None:
        theirs = theirs.filter(realm=realm)
    if keeping is not None:
        theirs = theirs.exclude(Q(sid=lineage_of(keeping)) | Q(lineage=lineage_of(keeping)))
    return len(_end(theirs, reason=reason, actor=actor, now=now))


def _end(sessions: QuerySet[Session], *, reason: SessionEnd, actor: str, now: datetime) -> list[int]:
    """End those that stand, write the events, and tell whoever registered; the primary keys of the ended.

    The locks also hold back grants that would begin in these sessions: PostgreSQL checks the foreign key. So a
    grant is there before anybody is told of the end, or begins after it.
    """
    with transaction.atomic():
        standing = sessions.filter(ended_at__isnull=True).select_for_update(of=("self",)).order_by("pk")
        found = list(standing.values_list("pk", "realm__slug", "sid"))
        if not found:
            return []
        ending = [pk for pk, _slug, _sid in found]
        Session.objects.filter(pk__in=ending).update(ended_at=now, end_reason=reason)
        targets = [(slug, sid, {"reason": reason.value}) for _pk, slug, sid in found]
        record_each(EventName.SESSION_ENDED, targets=targets, actor=actor, now=now)
        sessions_ended(ending, now=now)
    return ending


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
