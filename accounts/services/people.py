"""Making people and their memberships."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.errors import AddressTaken, NameTaken, WeakPassword
from accounts.models import Membership, User
from accounts.names import check_email, check_roles, check_username
from accounts.selectors import address_taken, name_taken
from accounts.services.personal import make_personal_key, record_about
from accounts.whereabouts import NOWHERE, Whereabouts
from audit.services import record, record_each
from audit.vocabulary import EventName
from realms.models import Realm


def create_person(
    *,
    username: str,
    password: str,
    actor: str,
    now: datetime,
    email: str = "",
    operator: bool = False,
) -> User:
    """Make a person.

    Arguments:
        username: compared in its canonical form.
        password: checked by the validators of the settings, then hashed.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.
        email: their address, or "".
        operator: whether they may do everything in the admin. That is the whole installation.

    Raises:
        NameRefused, NameTaken, AddressTaken, WeakPassword: with one sentence each.
        HashingBusy: this process hashes enough passwords already.
    """
    person = draft_person(username=username, password=password, email=email, operator=operator, now=now)
    person.set_password(password)
    save_person(person, actor=actor, now=now)
    return person


def create_member(
    *,
    username: str,
    password: str,
    realm: Realm,
    actor: str,
    now: datetime,
    email: str = "",
    roles: Sequence[str] = (),
    operator: bool = False,
) -> User:
    """Make a person who is a member of a realm, both or neither.

    Arguments and errors are those of `create_person` and `add_member`.
    """
    person = draft_person(username=username, password=password, email=email, operator=operator, now=now)
    person.set_password(password)
    save_member(person, realm=realm, roles=roles, actor=actor, now=now)
    return person


def draft_person(
    *,
    username: str,
    password: str,
    now: datetime,
    email: str = "",
    operator: bool = False,
    realm: Realm | None = None,
) -> User:
    """A person's row, not saved: what holds of it whoever else there is.

    Arguments and errors are those of `create_person`; the realm's name is no password either. Nothing is hashed and
    nothing is asked of the database.
    """
    person = User(
        username=check_username(username),
        email=check_email(email),
        is_staff=operator,
        is_superuser=operator,
        created_at=now,
    )
    check_new_password(password, person=person, realm=realm)
    return person


def check_new_password(password: str, *, person: User, realm: Realm | None = None) -> None:
    """Hold a new password against the rules of the settings. Takes no lock and no transaction: a list may be asked.

    Arguments:
        person: whose it will be; their names are no password.
        realm: where they choose it; its name is none either.

    Raises:
        WeakPassword: with the validators' sentences.
    """
    person.words_of_context = (realm.name, realm.slug) if realm else ()
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages)) from error


def save_person(person: User, *, actor: str, now: datetime, whereabouts: Whereabouts = NOWHERE) -> None:
    """Save a drafted person, whose password is hashed by now: no transaction waits for that.

    Arguments:
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.
        whereabouts: where the person was who made themselves.

    Raises:
        NameTaken, AddressTaken: somebody has the name or the address, or one that reads the same.
    """
    if name_taken(person.username, by_other_than=None):
        raise NameTaken(f"The user name {person.username!r} is taken.")
    if address_taken(person.email, by_other_than=None):
        raise AddressTaken("The email address is taken.")
    try:
        with transaction.atomic():
            person.save()
            key = make_personal_key(person, now=now)
            record_person_created(person, actor=actor, now=now, whereabouts=whereabouts, sealed_key=key)
    except IntegrityError as error:  # somebody was faster
        raise NameTaken(f"The user name {person.username!r} or the address is taken.") from error


def save_member(
    person: User,
    *,
    realm: Realm,
    actor: str,
    now: datetime,
    roles: Sequence[str] = (),
    whereabouts: Whereabouts = NOWHERE,
) -> None:
    """Save a drafted person and their membership in a realm, both or neither.

    Arguments and errors are those of `save_person` and `add_member`.
    """
    with transaction.atomic():
        save_person(person, actor=actor, now=now, whereabouts=whereabouts)
        add_member(person=person, realm=realm, roles=roles, actor=actor, now=now)


def record_person_created(
    person: User,
    *,
    actor: str,
    now: datetime,
    whereabouts: Whereabouts = NOWHERE,
    sealed_key: bytes | None = None,
) -> None:
    """Append the event of a new person; the admin's form writes the row itself.

    Arguments:
        whereabouts, sealed_key: as in `record_about`.
    """
    record_about(
        person,
        whereabouts,
        EventName.PERSON_CREATED,
        realm="",
        actor=actor,
        target=person.subject,
        now=now,
        sealed_key=sealed_key,
        details={"operator": person.is_staff},
    )


def record_people_deleted(people: Sequence[User], *, actor: str, now: datetime) -> None:
    """Append the event of each deleted person; what it names is opaque, so it may outlive them."""
    record_each(EventName.PERSON_DELETED, targets=[("", each.subject, {}) for each in people], actor=actor, now=now)


def record_person_changed(person: User, *, fields: Sequence[str], actor: str, now: datetime) -> None:
    """Append the event of a changed person.

    Arguments:
        fields: names of the columns that changed; never their values.
    """
    record(
        EventName.PERSON_CHANGED,
        realm="",
        actor=actor,
        target=person.subject,
        now=now,
        details={
            "fields": " ".join(sorted(fields)),
            "active": person.is_active,
            "operator": person.is_staff,
        },
    )


def add_member(*, person: User, realm: Realm, roles: Sequence[str] = (), actor: str, now: datetime) -> Membership:
    """Make a person a member of a realm, or give a member other roles.

    Arguments:
        roles: what they are there; each access token carries them.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.

    Raises:
        NameRefused: a role has a form that none may have.
    """
    checked = check_roles(list(roles))
    with transaction.atomic():
        membership, _created = Membership.objects.update_or_create(
            user=person, realm=realm, defaults={"roles": checked}, create_defaults={"roles": checked, "created_at": now}
        )
        record_membership(membership, actor=actor, now=now)
    return membership


def record_membership(membership: Membership, *, actor: str, now: datetime, ended: bool = False) -> None:
    """Append the event of a membership that began, changed or ended."""
    name = EventName.MEMBERSHIP_ENDED if ended else EventName.MEMBERSHIP_CHANGED
    record(name, realm=membership.realm.slug, actor=actor, target=membership.user.subject, now=now)
