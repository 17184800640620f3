"""Reading people."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, OuterRef, Q, Subquery

from accounts.claims import PersonFacts
from accounts.models import Membership, Session, User
from accounts.names import canonical
from realms.models import Realm

SESSION_LIFETIME = timedelta(hours=8)  # from the proof; the browser's cookie lives as long (SESSION_COOKIE_AGE)
_SID = re.compile(r"[A-Za-z0-9_-]{22}")


def user_exists(username: str) -> bool:
    """Whether somebody has this name, or one that reads the same."""
    return User.objects.filter(username_canonical=canonical(username)).exists()


def subject_exists(subject: str) -> bool:
    """Whether somebody has this `sub`."""
    return User.objects.filter(subject=subject).exists()


def name_taken(username: str, *, by_other_than: int | None) -> bool:
    """Whether somebody else has a name that reads the same.

    Arguments:
        by_other_than: primary key of the person who may have it, or None.
    """
    return User.objects.filter(_other_than(by_other_than), username_canonical=canonical(username)).exists()


def address_taken(email: str, *, by_other_than: int | None) -> bool:
    """Whether somebody else has an address that reads the same; "" is nobody's."""
    if not email:
        return False
    return User.objects.filter(_other_than(by_other_than), email_canonical=canonical(email)).exists()


def _other_than(pk: int | None) -> Q:
    return Q() if pk is None else ~Q(pk=pk)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who a name belongs to, and their roles in a realm: None where they are no member of it."""

    person: User
    roles: tuple[str, ...] | None


def sign_in_candidate(username: str, *, realm: Realm | None) -> Candidate | None:
    """Who wants to sign in, or None for a name that nobody has.

    One query, whoever it is: a name that nobody has takes no shorter way than one that somebody has.

    Arguments:
        realm: the realm to be signed in to; None for the operators' admin, which asks for none.
    """
    roles = Membership.objects.filter(user=OuterRef("pk"), realm=realm).values("roles")[:1]
    person = User.objects.filter(username_canonical=canonical(username)).annotate(roles=Subquery(roles)).first()
    if person is None:
        return None
    return Candidate(person, None if person.roles is None else tuple(person.roles))


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
        Session.objects.select_related("user")
        .annotate(roles=Subquery(roles))
        .filter(_standing(now), sid=sid, realm=realm, user__is_active=True, roles__isnull=False)
        .first()
    )
    if session is None:
        return None
    return LiveSession(session, session.user, tuple(session.roles))


def _standing(now: datetime) -> Q:
    """Of sessions: neither ended, nor too old, nor begun with a password that has gone since."""
    still_signed_in = Q(user__signed_out_at__isnull=True) | Q(user__signed_out_at__lte=F("auth_time"))
    return still_signed_in & Q(ended_at__isnull=True, auth_time__gt=now - SESSION_LIFETIME)


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


def person_of(pk: int) -> User:
    """The person with this primary key, which a foreign key says is there."""
    return User.objects.get(pk=pk)


def person_facts(user: User) -> PersonFacts:
    """What claims tell of a person."""
    return PersonFacts(
        username=user.username,
        updated_at=user.updated_at or user.created_at,
        name=user.name,
        given_name=user.given_name,
        family_name=user.family_name,
        locale=user.locale,
        zoneinfo=user.zoneinfo,
        email=user.email,
        email_verified=user.email_verified,
        phone_number=user.phone_number,
        phone_number_verified=user.phone_number_verified,
        address=user.address,
    )
