"""Where people were when they signed in: sealed in the audit, and gone with them."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.errors import FactorRefused, SignInRefused, TooManyAttempts
from accounts.models import PersonalKey, User
from accounts.services import personal
from accounts.services.challenges import begin_challenge, complete_challenge
from accounts.services.people import create_member
from accounts.services.personal import make_personal_key, open_personal, personal_key, record_about
from accounts.services.registration import register
from accounts.services.second_factors import prove_recovery_code
from accounts.services.sign_in import SignedIn, sign_in
from accounts.whereabouts import Whereabouts
from audit.hooks import SEALED, VIEW_PERSONAL, personal_fields
from audit.models import Event
from audit.vocabulary import EventName
from keys import api, hooks
from keys.errors import MissingMasterSecret, SealBroken
from keys.services.rewrapping import rewrap_all
from realms.models import Realm
from realms.vocabulary import Registration
from tests.proofs import give_app
from tests.provider import PASSWORD, make_person

pytestmark = pytest.mark.spec("issue 3 of 6: personal fields sealed under a key of the person that is destroyed")
HERE = {"address": "192.0.2.7", "user_agent": "Browser/1"}


def enter(realm: Realm, now: datetime, username: str = "ana", password: str = PASSWORD) -> Any:
    return sign_in(realm=realm, username=username, password=password, now=now, **HERE)


def event(name: EventName) -> Event:
    return Event.objects.filter(name=name).latest("id")


def test_a_sign_in_keeps_where_it_came_from_sealed(realm: Realm, ana: User, now: datetime) -> None:
    enter(realm, now)
    found = event(EventName.SIGN_IN_SUCCEEDED)
    assert found.details.keys() == {SEALED, "methods"}
    assert personal_fields(found) == open_personal(found) == HERE


def test_a_refusal_keeps_it_for_the_person_whose_name_it_was(realm: Realm, ana: User, now: datetime) -> None:
    make_personal_key(ana, now=now)
    with pytest.raises(SignInRefused):
        enter(realm, now, password="wrong")
    found = event(EventName.SIGN_IN_REFUSED)
    assert found.details["fault"] == "wrong_password"
    assert open_personal(found) == HERE


def test_of_a_name_that_nobody_has_nothing_is_kept(
    realm: Realm, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[Whereabouts] = []
    plain = personal.seal_for_nobody

    def watched(whereabouts: Whereabouts, *, now: datetime) -> None:
        worked.append(whereabouts)
        plain(whereabouts, now=now)

    monkeypatch.setattr("accounts.services.sign_in.seal_for_nobody", watched)
    with pytest.raises(SignInRefused):
        enter(realm, now, username="nobody")
    found = event(EventName.SIGN_IN_REFUSED)
    assert (found.details, found.target, personal_fields(found)) == ({"fault": "unknown_name"}, "", None)
    assert worked == [Whereabouts(**HERE)]  # the same work all the same
    assert not PersonalKey.objects.exists()


def test_the_second_half_of_a_sign_in_keeps_it_and_so_does_a_wrong_code(realm: Realm, ana: User, now: datetime) -> None:
    give_app(ana)
    enter(realm, now)
    assert open_personal(event(EventName.SIGN_IN_BEGUN)) == HERE
    challenge = begin_challenge(realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), now=now)
    complete_challenge(challenge, methods=("otp",), now=now, whereabouts=Whereabouts(**HERE))
    assert open_personal(event(EventName.SIGN_IN_SUCCEEDED)) == HERE
    with pytest.raises(FactorRefused):
        prove_recovery_code(person=ana, typed="AAAA-AAAA-AAAA-AAAA", realm=realm, address=HERE["address"], now=now)
    assert open_personal(event(EventName.FACTOR_REFUSED)) == {"address": HERE["address"]}


def test_an_attempt_that_used_up_a_limit_keeps_it_too(realm: Realm, ana: User, now: datetime) -> None:
    make_personal_key(ana, now=now)
    for _attempt in range(20):
        with suppress(SignInRefused, TooManyAttempts):
            enter(realm, now, password="wrong")
    assert open_personal(event(EventName.SIGN_IN_LIMITED)) == HERE


def test_whoever_registers_has_a_key_at_once(realm: Realm, now: datetime) -> None:
    Realm.objects.update(registration=Registration.OPEN)
    realm.refresh_from_db()
    register(realm=realm, username="bo", password="a long enough password", now=now, **HERE)
    assert PersonalKey.objects.get().user.username == "bo"
    assert open_personal(event(EventName.PERSON_CREATED)) == HERE


def test_whoever_is_made_by_others_has_one_and_nothing_is_kept_of_the_others(realm: Realm, now: datetime) -> None:
    create_member(username="bo", password="a long enough password", realm=realm, actor="command:create_user", now=now)
    assert PersonalKey.objects.count() == 1
    assert event(EventName.PERSON_CREATED).details == {"operator": False}


def test_the_key_is_never_in_clear(realm: Realm, ana: User, now: datetime) -> None:
    sealed = make_personal_key(ana, now=now)
    assert sealed is not None
    plain = api.unseal(sealed, column=personal.PERSONAL_KEY, row=str(ana.pk))
    assert len(plain) == 32
    assert plain not in sealed
    assert plain.hex() not in json.dumps(list(Event.objects.values("details")))
    bo = make_person("bo", realm=realm)
    with pytest.raises(SealBroken):
        api.unseal(sealed, column=personal.PERSONAL_KEY, row=str(bo.pk))


def test_nobody_opens_anything_once_the_person_is_gone(realm: Realm, ana: User, now: datetime) -> None:
    enter(realm, now)
    subject = ana.subject
    ana.delete()
    found = event(EventName.SIGN_IN_SUCCEEDED)
    assert (found.target, SEALED in found.details) == (subject, True)
    assert personal_fields(found) is None
    # Somebody else with the same name is somebody else.
    again = make_person("ana", realm=realm)
    make_personal_key(again, now=now)
    assert personal_fields(found) is None


def test_a_seal_that_was_moved_to_another_event_does_not_open(realm: Realm, ana: User, now: datetime) -> None:
    enter(realm, now)
    sealed = event(EventName.SIGN_IN_SUCCEEDED).details
    for changes in (
        {"name": EventName.SIGN_IN_REFUSED},
        {"realm": "other"},
        {"occurred_at": now + timedelta(microseconds=1)},
    ):
        moved = Event(
            **{
                "occurred_at": now,
                "name": EventName.SIGN_IN_SUCCEEDED,
                "realm": realm.slug,
                "target": ana.subject,
                "details": sealed,
                **changes,
            }
        )
        assert open_personal(moved) is None
    bo = make_person("bo", realm=realm)
    make_personal_key(bo, now=now)
    theirs = Event(
        occurred_at=now, name=EventName.SIGN_IN_SUCCEEDED, realm=realm.slug, target=bo.subject, details=sealed
    )
    assert open_personal(theirs) is None


@pytest.mark.parametrize("text", ["", "x", "Ag==", None, 7, {"a": 1}])
def test_garbage_in_its_place_opens_nothing(realm: Realm, ana: User, now: datetime, text: Any) -> None:
    make_personal_key(ana, now=now)
    assert open_personal(Event(occurred_at=now, name="x", target=ana.subject, details={SEALED: text})) is None


def test_a_key_that_cannot_be_opened_keeps_nobody_out(
    realm: Realm, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_personal_key(ana, now=now)

    def missing(*_args: object, **_named: object) -> bytes:
        raise MissingMasterSecret("Sealed by k0.")

    monkeypatch.setattr(api, "unseal", missing)
    assert enter(realm, now).person == ana
    assert event(EventName.SIGN_IN_SUCCEEDED).details == {"methods": "pwd"}
    assert "personal_key.unreadable" in caplog.text
    assert "192.0.2.7" not in caplog.text


def test_no_log_says_where_anybody_was(
    realm: Realm, ana: User, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    enter(realm, now)
    with pytest.raises(SignInRefused):
        enter(realm, now, password="wrong")
    assert "192.0.2.7" not in caplog.text.replace("reserve", "")
    assert "Browser/1" not in caplog.text


@pytest.mark.spec("issue 3 of 6, cost: at most one query more a sign-in")
def test_it_costs_a_sign_in_no_query_once_there_is_a_key(realm: Realm, ana: User, now: datetime) -> None:
    with CaptureQueriesContext(connection) as first:
        enter(realm, now)
    with CaptureQueriesContext(connection) as second:
        enter(realm, now)
    assert len(first) - len(second) == 1
    assert not [query for query in second if 'FROM "accounts_personalkey"' in query["sql"][:60]]
    with CaptureQueriesContext(connection) as unknown, pytest.raises(SignInRefused):
        enter(realm, now, username="nobody")
    with CaptureQueriesContext(connection) as wrong, pytest.raises(SignInRefused):
        enter(realm, now, password="wrong")
    assert len(unknown) == len(wrong)


@pytest.mark.spec("keys.md, rewrap_keys moves every sealed value")
def test_a_rewrap_reaches_it(realm: Realm, ana: User, now: datetime, settings: Any) -> None:
    enter(realm, now)
    assert personal.PERSONAL_KEY in hooks.sealed_columns()
    report = rewrap_all(actor="test", now=now)
    assert report.sealed_by
    assert open_personal(event(EventName.SIGN_IN_SUCCEEDED)) == HERE


def test_others_record_with_it(realm: Realm, ana: User, now: datetime) -> None:
    record_about(
        ana,
        Whereabouts(**HERE),
        EventName.PERSON_CHANGED,
        realm="",
        actor=f"user:{ana.subject}",
        target="something of theirs",
        now=now,
        sealed_key=personal_key(ana, now=now),
        details={"fields": "password"},
    )
    found = event(EventName.PERSON_CHANGED)
    assert (found.details["fields"], open_personal(found)) == ("password", HERE)


def test_to_see_it_takes_a_permission_of_its_own(db: None) -> None:
    app, _, name = VIEW_PERSONAL.partition(".")
    assert Permission.objects.filter(content_type__app_label=app, codename=name).exists()


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own."""
    found: list[Any] = []
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], Any]) -> None:
        try:
            barrier.wait(5)
            found.append(function())
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Two at once make one key, and no key outlives its person."""

    def test_of_several_at_once_one_key_is_made_and_all_use_it(self, now: datetime) -> None:
        ana = make_person(realm=None)
        found = at_once(*[lambda: make_personal_key(ana, now=now)] * 4)
        [row] = PersonalKey.objects.all()
        assert found == [bytes(row.secret)] * 4

    def test_somebody_who_has_just_been_deleted_gets_no_key(self, now: datetime) -> None:
        ana = make_person(realm=None)
        User.objects.filter(pk=ana.pk).delete()
        assert make_personal_key(ana, now=now) is None
