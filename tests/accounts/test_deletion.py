"""The end of an account: what goes, what stays, and who gets in between."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.errors import AccountsError, LastSuperuser, PersonGone
from accounts.models import MailedLink, PersonalKey, Session, User
from accounts.services.deletion import delete_account, part_with
from accounts.services.personal import make_personal_key
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import LinkPurpose, SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.proofs import give_app, give_passkey, referring_to_people
from tests.provider import make_person, make_realm

pytestmark = pytest.mark.spec("issue 3 of 6: people delete their account")


def rows_of(person_pk: int) -> dict[str, int]:
    """How many rows of other tables refer to a person."""
    found = {}
    for model, column in referring_to_people():
        found[model._meta.label] = model._default_manager.filter(**{column: person_pk}).count()
    return {label: count for label, count in found.items() if count}


def signed_in(person: User, now: datetime) -> SignedIn:
    return SignedIn(person, (), now, ("pwd",))


def test_the_person_goes_with_all_that_hangs_on_them(realm: Realm, ana: User, now: datetime) -> None:
    give_app(ana)
    give_passkey(ana)
    make_personal_key(ana, now=now)
    session = begin_session(realm=realm, signed_in=signed_in(ana, now), now=now)
    before, pk = Event.objects.count(), ana.pk
    assert len(rows_of(pk)) >= 5
    delete_account(ana, now=now)
    assert not User.objects.filter(pk=pk).exists()
    assert rows_of(pk) == {}
    ended = Event.objects.get(name=EventName.SESSION_ENDED)
    assert (ended.target, ended.details) == (session.sid, {"reason": SessionEnd.SIGNED_OUT})
    deleted = Event.objects.get(name=EventName.PERSON_DELETED)
    assert (deleted.target, deleted.actor) == (ana.subject, f"user:{ana.subject}")
    assert Event.objects.count() == before + 2


def test_no_name_and_no_address_stays_behind(realm: Realm, now: datetime) -> None:
    bo = make_person("bo-surname", realm=realm, email="Bo@Example.org")
    kind = ContentType.objects.get_for_model(User)
    operator = make_person("operator", realm=None, is_staff=True)
    LogEntry.objects.log_actions(operator.pk, [bo], CHANGE, change_message=[{"changed": {"object": "bo-surname in x"}}])
    invited = {"purpose": LinkPurpose.INVITATION, "realm": realm, "created_at": now, "expires_at": now + timedelta(1)}
    MailedLink.objects.create(email="BO@example.org", digest=b"1" * 32, **invited)
    MailedLink.objects.create(email="cy@example.org", digest=b"2" * 32, **invited)
    pk = bo.pk
    delete_account(bo, now=now)
    assert list(MailedLink.objects.values_list("email", flat=True)) == ["cy@example.org"]
    entry = LogEntry.objects.get(content_type=kind, object_id=str(pk))
    assert (entry.object_repr, entry.change_message) == (bo.subject, "")
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in tables:
            query = f'SELECT count(*) FROM "{table}" AS row WHERE row::text ~* %s'  # noqa: S608  (names of our tables)
            cursor.execute(query, ["bo-surname|bo@example"])
            assert cursor.fetchone() == (0,), table


def test_other_people_stay_as_they_are(realm: Realm, ana: User, now: datetime) -> None:
    bo = make_person("bo", realm=realm)
    make_personal_key(bo, now=now)
    session = begin_session(realm=realm, signed_in=signed_in(bo, now), now=now)
    delete_account(ana, now=now)
    session.refresh_from_db()
    assert (session.ended_at, PersonalKey.objects.get().user) == (None, bo)


def test_the_only_superuser_stays(now: datetime, db: None) -> None:
    root = make_person("root", realm=None, is_staff=True, is_superuser=True)
    make_person("off", realm=None, is_staff=True, is_superuser=True, is_active=False)
    make_person("outside", realm=None, is_superuser=True)
    make_person("staff", realm=None, is_staff=True)
    with pytest.raises(LastSuperuser):
        delete_account(root, now=now)
    assert User.objects.filter(pk=root.pk).exists()
    assert not Event.objects.filter(name=EventName.PERSON_DELETED).exists()
    make_person("second", realm=None, is_staff=True, is_superuser=True)
    delete_account(root, now=now)
    assert not User.objects.filter(pk=root.pk).exists()


def test_who_is_gone_already_is_said_to_be(ana: User, now: datetime) -> None:
    delete_account(ana, now=now)
    with pytest.raises(PersonGone):
        delete_account(User(pk=999_999, subject="x"), now=now)
    assert Event.objects.filter(name=EventName.PERSON_DELETED).count() == 1


def test_nobody_signs_in_who_was_deleted_since_the_proof(realm: Realm, ana: User, now: datetime) -> None:
    proof = signed_in(User.objects.get(), now)
    delete_account(ana, now=now)
    with pytest.raises(PersonGone), transaction.atomic():
        _with_constraints_at_once(lambda: begin_session(realm=realm, signed_in=proof, now=now))
    assert not Session.objects.exists()


def _with_constraints_at_once(function: Callable[[], Any]) -> Any:
    """What a commit would check, checked by each statement, since a test's transaction never commits."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return function()


def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """What each gave, or the error that it met, in a thread of its own and all at once."""
    found: list[Any] = [None] * len(functions)
    barrier = threading.Barrier(len(functions))

    def run(place: int) -> None:
        barrier.wait(5)
        try:
            found[place] = functions[place]()
        except (AccountsError, IntegrityError) as error:
            found[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Whatever happens at the same moment, nothing of a deleted person is left."""

    def test_of_two_superusers_who_go_at_once_one_stays(self) -> None:
        now = timezone.now()
        people = [make_person(name, realm=None, is_staff=True, is_superuser=True) for name in ("one", "two")]
        found = in_threads(*(lambda person=person: delete_account(person, now=now) for person in people))
        assert sorted(type(each).__name__ for each in found) == ["LastSuperuser", "NoneType"]
        assert User.objects.filter(is_superuser=True).count() == 1

    def test_of_two_deletions_at_once_one_is_told_that_it_came_late(self) -> None:
        ana, now = make_person(realm=make_realm()), timezone.now()
        found = in_threads(*[lambda: delete_account(User(pk=ana.pk, subject=ana.subject), now=now)] * 3)
        assert sorted(type(each).__name__ for each in found) == ["NoneType", "PersonGone", "PersonGone"]
        assert Event.objects.filter(name=EventName.PERSON_DELETED).count() == 1

    def test_a_sign_in_at_the_same_moment_leaves_nothing(self) -> None:
        realm = make_realm()
        ana, now = make_person(realm=realm), timezone.now()
        held, done = threading.Event(), threading.Event()
        outcome: list[Any] = []

        def sign_in() -> None:
            held.wait(5)
            try:
                outcome.append(begin_session(realm=realm, signed_in=signed_in(ana, now), now=now))
            except PersonGone as error:
                outcome.append(error)
            finally:
                done.set()
                connection.close()

        thread = threading.Thread(target=sign_in)
        thread.start()
        with transaction.atomic():
            [row] = part_with([ana], reason=SessionEnd.SIGNED_OUT, actor="test", now=now)
            held.set()
            assert not done.wait(0.3)  # it waits for the row of the person
            row.delete()
        thread.join(10)
        assert isinstance(outcome[0], PersonGone)
        assert rows_of(ana.pk) == {}

    def test_a_deletion_waits_for_whoever_makes_a_key_and_takes_it_along(self) -> None:
        ana, now = make_person(realm=make_realm()), timezone.now()
        begun, deleted = threading.Event(), threading.Event()

        def delete() -> None:
            begun.wait(5)
            with suppress(PersonGone):
                delete_account(ana, now=now)
            deleted.set()
            connection.close()

        thread = threading.Thread(target=delete)
        thread.start()
        with transaction.atomic():
            assert make_personal_key(ana, now=now)
            begun.set()
            assert not deleted.wait(0.3)
        thread.join(10)
        assert deleted.is_set()
        assert not PersonalKey.objects.exists()
