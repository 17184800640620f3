"""People who make their own account (Initiating User Registration via OpenID Connect §4.1)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.budget import ADDRESS
from accounts.errors import (
    AccountsError,
    AddressTaken,
    HashingBusy,
    LinkOver,
    NameRefused,
    NameTaken,
    RegistrationClosed,
    WeakPassword,
)
from accounts.models import MailedLink, User
from accounts.names import check_email, check_own_username
from accounts.services.addresses import mail_confirmation
from accounts.services.attempts import Attempt, reserve
from accounts.services.mailed_links import use_link
from accounts.services.people import draft_person, save_member
from accounts.services.places import Place, give_back
from accounts.services.sign_in import SignedIn
from accounts.whereabouts import Whereabouts
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm
from realms.vocabulary import Registration

_FAULTS: Mapping[type[AccountsError], str] = {
    NameTaken: "name_taken",
    AddressTaken: "address_taken",
    LinkOver: "link_over",
}


def register(
    *,
    realm: Realm,
    username: str,
    password: str,
    address: str,
    now: datetime,
    email: str = "",
    user_agent: str = "",
) -> SignedIn:
    """Make a person who is a member of a realm, without roles.

    An attempt counts before the password is looked at, and isn't given back once its answer can tell which names
    are taken: accounts are what is limited here. A weak password counts as a wrong one does, since a list of
    stolen ones may be asked for it, which takes up to seconds. The hash comes before the answer, so a busy server
    tells nothing. Which addresses are taken is told by nothing: the mailbox's owner alone reads it.

    Arguments:
        realm: where they will be a member; names are the whole installation's.
        username: compared in its canonical form; not one that reads like an address.
        password: checked by the validators of the settings, then hashed.
        address: the client's address, for the limits.
        now: aware time of the attempt.
        email: their address, which is theirs once they confirmed it. Wanted where this installation sends mail.
        user_agent: what the person's program says that it is, for the audit.

    Returns:
        The new person, who proved who they are by choosing the password.

    Raises:
        RegistrationClosed: people don't register in this realm.
        NameRefused: what nobody may have; no attempt is counted.
        WeakPassword: nobody may have such a password; it counts against the address alone.
        TooManyAttempts: a limit is reached; nothing was hashed.
        HashingBusy: this process hashes enough passwords already; no attempt is counted.
        NameTaken: somebody has the name, or one that reads the same.
    """
    if realm.registration != Registration.OPEN:
        raise RegistrationClosed("Registration is closed.")
    if bool(email) != settings.IDP_CAN_MAIL:
        raise NameRefused("An email address is needed where mail is sent, and none where it isn't.")
    name = check_own_username(username)
    attempt = Attempt.REGISTRATION_WITH_MAIL if email else Attempt.REGISTRATION
    places = reserve(attempt, username=check_email(email), address=address, now=now)
    person = _draft(places, realm=realm, username=name, password=password, email=email, now=now)
    person.email = ""  # until it is confirmed
    with _counted(places, realm=realm, now=now):
        whereabouts = Whereabouts(address, user_agent)
        save_member(person, realm=realm, actor=f"user:{person.subject}", now=now, whereabouts=whereabouts)
        if email:
            mail_confirmation(person, realm=realm, email=email, now=now)
    return SignedIn(person, (), now, ("pwd",))


def register_invited(
    invitation: MailedLink, *, username: str, password: str, address: str, now: datetime, user_agent: str = ""
) -> SignedIn:
    """Make the person whom an operator invited, with the address that the invitation was mailed to and its roles.

    Arguments:
        invitation: one that stood when it was read.
        username, password, address, now, user_agent: as `register`.

    Raises:
        LinkOver: the invitation was used or withdrawn meanwhile.
        AddressTaken: somebody has an account with this address; they join with that one.
        RegistrationClosed, NameRefused, WeakPassword, TooManyAttempts, HashingBusy, NameTaken: as `register`.
    """
    realm = invitation.realm
    if realm.registration == Registration.CLOSED:
        raise RegistrationClosed("Registration is closed.")
    name = check_own_username(username)
    places = reserve(Attempt.REGISTRATION, address=address, now=now)
    person = _draft(places, realm=realm, username=name, password=password, email=invitation.email, now=now)
    person.email_verified = True  # they opened what was mailed to it
    actor = f"user:{person.subject}"
    with _counted(places, realm=realm, now=now):
        use_link(invitation, now=now)
        whereabouts = Whereabouts(address, user_agent)
        save_member(person, realm=realm, roles=invitation.roles, actor=actor, now=now, whereabouts=whereabouts)
        record(EventName.INVITATION_ACCEPTED, realm=realm.slug, actor=actor, target=str(invitation.pk), now=now)
    return SignedIn(person, tuple(invitation.roles), now, ("pwd",))


def _draft(places: Sequence[Place], *, realm: Realm, username: str, password: str, email: str, now: datetime) -> User:
    """A person with their password hashed, not saved; what is refused gives places back."""
    try:
        person = draft_person(username=username, password=password, email=email, realm=realm, now=now)
        person.set_password(password)
    except HashingBusy:
        give_back(places)
        raise
    except WeakPassword:
        spent = [place for place in places if place.budget is ADDRESS]
        with transaction.atomic():
            give_back([place for place in places if place not in spent])
            _record_limits(spent, realm=realm, now=now)
        raise
    return person


@contextmanager
def _counted(places: Sequence[Place], *, realm: Realm, now: datetime) -> Iterator[None]:
    """A transaction, and the events of its attempt: where it is refused they are written behind it, so they stay."""
    try:
        with transaction.atomic():
            yield
            _record_limits(places, realm=realm, now=now)
    except (NameTaken, AddressTaken, LinkOver) as error:
        with transaction.atomic():
            details = {"fault": _FAULTS[type(error)]}
            record(EventName.REGISTRATION_REFUSED, realm=realm.slug, actor="", target="", now=now, details=details)
            _record_limits(places, realm=realm, now=now)
        raise


def _record_limits(places: Sequence[Place], *, realm: Realm, now: datetime) -> None:
    """One event for the attempt that emptied a bucket; later ones leave none."""
    for place in places:
        if place.was_last:
            details = {"limit": place.budget.name}
            record(EventName.REGISTRATION_LIMITED, realm=realm.slug, actor="", target="", now=now, details=details)
