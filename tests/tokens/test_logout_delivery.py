"""When and how often a client is told, and by whom: under injected time, without a network."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.db import connection

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from keys.algorithms import Purpose
from keys.hooks import run_housekeeping
from keys.models import KeyRing
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.provider import distrust
from tests.relying_party import relying_party
from tests.tokens.logouts import URI, Postbox, end, one_logout, session_of, told_client
from tokens.models import Client, LogoutDelivery
from tokens.redelivery import PAUSES
from tokens.selectors import delivery_state, next_logout_attempt
from tokens.services.logout_delivery import LEASE, deliver_due
from tokens.vocabulary import DeliveryState, LogoutFailure

SECOND = timedelta(seconds=1)


def deliver(clock: FakeClock, post: Postbox | None = None) -> Counter[DeliveryState]:
    return deliver_due(clock=clock, post=post or Postbox(), chance=lambda: 0.5)


def row() -> LogoutDelivery:
    return LogoutDelivery.objects.get()


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


@pytest.mark.parametrize("silence", [LogoutFailure.TIMEOUT, LogoutFailure.UNREACHABLE])
def test_a_client_that_hangs_is_waited_for_once_before_the_others_are_told(
    silence: str, realm: Realm, ana: User, now: datetime, clock: FakeClock
) -> None:
    """Each attempt at it takes seconds: with many sessions it would hold up everybody's sign-out for hours."""
    hangs, app = told_client(realm, now, "hangs", uri="https://hangs.example.org/"), told_client(realm, now, "app")
    for _ in range(5):
        end(session_of(ana, realm, now, hangs), now)
    clock.advance(SECOND)
    for _ in range(2):
        end(session_of(ana, realm, clock.now, app), clock.now)
    post = Postbox([silence, "200", "200", silence])
    deliver(clock, post)
    assert [uri for uri, _token in post.posted] == ["https://hangs.example.org/", URI, URI] + [
        "https://hangs.example.org/"
    ] * 4
    clock.advance(timedelta(hours=1))
    end(session_of(ana, realm, now, hangs), now)  # a first attempt, and yet
    end(session_of(ana, realm, clock.now, app), clock.now)
    post = Postbox(["200"])
    deliver(clock, post)
    assert [uri for uri, _token in post.posted] == [URI] + ["https://hangs.example.org/"] * 6


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
        cursor.execute("SET LOCAL jit = off")  # so dear a plan would be compiled, for each of the rows
    counts: list[int] = []
    deliver(clock, Postbox(meanwhile=lambda: counts.append(LogoutDelivery.objects.filter(attempts=0).count())))
    assert counts == list(range(29, -1, -1))


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
