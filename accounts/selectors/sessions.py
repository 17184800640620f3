"""Reading sessions."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, OuterRef, Q, Subquery

from accounts.models import Membership, Session, User
from realms.models import Realm

SESSION_LIFETIME = timedelta(hours=8)  # from the proof; the browser's cookie lives as long (SESSION_COOKIE_AGE)
_SID = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that counts now.

    Attributes:
        session: its row.
        person: whose it is.
        roles: what they are in the realm.
    """

    session: Session
    person: User
    roles: tuple[str, ...]


def live_session(sid: str, *, realm: Realm, now: datetime) -> LiveSession | None:
    """The session with this `sid`, if it counts in this realm now. One query.

    Arguments:
        sid: from a cookie or an ID token; whatever has another form is nobody's.
        realm: a session of another realm counts for nothing here.
        now: aware time.

    Returns:
        None where it ended or is older than `SESSION_LIFETIME`; where its person is disabled, is no member
        of the realm any more, or has another password since; and where there never was one.
    """
    if not _SID.fullmatch(sid):  # PostgreSQL would refuse some, such as NUL
        return None
    roles = Membership.objects.filter(user=OuterRef("user"), realm=realm).values("roles")[:1]
    session = (
        Session.objects.select_related("user", "device")
        .annotate(roles=Subquery(roles))
        .filter(_standing(now), sid=sid, realm=realm, user__is_active=True, roles__isnull=False)
        .first()
    )
    if session is None:
        return None
    return LiveSession(session, session.user, tuple(session.roles))


def _standing(now: datetime) -> Q:
    """Of sessions: neither ended, nor too old, nor begun with a password that has gone since."""
    return still_signed_in("user", since="auth_time") & Q(ended_at__isnull=True, auth_time__gt=now - SESSION_LIFETIME)


def still_signed_in(person: str, *, since: str) -> Q:
    """That the person has not got another password since a proof.

    Arguments:
        person, since: names of the columns with the person and the time of the proof.
    """
    ended = f"{person}__signed_out_at"
    return Q(**{f"{ended}__isnull": True}) | Q(**{f"{ended}__lte": F(since)})


def standing_sessions(person: User, *, realm: Realm, now: datetime) -> list[Session]:
    """A person's sessions in a realm, the latest sign-in first; of those that one browser had, the last alone.

    Arguments:
        now: aware.
    """
    theirs = Session.objects.filter(_standing(now), user=person, realm=realm).order_by("-auth_time", "-pk")
    latest: dict[str, Session] = {}
    for session in theirs:
        latest.setdefault(lineage_of(session), session)
    return list(latest.values())


def lineage_of(session: Session) -> str:
    """The `sid` of the first of those that one browser had of one person; they end together."""
    return session.lineage or session.sid


def own_session(sid: str, *, person: User, realm: Realm) -> Session | None:
    """A person's session in a realm, ended or not; None where they have none with this `sid`.

    Arguments:
        sid: from a form, however hostile.
    """
    if not _SID.fullmatch(sid):
        return None
    return Session.objects.filter(sid=sid, user=person, realm=realm).first()
