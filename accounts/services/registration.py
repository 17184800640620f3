"""People who make their own account (Initiating User Registration via OpenID Connect §4.1)."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts.errors import HashingBusy, NameTaken, RegistrationClosed
from accounts.services.attempts import Place, give_back, reserve_registration
from accounts.services.people import draft_person, save_member
from accounts.services.sign_in import SignedIn
from accounts.whereabouts import Whereabouts
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm
from realms.vocabulary import Registration


def register(
    *, realm: Realm, username: str, password: str, address: str, now: datetime, user_agent: str = ""
) -> SignedIn:
    """Make a person who is a member of a realm, without roles and without an email address.

    An attempt counts as soon as its answer can tell which names are taken, and isn't given back: accounts
    are what is limited here. The hash comes before the answer, so a busy server tells nothing.

    Arguments:
        realm: where they will be a member; names are the whole installation's.
        username: compared in its canonical form.
        password: checked by the validators of the settings, then hashed.
        address: the client's address, for the limits.
        now: aware time of the attempt.
        user_agent: what the person's program says that it is, for the audit.

    Returns:
        The new person, who proved who they are by choosing the password.

    Raises:
        RegistrationClosed: people don't register in this realm.
        NameRefused, WeakPassword: what nobody may have; no attempt is counted.
        TooManyAttempts: a limit is reached; nothing was hashed.
        HashingBusy: this process hashes enough passwords already; no attempt is counted.
        NameTaken: somebody has the name, or one that reads the same.
    """
    if realm.registration != Registration.OPEN:
        raise RegistrationClosed("Registration is closed.")
    person = draft_person(username=username, password=password, now=now)
    places = reserve_registration(address=address, now=now)
    try:
        person.set_password(password)
    except HashingBusy:
        give_back(places)
        raise
    try:
        with transaction.atomic():
            whereabouts = Whereabouts(address, user_agent)
            save_member(person, realm=realm, actor=f"user:{person.subject}", now=now, whereabouts=whereabouts)
            _record_limits(places, realm=realm, now=now)
    except NameTaken:
        with transaction.atomic():
            details = {"fault": "name_taken"}
            record(EventName.REGISTRATION_REFUSED, realm=realm.slug, actor="", target="", now=now, details=details)
            _record_limits(places, realm=realm, now=now)
        raise
    return SignedIn(person, (), now, ("pwd",))


def _record_limits(places: Sequence[Place], *, realm: Realm, now: datetime) -> None:
    """One event for the attempt that emptied a bucket; later ones leave none."""
    for place in places:
        if place.was_last:
            details = {"limit": place.budget.name}
            record(EventName.REGISTRATION_LIMITED, realm=realm.slug, actor="", target="", now=now, details=details)
