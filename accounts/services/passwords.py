"""Other passwords: asked for by mail, or chosen by somebody who just proved who they are (NIST SP 800-63B-4 §3.1.1)."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts import letters
from accounts.errors import LinkOver, NoMail, PersonGone
from accounts.models import MailedLink, User
from accounts.names import canonical, check_email
from accounts.selectors import may_be_member, reset_candidate
from accounts.services.attempts import Attempt, reserve
from accounts.services.mailed_links import make_link, use_link
from accounts.services.outbox import post
from accounts.services.people import check_new_password
from accounts.services.places import Place
from accounts.services.sessions import end_sessions_of
from accounts.vocabulary import LinkPurpose, SessionEnd
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm


def ask_for_reset(*, realm: Realm, email: str, address: str, now: datetime) -> None:
    """Mail whoever confirmed an address a link with which they choose another password.

    Nothing tells whether somebody did: for nobody the same statements run, and a mail without content is written.

    Arguments:
        realm: where they have to be a member; the link leads there.
        email: as typed. The mail goes to the address as it was confirmed.
        address: the client's address, for the limits.
        now: aware time.

    Raises:
        NoMail: this installation sends none.
        NameRefused: this is no address; no attempt is counted.
        TooManyAttempts: a limit is reached, of this client or of this mailbox.
    """
    require_mail()
    places = reserve(Attempt.MAIL, username=check_email(email), address=address, now=now)
    person = reset_candidate(email, realm=realm)
    to = person.email if person else email
    with transaction.atomic():
        secret = make_link(purpose=LinkPurpose.RESET_PASSWORD, realm=realm, email=to, person=person, now=now)
        letter = letters.reset_password(realm=realm, username=person.username if person else to, secret=secret)
        post(letter, to=to, now=now, really=person is not None)
        target = person.subject if person else ""
        record(EventName.PASSWORD_RESET_ASKED, realm=realm.slug, actor="", target=target, now=now)
        record_mail_limits(places, realm=realm, now=now)


def reset_password(link: MailedLink, *, password: str, now: datetime) -> User:
    """Give a person the password that they chose behind a link, and end what was got with the old one.

    It signs nobody in: whoever has a second factor proves it at the next sign-in, as ever.

    Arguments:
        link: one for this purpose that stood when it was read.
        password: the new one; never logged, never kept.
        now: aware time.

    Raises:
        LinkOver: it was used or replaced meanwhile, or its person has another address, another password since,
            was disabled or left the realm.
        WeakPassword: nobody may have such a password; the link stays good.
        HashingBusy: this process hashes enough passwords already; the link stays good.
    """
    person = link.user
    if person is None or not _may_reset(person, link):
        raise LinkOver("The link is no longer good.")
    check_new_password(password, person=person, realm=link.realm)
    person.set_password(password)  # before the transaction, which waits for nobody's hash
    with transaction.atomic():
        use_link(link, now=now)
        if not _may_reset(User.objects.get(pk=person.pk), link):  # their row is held now, and the list took a while
            raise LinkOver("The link is no longer good.")
        _take(person, realm=link.realm, by="reset", now=now)
    return person


def change_password(person: User, *, realm: Realm, password: str, now: datetime) -> None:
    """Give somebody who just proved who they are another password, and end all their sessions.

    The one that they choose it in ends too: to choose a password proves nothing, so no session could go on with an
    `auth_time` that is true and not before the change. They sign in with the new one.

    Arguments:
        person: whose it is.
        realm: where they choose it.
        password: the new one; never logged, never kept.
        now: aware time.

    Raises:
        WeakPassword: nobody may have such a password.
        HashingBusy: this process hashes enough passwords already.
        PersonGone: they were deleted meanwhile.
    """
    check_new_password(password, person=person, realm=realm)
    person.set_password(password)
    with transaction.atomic():
        if User.objects.select_for_update(no_key=True).filter(pk=person.pk).first() is None:
            raise PersonGone("The person was deleted in this moment.")
        _take(person, realm=realm, by="person", now=now)


def require_mail() -> None:
    """Go on only where mail can be sent.

    Raises:
        NoMail: the settings name no server for it.
    """
    if not settings.IDP_CAN_MAIL:
        raise NoMail("This installation sends no mail.")


def record_mail_limits(places: Sequence[Place], *, realm: Realm, now: datetime) -> None:
    """One event for each limit that an attempt used up; later ones leave none."""
    for place in places:
        if place.was_last:
            details = {"limit": place.budget.name}
            record(EventName.MAIL_LIMITED, realm=realm.slug, actor="", target="", now=now, details=details)


def _may_reset(person: User, link: MailedLink) -> bool:
    """Whether the link still leads to who it was mailed to."""
    same = person.email_verified and canonical(person.email) == canonical(link.email)
    return same and may_be_member(person, realm=link.realm)


def _take(person: User, *, realm: Realm, by: str, now: datetime) -> None:
    """Save the new password, end sessions, and tell the person, in the caller's transaction."""
    person.save(update_fields=["password", "signed_out_at"])
    actor = f"user:{person.subject}"
    details = {"by": by}
    record(EventName.PASSWORD_CHANGED, realm=realm.slug, actor=actor, target=person.subject, now=now, details=details)
    end_sessions_of(person, reason=SessionEnd.SIGNED_OUT, actor=actor, now=now)
    if person.email_verified and settings.IDP_CAN_MAIL:
        post(letters.password_changed(realm=realm, username=person.username), to=person.email, now=now)
