"""Reading people."""

from dataclasses import dataclass

from django.db.models import Case, OuterRef, Q, Subquery, Value, When

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
    """Whether somebody else has a name that reads the same, or an address: they sign in with that too.

    Arguments:
        by_other_than: primary key of the person who may have it, or None.
    """
    asked = canonical(username)
    theirs = Q(username_canonical=asked) | Q(email_canonical=asked)
    return User.objects.filter(_other_than(by_other_than), theirs).exists()


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
    """Who wants to sign in, or None for a name and address that nobody has.

    One query, whoever it is: a name that nobody has takes no shorter way than one that somebody has. A name is
    somebody's before an address is, and an address that nobody confirmed is nobody's.

    Arguments:
        username: a name or an address, as given.
        realm: the realm to be signed in to; None for the operators' admin, which asks for none.
    """
    roles = Membership.objects.filter(user=OuterRef("pk"), realm=realm).values("roles")[:1]
    key = PersonalKey.objects.filter(user=OuterRef("pk")).values("secret")[:1]
    asked = canonical(username)
    by_name, by_address = Q(username_canonical=asked), Q(email_canonical=asked, email_verified=True)
    found = User.objects.filter(by_name | by_address).annotate(roles=Subquery(roles), personal_key=Subquery(key))
    person = found.order_by(Case(When(by_name, then=Value(0)), default=Value(1))).first()
    if person is None:
        return None
    return Candidate(
        person,
        None if person.roles is None else tuple(person.roles),
        None if person.personal_key is None else bytes(person.personal_key),
    )


def reset_candidate(email: str, *, realm: Realm) -> User | None:
    """Who gets a mail with which to choose another password: a member who confirmed this address; or None.

    One query, whoever it is.
    """
    theirs = User.objects.filter(email_canonical=canonical(email), email_verified=True, is_active=True)
    return theirs.filter(memberships__realm=realm).first()


def owner_of_address(email: str) -> User | None:
    """Who has this address, confirmed or by an operator's word; or None. One query, whoever it is."""
    return User.objects.filter(email_canonical=canonical(email)).first()


def may_be_member(person: User, *, realm: Realm) -> bool:
    """Whether a person is an active member of a realm."""
    return Membership.objects.filter(user=person, realm=realm, user__is_active=True).exists()


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


def home_of(person: User) -> Realm | None:
    """The realm that somebody became a member of first, of those that are enabled; None where there is none."""
    found = Membership.objects.filter(user=person, realm__enabled=True).select_related("realm").order_by("created_at")
    first = found.first()
    return None if first is None else first.realm
