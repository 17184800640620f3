"""Making people: names once, passwords by the rules, an event for each change."""

import re
from datetime import datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.errors import AddressTaken, NameRefused, NameTaken, WeakPassword
from accounts.models import Membership, User
from accounts.selectors import address_taken, name_taken, user_exists
from accounts.services import people
from accounts.services.people import add_member, create_member, create_person
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import PASSWORD, make_person

pytestmark = pytest.mark.django_db


@pytest.mark.spec("OIDC Core §2 sub")
def test_a_person_gets_a_random_subject_and_a_hashed_password(now: datetime) -> None:
    one = create_person(username="Ana", email="Ana@Example.org", password=PASSWORD, actor="test", now=now)
    other = create_person(username="Ben", password=PASSWORD, actor="test", now=now)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", one.subject)
    assert one.subject != other.subject
    assert one.password.startswith("argon2$")
    assert (one.username, one.username_canonical, one.email_canonical) == ("Ana", "ana", "ana@example.org")
    assert other.email_canonical is None
    assert not one.is_staff
    assert not one.is_superuser
    assert str(one) == "Ana"


def test_an_operator_may_do_everything_in_the_admin(now: datetime) -> None:
    person = create_person(username="root", password=PASSWORD, operator=True, actor="test", now=now)
    assert person.is_staff
    assert person.is_superuser


def test_the_event_of_a_new_person_holds_ids_alone(now: datetime) -> None:
    person = create_person(username="Ana", email="ana@example.org", password=PASSWORD, actor="test", now=now)
    event = Event.objects.get(name=EventName.PERSON_CREATED)
    assert event.target == person.subject
    assert "ana" not in f"{event.target} {event.details} {event.actor}".lower().replace(person.subject.lower(), "")


@pytest.mark.parametrize("name", ["ana", "ANA", "ａｎａ"])
def test_a_name_that_reads_like_another_is_taken(name: str, now: datetime) -> None:
    make_person("Ana", realm=None)
    assert user_exists(name)
    with pytest.raises(NameTaken):
        create_person(username=name, password=PASSWORD, actor="test", now=now)


def test_an_address_that_reads_like_another_is_taken(now: datetime) -> None:
    make_person("ana", realm=None, email="Ana@example.org")
    with pytest.raises(AddressTaken):
        create_person(username="ben", email="ana@EXAMPLE.org", password=PASSWORD, actor="test", now=now)


def test_nobody_is_in_their_own_way() -> None:
    ana = make_person("ana", realm=None, email="ana@example.org")
    assert name_taken("Ana", by_other_than=None)
    assert not name_taken("Ana", by_other_than=ana.pk)
    assert address_taken("ana@example.org", by_other_than=None)
    assert not address_taken("ana@example.org", by_other_than=ana.pk)
    assert not address_taken("", by_other_than=None)


def test_of_two_who_take_a_name_at_once_one_gets_it(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    make_person("ana", realm=None)
    monkeypatch.setattr(people, "name_taken", lambda *_args, **_kwargs: False)
    with pytest.raises(NameTaken):
        create_person(username="Ana", password=PASSWORD, actor="test", now=now)


@pytest.mark.parametrize("password", ["short", "password1234", "anamaria.garcia"])
def test_a_weak_password_is_refused_in_the_validators_words(password: str, now: datetime) -> None:
    with pytest.raises(WeakPassword, match="password"):
        create_person(username="anamaria.garcia", password=password, actor="test", now=now)
    assert not User.objects.exists()


def test_a_refused_role_leaves_no_person_behind(realm: Realm, now: datetime) -> None:
    with pytest.raises(NameRefused):
        create_member(username="ana", password=PASSWORD, realm=realm, roles=["no good"], actor="test", now=now)
    assert not User.objects.exists()


def test_a_member_can_be_given_other_roles(realm: Realm, ana: User, now: datetime) -> None:
    membership = add_member(person=ana, realm=realm, roles=["reader"], actor="test", now=now)
    assert Membership.objects.get().roles == ["reader"]
    assert str(membership) == "ana in default"
    assert Event.objects.filter(name=EventName.MEMBERSHIP_CHANGED, target=ana.subject, realm="default").exists()


@pytest.mark.spec("OIDC Core §2 sub")
def test_the_database_refuses_to_change_a_subject() -> None:
    person = make_person(realm=None)
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        User.objects.filter(pk=person.pk).update(subject="x" * 22)
    person.username = "somebody-else"
    person.save()
    assert User.objects.get(pk=person.pk).username_canonical == "somebody-else"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_user SET username_canonical = ''",
        "UPDATE accounts_membership SET roles = '{}'",
        """INSERT INTO accounts_membership (user_id, realm_id, roles, created_at)
           SELECT user_id, realm_id, '[]', now() FROM accounts_membership""",
    ],
)
def test_the_database_refuses_what_must_not_be(statement: str, ana: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_djangos_own_commands_find_and_make_people_by_the_same_rules() -> None:
    person = User.objects.create_superuser(username="Root", password=PASSWORD)
    assert person.is_superuser
    assert User.objects.get_by_natural_key("rOOt") == person
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key(None)


def test_djangos_forms_refuse_the_same_names_and_addresses() -> None:
    for form in ({"username": "a b"}, {"username": "ana", "email": "a@b@c"}):
        with pytest.raises(ValidationError):
            User(password="x", **form).full_clean()
