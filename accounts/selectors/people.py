"""Reading people."""

from dataclasses import dataclass

from django.db.models import OuterRef, Q, Subquery

from accounts.claims import PersonFacts
from accounts.models import Membership, PersonalKey, User
from accounts.names import canonical
from realms.models import Realm


def user_exists(username: str) -> bool:
    """Whether somebody has this name, or one that reads the same."""
    return User.objects.filter(username_canonical=canonical(username)).exists()


def named(username: str) -> User | None:
    """Who has this name, or one that reads the same."""
    return User.objects.filter(username_canonical=canonical(username)).first()


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
    """Who a name belongs to.

    Attributes:
        person: their row.
        roles: what they are in a realm; None where they are no member of it.
        personal_key: under which the audit keeps what is personal, sealed; None where they have none yet.
    """

    person: User
    roles: tuple[str, ...] | None
    personal_key: bytes | None


def sign_in_candidate(username: str, *, realm: Realm | None) -> Candidate | None:
    """Who wants to sign in, or None for a name that nobody has.

    One query, whoever it is: a name that nobody has takes no shorter way than one that somebody has.

    Arguments:
        realm: the realm to be signed in to; None for the operators' admin, which asks for none.
    """
    roles = Membership.objects.filter(user=OuterRef("pk"), realm=realm).values("roles")[:1]
    key = PersonalKey.objects.filter(user=OuterRef("pk")).values("secret")[:1]
    named = User.objects.filter(username_canonical=canonical(username))
    person = named.annotate(roles=Subquery(roles), personal_key=Subquery(key)).first()
    if person is None:
        return None
    return Candidate(
        person,
        None if person.roles is None else tuple(person.roles),
        None if person.personal_key is None else bytes(person.personal_key),
    )


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
