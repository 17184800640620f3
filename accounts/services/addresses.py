"""Email addresses: an address is somebody's once they opened what was mailed to it, and not before."""

from datetime import datetime

from django.db import IntegrityError, transaction

from accounts import letters
from accounts.errors import AddressTaken, LinkOver
from accounts.models import MailedLink, User
from accounts.names import check_email
from accounts.selectors import owner_of_address
from accounts.services.attempts import Attempt, reserve
from accounts.services.mailed_links import make_link, use_link
from accounts.services.outbox import post
from accounts.services.passwords import record_mail_limits, require_mail
from accounts.services.people import record_person_changed
from accounts.vocabulary import LinkPurpose
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm


def mail_confirmation(person: User, *, realm: Realm, email: str, now: datetime) -> None:
    """Mail a link that confirms an address, in the caller's transaction.

    Where the address is somebody's already, its owner gets a mail that says so, and nobody else learns of it: the
    link is made all the same, and its secret goes nowhere.

    Arguments:
        person: who wants the address.
        realm: where they want it; the link leads there.
        email: the address; checked, and within the limits.
        now: aware time.
    """
    owner = owner_of_address(email)
    secret = make_link(purpose=LinkPurpose.CONFIRM_ADDRESS, realm=realm, email=email, person=person, now=now)
    ours = letters.confirm_address(realm=realm, secret=secret)
    theirs = letters.address_in_use(realm=realm)
    free = owner is None or owner.pk == person.pk
    post(ours if free else theirs, to=owner.email if owner else email, now=now)
    actor = f"user:{person.subject}"
    details = {"purpose": LinkPurpose.CONFIRM_ADDRESS.value}
    record(EventName.LINK_MAILED, realm=realm.slug, actor=actor, target=person.subject, now=now, details=details)


def ask_for_address(person: User, *, realm: Realm, email: str, address: str, now: datetime) -> None:
    """Mail somebody who just proved who they are a link that gives them another address, and tell the present one.

    Arguments:
        person: who wants it.
        realm: where they want it.
        email: the new address, as typed.
        address: the client's address, for the limits.
        now: aware time.

    Raises:
        NoMail: this installation sends none.
        NameRefused: this is no address; no attempt is counted.
        TooManyAttempts: a limit is reached, of this client or of this mailbox.
    """
    require_mail()
    places = reserve(Attempt.MAIL, username=check_email(email), address=address, now=now)
    with transaction.atomic():
        mail_confirmation(person, realm=realm, email=email, now=now)
        if person.email_verified:
            post(letters.address_changing(realm=realm, username=person.username), to=person.email, now=now)
        record_mail_limits(places, realm=realm, now=now)


def confirm_address(link: MailedLink, *, now: datetime) -> User:
    """Give a person the address whose mail they opened.

    Arguments:
        link: one for this purpose that stood when it was read.
        now: aware time.

    Raises:
        LinkOver: it was used or replaced meanwhile, or its person was disabled or has another password since.
        AddressTaken: somebody else has confirmed the address meanwhile; the link stays good.
    """
    if link.user_id is None:
        raise LinkOver("The link is no longer good.")
    try:
        with transaction.atomic():
            use_link(link, now=now)
            person = User.objects.get(pk=link.user_id)
            person.email, person.email_verified, person.updated_at = link.email, True, now
            person.save(update_fields=["email", "email_canonical", "email_verified", "updated_at"])
            actor = f"user:{person.subject}"
            record(EventName.ADDRESS_CONFIRMED, realm=link.realm.slug, actor=actor, target=person.subject, now=now)
            record_person_changed(person, fields=["email", "email_verified"], actor=actor, now=now)
    except IntegrityError as error:
        raise AddressTaken("The email address is taken.") from error
    return person
