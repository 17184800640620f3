"""Who is told, when, and how often: the outbox under injected time, without a network."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Session, User
from accounts.services.sessions import end_sessions_of
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from keys.algorithms import Purpose
from keys.hooks import run_housekeeping
from keys.models import KeyRing
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.keys.test_concurrent_writers import InThread, waiting_for_a_lock
from tests.provider import distrust, make_person, make_realm
from tests.relying_party import relying_party
from tests.tokens.logouts import URI, Postbox, end, one_logout, session_of, told_client
from tokens.models import Client, Grant, new_grant_id
from tokens.outbox import LogoutDelivery
from tokens.redelivery import PAUSES
from tokens.selectors import delivery_state, next_logout_attempt
from tokens.services.courier import courier
from tokens.services.logout_delivery import LEASE, deliver_due
from tokens.services.logouts import purge_old_logouts, retry_logouts
from tokens.vocabulary import DeliveryState, LogoutFailure

SECOND = timedelta(seconds=1)
SOME_TIME = datetime(2026, 1, 15, tzinfo=UTC)


def deliver(clock: FakeClock, post: Postbox | None = None) -> Counter[DeliveryState]:
    return deliver_due(clock=clock, post=post or Postbox(), chance=lambda: 0.5)


def row() -> LogoutDelivery:
    return LogoutDelivery.objects.get()


# --- What is written with the end of a session ----------------------------------------------------------


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


# --- Attempts ------------------------------------------------------------------------------------------


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.8: 200, or 204, is success")
@pytest.mark.parametrize("status", ["200", "204"])
def test_a_client_that_took_it_hears_no_more(
    realm: Realm, ana: User, now: datetime, clock: FakeClock, status: str
) -> None:
    post = Postbox([status])
    one_logout(ana, realm, now)
    assert deliver(clock, post) == {DeliveryState.DELIVERED: 1}
    found = row()
    assert (found.delivered_at, found.attempts, found.last_outcome, found.given_up_at) == (now, 1, status, None)
    clock.advance(timedelta(days=2))
    assert deliver(clock, post) == {}
    assert [uri for uri, _token in post.posted] == [URI]
    assert next_logout_attempt() is None


def test_failures_are_tried_again_later_and_later_and_then_given_up(
    realm: Realm, ana: User, now: datetime, clock: FakeClock
) -> None:
    post = Postbox(["500"])
    delivery = one_logout(ana, realm, now)
    for number, pause in enumerate(PAUSES, start=1):
        assert deliver(clock, post) == {DeliveryState.WAITING: 1}
        found = row()
        assert (found.attempts, found.next_attempt_at, found.last_outcome) == (number, clock.now + pause, "500")
        clock.advance(pause - SECOND)
        assert deliver(clock, post) == {}
        clock.advance(SECOND)
    assert deliver(clock, post) == {DeliveryState.GIVEN_UP: 1}
    assert (row().given_up_at, row().attempts) == (clock.now, len(PAUSES) + 1)
    event = Event.objects.get(name=EventName.LOGOUT_GIVEN_UP)
    assert (event.target, event.details) == (
        delivery.sid,
        {"client_id": "app", "outcome": "500", "attempts": len(PAUSES) + 1},
    )
    clock.advance(timedelta(days=3))
    assert deliver(clock, post) == {}
    assert len({token for _uri, token in post.posted}) == len(PAUSES) + 1, "a fresh token each time"


def test_a_client_that_says_no_is_left_alone_sooner(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    post = Postbox(["400"])
    one_logout(ana, realm, now)
    while delivery_state(row()) is DeliveryState.WAITING:
        deliver(clock, post)
        clock.now = max(clock.now, row().next_attempt_at)
    assert len(post.posted) == 5
    assert clock.now - now < timedelta(minutes=15)


def test_a_client_that_recovers_is_told(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    post = Postbox(["503", LogoutFailure.TIMEOUT, "200"])
    one_logout(ana, realm, now)
    for _ in range(3):
        deliver(clock, post)
        clock.now = max(clock.now, row().next_attempt_at)
    assert delivery_state(row()) is DeliveryState.DELIVERED
    assert row().attempts == 3


@pytest.mark.parametrize(
    ("change", "outcome", "state"),
    [
        ({"enabled": False}, LogoutFailure.CLIENT_DISABLED, DeliveryState.WAITING),
        ({"backchannel_logout_uri": ""}, LogoutFailure.NO_ADDRESS, DeliveryState.GIVEN_UP),
    ],
)
def test_a_client_that_was_changed_meanwhile_gets_nothing(
    realm: Realm, ana: User, now: datetime, clock: FakeClock, change: dict[str, object], outcome: str, state: str
) -> None:
    post = Postbox()
    one_logout(ana, realm, now)
    Client.objects.update(**change)
    assert deliver(clock, post) == {state: 1}
    assert row().last_outcome == outcome
    assert post.posted == []


def test_a_disabled_client_or_realm_that_comes_back_is_told(
    realm: Realm, ana: User, now: datetime, clock: FakeClock
) -> None:
    post = Postbox()
    one_logout(ana, realm, now)
    Realm.objects.update(enabled=False)
    assert deliver(clock, post) == {DeliveryState.WAITING: 1}
    assert (row().last_outcome, post.posted) == (LogoutFailure.REALM_DISABLED, [])
    Realm.objects.update(enabled=True)
    clock.advance(PAUSES[0])
    assert deliver(clock, post) == {DeliveryState.DELIVERED: 1}


def test_another_address_is_used_from_the_next_attempt_on(
    realm: Realm, ana: User, now: datetime, clock: FakeClock
) -> None:
    post = Postbox(["500", "200"])
    one_logout(ana, realm, now)
    deliver(clock, post)
    Client.objects.update(backchannel_logout_uri="https://new.example.org/")
    clock.advance(PAUSES[0])
    deliver(clock, post)
    assert [uri for uri, _token in post.posted] == [URI, "https://new.example.org/"]


def test_without_a_key_it_waits(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    post = Postbox()
    one_logout(ana, realm, now)
    distrust(Purpose.SIGN)
    assert deliver(clock, post) == {DeliveryState.WAITING: 1}
    assert (row().last_outcome, post.posted) == (LogoutFailure.NO_KEY, [])
    for ring in KeyRing.objects.filter(purpose=Purpose.SIGN):
        rotate(ring, now=now, actor="test")
    signer.forget()
    clock.advance(PAUSES[0])
    assert deliver(clock, post) == {DeliveryState.DELIVERED: 1}


def test_a_client_that_is_away_keeps_no_other_waiting(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    away, app = told_client(realm, now, "away", uri="https://away.example.org/"), told_client(realm, now, "app")
    for _ in range(5):
        end(session_of(ana, realm, now, away), now)
    deliver(clock, Postbox(["500"]))
    clock.advance(PAUSES[0])
    end(session_of(ana, realm, clock.now, app), clock.now)
    post = Postbox(["500"])
    deliver(clock, post)
    assert [uri for uri, _token in post.posted] == [URI] + ["https://away.example.org/"] * 5


# --- Leases --------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The worker's end, in the middle of a request."""


@pytest.mark.spec("issue: a worker that is killed in the middle loses nothing")
def test_a_worker_that_dies_leaves_a_lease_that_runs_out(
    realm: Realm, ana: User, now: datetime, clock: FakeClock
) -> None:
    def die() -> None:
        raise Killed

    one_logout(ana, realm, now)
    with pytest.raises(Killed):
        deliver(clock, Postbox(meanwhile=die))
    assert (row().attempts, row().next_attempt_at) == (1, now + LEASE)
    clock.advance(LEASE - SECOND)
    assert deliver(clock) == {}, "the lease holds"
    clock.advance(SECOND)
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}
    assert row().attempts == 2


def test_whoever_was_too_slow_undoes_nothing(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    """Its lease ran out, and another worker delivered meanwhile; or failed, and waits for another moment."""
    one_logout(ana, realm, now)

    def overtake(outcome: str) -> None:
        clock.advance(LEASE)
        deliver(clock, Postbox([outcome]))
        clock.advance(SECOND)

    deliver(clock, Postbox(["500"], meanwhile=lambda: overtake("503")))
    assert (row().attempts, row().last_outcome, row().next_attempt_at) == (2, "503", clock.now - SECOND + PAUSES[1])
    clock.now = row().next_attempt_at
    deliver(clock, Postbox(["500"], meanwhile=lambda: overtake("200")))
    assert delivery_state(row()) is DeliveryState.DELIVERED
    assert row().last_outcome == "200"


def test_a_late_success_is_a_success(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    one_logout(ana, realm, now)

    def overtake() -> None:
        clock.advance(LEASE)
        deliver(clock, Postbox(["503"]))

    deliver(clock, Postbox(["200"], meanwhile=overtake))
    assert delivery_state(row()) is DeliveryState.DELIVERED


def test_nothing_is_locked_while_a_client_is_waited_for(
    realm: Realm, ana: User, now: datetime, clock: FakeClock
) -> None:
    """Under pytest-django a transaction is always open, so what is counted is how many there are."""
    one_logout(ana, realm, now)
    before, inside = len(connection.savepoint_ids), []
    deliver(clock, Postbox(meanwhile=lambda: inside.append(len(connection.savepoint_ids))))
    assert inside == [before]


@pytest.mark.spec("issue: a worker takes one row at a time, so that its lease is long enough")
def test_a_claim_takes_one_row(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    client = told_client(realm, now)
    for _ in range(30):
        end(session_of(ana, realm, now, client), now)
    with connection.cursor() as cursor:  # the plan under which the inner question could be asked for each row
        cursor.execute(
            "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_hashagg = off"
        )
        cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_material = off; SET LOCAL enable_indexscan = off")
    counts: list[int] = []
    deliver(clock, Postbox(meanwhile=lambda: counts.append(LogoutDelivery.objects.filter(attempts=0).count())))
    assert counts == list(range(29, -1, -1))


@pytest.fixture
def committed(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Realm:
    """A realm in a database that other connections see, and no courier."""
    monkeypatch.setattr(courier, "wake", lambda: None)
    return make_realm()


@pytest.mark.spec("issue: each row is posted once per lease, whoever delivers")
def test_of_twenty_at_once_each_row_is_posted_once(committed: Realm, now: datetime) -> None:
    person = make_person("cleo", realm=committed)
    client = told_client(committed, now)
    for _ in range(40):
        end(session_of(person, committed, now, client), now)
    start, lock, posted = threading.Barrier(20, timeout=30), threading.Lock(), list[str]()
    outside = []

    def post(_uri: str, token: str) -> str:
        with lock:
            posted.append(token)
            outside.append(connection.in_atomic_block)
        return "200"

    def work() -> None:
        try:
            start.wait()
            deliver_due(clock=lambda: now, post=post, chance=lambda: 0.5)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(posted) == len(set(posted)) == 40
    assert set(outside) == {False}, "no transaction is open while a client is waited for"
    assert LogoutDelivery.objects.filter(delivered_at=now, attempts=1).count() == 40


@pytest.mark.spec("issue: a grant is there before anybody is told of the end, or begins after it")
def test_a_grant_that_begins_meanwhile_waits_for_the_end(committed: Realm, now: datetime) -> None:
    client = told_client(committed, now)
    session = session_of(make_person("cleo", realm=committed), committed, now, client)
    late = Grant.objects.get()
    late.pk = new_grant_id()

    held, release = threading.Event(), threading.Event()

    def end_slowly() -> None:
        with transaction.atomic():
            end(session, now)
            held.set()
            assert release.wait(20)

    ending = InThread(end_slowly)
    assert held.wait(20)
    beginning = InThread(lambda: late.save(force_insert=True))
    while not waiting_for_a_lock():
        assert beginning.is_alive(), "it didn't wait"
    release.set()
    assert [ending.outcome(), beginning.outcome()] == [None, None]
    assert Grant.objects.count() == 2


# --- Operators and housekeeping -------------------------------------------------------------------------


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


def test_rotate_keys_delivers_what_still_waits(realm: Realm, ana: User, now: datetime) -> None:
    with relying_party() as party:
        one_logout(ana, realm, now, uri=party.uri)
        done = run_housekeeping(now)
    assert (done["delivered logouts"], done["old logouts"]) == (1, 0)
    assert len(party.taken) == 1


def test_it_ends_in_time(realm: Realm, ana: User, now: datetime, clock: FakeClock) -> None:
    client = told_client(realm, now)
    for _ in range(3):
        end(session_of(ana, realm, now, client), now)
    post = Postbox(meanwhile=lambda: setattr(clock, "now", clock.now + SECOND))
    assert deliver_due(clock=clock, until=now + 2 * SECOND, post=post) == {DeliveryState.DELIVERED: 2}


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
