"""The outbox of logouts: who has to be told, written with the end of a session, and what becomes of the rows."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Session, User
from accounts.services.sessions import end_sessions_of
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.clock import FakeClock
from tests.provider import make_person, make_realm
from tests.tokens.logouts import Postbox, end, one_logout, session_of, told_client
from tokens.models import Client, Grant, LogoutDelivery
from tokens.selectors import delivery_state
from tokens.services.logout_delivery import deliver_due
from tokens.services.logouts import purge_old_logouts, retry_logouts
from tokens.vocabulary import DeliveryState

SOME_TIME = datetime(2026, 1, 15, tzinfo=UTC)


def deliver(clock: FakeClock, post: Postbox | None = None) -> Counter[DeliveryState]:
    return deliver_due(clock=clock, post=post or Postbox(), chance=lambda: 0.5)


def row() -> LogoutDelivery:
    return LogoutDelivery.objects.get()


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5: the RPs of the session, and no others")
def test_exactly_the_clients_of_the_session_that_want_it_are_told_once_each(
    realm: Realm, ana: User, now: datetime
) -> None:
    app, wiki = told_client(realm, now, "app"), told_client(realm, now, "wiki")
    silent, elsewhere = told_client(realm, now, "silent", uri=""), told_client(realm, now, "elsewhere")
    off = told_client(realm, now, "off")
    session = session_of(ana, realm, now, app, app, wiki, silent, off)
    other = session_of(ana, realm, now, app, elsewhere)
    Client.objects.filter(pk=off.pk).update(enabled=False)
    end(session, now)
    found = list(LogoutDelivery.objects.order_by("client__client_id"))
    assert [(delivery.client, delivery.sid) for delivery in found] == [(app, session.sid), (wiki, session.sid)]
    for delivery in found:
        assert (delivery.realm, delivery.subject) == (realm, ana.subject)
        assert (delivery.created_at, delivery.next_attempt_at, delivery.attempts) == (now, now, 0)
        assert delivery_state(delivery) is DeliveryState.WAITING
    end(other, now)
    assert LogoutDelivery.objects.filter(sid=other.sid).count() == 2


def test_a_client_whose_grant_has_ended_is_told_too(realm: Realm, ana: User, now: datetime) -> None:
    client = told_client(realm, now)
    session = session_of(ana, realm, now, client)
    Grant.objects.update(revoked_at=now, revocation_reason="revoked")
    end(session, now)
    assert row().client == client


def test_a_session_ends_with_its_outbox_or_not_at_all(realm: Realm, ana: User, now: datetime) -> None:
    session = session_of(ana, realm, now, told_client(realm, now))
    with transaction.atomic():
        end(session, now)
        assert LogoutDelivery.objects.exists()
        transaction.set_rollback(True)
    session.refresh_from_db()
    assert session.ended_at is None
    assert not LogoutDelivery.objects.exists()


def test_one_statement_whatever_the_number_of_clients(realm: Realm, ana: User, now: datetime) -> None:
    few = session_of(ana, realm, now, told_client(realm, now, "a"))
    many = session_of(ana, realm, now, *[told_client(realm, now, f"c{number}") for number in range(8)])
    counts = []
    for session in (few, many):
        with CaptureQueriesContext(connection) as queries:
            end(session, now)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert LogoutDelivery.objects.count() == 9


@pytest.mark.spec("issue: a disabled, deleted or departed person, and a new password, end sessions")
def test_all_sessions_of_a_person_end_together_also_old_ones(realm: Realm, ana: User, now: datetime) -> None:
    app, wiki = told_client(realm, now, "app"), told_client(realm, now, "wiki")
    other = make_realm("other")
    away = told_client(other, now)
    long_ago = now - timedelta(days=3)
    sessions = [session_of(ana, realm, now, app), session_of(ana, realm, long_ago, app, wiki)]
    there = session_of(ana, other, now, away)
    session_of(make_person("bo", realm=realm), realm, now, app)
    with CaptureQueriesContext(connection) as queries:
        assert end_sessions_of(ana, reason=SessionEnd.OPERATOR, actor="user:x", now=now, realm=realm) == 2
    assert len(queries) <= 8
    assert end_sessions_of(ana, reason=SessionEnd.OPERATOR, actor="user:x", now=now, realm=realm) == 0
    assert LogoutDelivery.objects.count() == 3
    assert {delivery.sid for delivery in LogoutDelivery.objects.all()} == {session.sid for session in sessions}
    events = Event.objects.filter(name=EventName.SESSION_ENDED)
    assert {event.target for event in events} == {session.sid for session in sessions}
    assert {(event.actor, event.realm, event.details["reason"]) for event in events} == {
        ("user:x", "default", "operator")
    }
    assert end_sessions_of(ana, reason=SessionEnd.OPERATOR, actor="user:x", now=now) == 1
    assert LogoutDelivery.objects.get(sid=there.sid).realm == other
    assert Session.objects.filter(ended_at=None).count() == 1, "somebody else's"


def test_a_client_is_told_of_a_person_who_is_no_more(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    post, subject = Postbox(), ana.subject
    one_logout(ana, realm, now)
    ana.delete()
    assert deliver(clock, post) == {DeliveryState.DELIVERED: 1}
    assert row().subject == subject
    assert len(post.posted) == 1


# --- Operators, and a week later -------------------------------------------------------------------------


def test_what_was_given_up_can_be_tried_again(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    delivery = one_logout(ana, realm, now)
    LogoutDelivery.objects.update(given_up_at=now, attempts=11, last_outcome="500")
    assert deliver(clock) == {}
    assert retry_logouts([delivery.pk], actor="user:x", now=now) == 1
    event = Event.objects.get(name=EventName.LOGOUT_RETRIED)
    assert (event.actor, event.target, event.details) == ("user:x", delivery.sid, {"client_id": "app"})
    assert deliver(clock, Postbox(["500"])) == {DeliveryState.GIVEN_UP: 1}
    retry_logouts([delivery.pk], actor="user:x", now=now)
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}
    assert retry_logouts([delivery.pk], actor="user:x", now=now) == 0
    assert delivery_state(row()) is DeliveryState.DELIVERED


def test_what_is_over_goes_after_a_week_and_what_waits_stays(realm: Realm, ana: User, now: datetime) -> None:
    client = told_client(realm, now)
    long_ago, lately = now - timedelta(days=8), now - timedelta(days=6)
    ends = [
        {"delivered_at": long_ago},
        {"given_up_at": long_ago},
        {"delivered_at": lately},
        {"given_up_at": lately},
        {},
    ]
    for changes in ends:
        session = session_of(ana, realm, now, client)
        end(session, now)
        LogoutDelivery.objects.filter(sid=session.sid).update(created_at=long_ago, attempts=1, **changes)
    assert purge_old_logouts(now) == 2
    assert LogoutDelivery.objects.filter(created_at=long_ago).count() == 3


# --- The database's own rules ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"sid": "x"},
        {"subject": ""},
        {
            "attempts": 1,
            "delivered_at": datetime(2026, 1, 1).astimezone(),
            "given_up_at": datetime(2026, 1, 1).astimezone(),
        },
        {"delivered_at": datetime(2026, 1, 1).astimezone()},
        {"given_up_at": datetime(2026, 1, 1).astimezone()},
        {"last_outcome": "<html>Server error"},
        {"attempts": -1},
    ],
)
def test_the_database_refuses_what_makes_no_sense(
    realm: Realm, ana: User, now: datetime, changes: dict[str, object]
) -> None:
    one_logout(ana, realm, now)
    with pytest.raises(IntegrityError), transaction.atomic():
        LogoutDelivery.objects.update(**changes)


def test_a_client_of_another_realm_is_told_nothing(realm: Realm, ana: User, now: datetime) -> None:
    one_logout(ana, realm, now)
    stranger = told_client(make_realm("other"), now)
    with pytest.raises(IntegrityError, match="logout_delivery_client_of_its_realm"), transaction.atomic():
        LogoutDelivery.objects.update(client=stranger)


def test_a_client_is_told_of_a_session_once(realm: Realm, ana: User, now: datetime) -> None:
    found = one_logout(ana, realm, now)
    found.pk = None
    with pytest.raises(IntegrityError, match="logout_delivery_once_a_session"), transaction.atomic():
        found.save(force_insert=True)
