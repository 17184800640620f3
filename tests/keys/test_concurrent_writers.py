"""Two transactions at once can't together do what neither may do alone (keys.md Rows)."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection, transaction

from keys.errors import RingBusy
from keys.models import KeyPair, KeyRing
from keys.services import applying
from keys.services.applying import lock_ring
from keys.services.compromise import compromise
from keys.services.rewrapping import rewrap_all, sealed_by
from keys.services.rotation import rotate
from tests.clock import FakeClock
from tests.conftest import ACTOR, NOW
from tests.keys.known_secrets import SECRET_A
from tests.keys.memories import database_away
from tests.keys.sql import DAY, insert_key

pytestmark = pytest.mark.django_db(transaction=True)


class InThread(threading.Thread):
    """Runs something with a database connection of its own, and keeps what it raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            self.error = error
        finally:
            connection.close()

    def outcome(self) -> BaseException | None:
        self.join(timeout=30)
        assert not self.is_alive()
        return self.error


def waiting_for_a_lock() -> bool:
    """Whether some session of this database waits for another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction it would stay as first seen
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.spec("keys.md Rows: no gap, with two writers at once")
def test_two_halves_of_a_gap_never_both_commit(es256_ring: KeyRing) -> None:
    """Either writer alone leaves a whole chain: one moves an end to a start, the other moves that start away."""
    lost = NOW - DAY
    with transaction.atomic():
        first = insert_key(
            es256_ring, published_at=NOW - 3 * DAY, activates_at=NOW - 3 * DAY, deactivates_at=NOW - 2 * DAY,
            unpublishes_at=NOW,
        )  # fmt: skip
        insert_key(es256_ring, published_at=NOW - 3 * DAY, activates_at=NOW - 2 * DAY, compromised_at=lost)
        third = insert_key(es256_ring, published_at=NOW - 3 * DAY, activates_at=lost)
    both_have_written = threading.Barrier(2, timeout=20)

    def end_the_first_where_the_third_begins() -> None:
        with transaction.atomic():
            KeyPair.objects.filter(kid=first).update(deactivates_at=lost)
            both_have_written.wait()

    def have_the_third_begin_later() -> None:
        with transaction.atomic():
            KeyPair.objects.filter(kid=third).update(activates_at=lost + timedelta(hours=1))
            both_have_written.wait()

    threads = [InThread(work) for work in (end_the_first_where_the_third_begins, have_the_third_begin_later)]
    outcomes = [thread.outcome() for thread in threads]
    assert sorted(type(error).__name__ for error in outcomes) == ["IntegrityError", "NoneType"]
    assert "nobody signs after key" in str(next(error for error in outcomes if error))


@pytest.mark.spec("keys.md Rows: signing intervals never overlap, with two writers at once")
def test_two_first_keys_never_both_commit(es256_ring: KeyRing) -> None:
    both_have_written = threading.Barrier(2, timeout=20)

    def mint() -> None:
        with transaction.atomic():
            insert_key(es256_ring)
            both_have_written.wait()

    outcomes = [thread.outcome() for thread in (InThread(mint), InThread(mint))]
    assert sorted(type(error).__name__ for error in outcomes) in (
        ["IntegrityError", "NoneType"],
        ["NoneType", "OperationalError"],  # a deadlock is a refusal too
    )
    assert KeyPair.objects.count() == 1


@pytest.mark.spec("keys.md Rotation: locks the ring, with a lock timeout")
def test_a_ring_that_somebody_holds_is_busy(
    es256_ring: KeyRing, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "LOCK_TIMEOUT", "50ms")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            lock_ring(es256_ring.pk)
            held.set()
            assert done.wait(20)

    holder = InThread(hold)
    assert held.wait(20)
    with pytest.raises(RingBusy, match="run rotate_keys again"):
        rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    done.set()
    assert holder.outcome() is None
    assert not KeyPair.objects.exists()
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    assert KeyPair.objects.count() == 2


@pytest.mark.spec("keys.md Rotation: a database that is away is no busy ring")
def test_a_lost_database_is_told_as_such(es256_ring: KeyRing) -> None:
    with database_away(), pytest.raises(OperationalError, match="connection refused"):
        lock_ring(es256_ring.pk)
    with (
        transaction.atomic(),
        connection.execute_wrapper(_lose_the_row()),
        pytest.raises(OperationalError, match="gone"),
    ):
        lock_ring(es256_ring.pk)


def _lose_the_row() -> Callable[..., object]:
    """The row's statement fails, after the one that sets the timeout."""

    def wrapper(execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        if "FOR UPDATE" in sql:
            raise OperationalError("gone")
        return execute(sql, params, many, context)

    return wrapper


@pytest.mark.spec("keys.md Rotation: two rotators can never both mint")
def test_a_rotation_that_waited_plans_again_and_mints_nothing(es256_ring: KeyRing, clock: FakeClock) -> None:
    held, release = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic():
            lock_ring(es256_ring.pk)
            held.set()
            assert release.wait(20)
            rotate(es256_ring, now=clock.now, actor="first", clock=clock)

    one = InThread(first)
    assert held.wait(20)
    two = InThread(lambda: rotate(es256_ring, now=clock.now, actor="second", clock=clock))
    while not waiting_for_a_lock():
        assert two.is_alive()
    release.set()
    assert [one.outcome(), two.outcome()] == [None, None]
    assert KeyPair.objects.count() == 2


@pytest.mark.spec("keys.md Envelope: rewrap_keys moves every sealed value online")
def test_a_rewrap_never_waits_for_a_ring(es256_ring: KeyRing, clock: FakeClock, settings: LazySettings) -> None:
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    held, release = threading.Event(), threading.Event()

    def rotation() -> None:
        with transaction.atomic():
            lock_ring(es256_ring.pk)
            held.set()
            assert release.wait(20)

    holder = InThread(rotation)
    assert held.wait(20)
    settings.IDP_MASTER_SECRETS = f"new:{SECRET_A},{settings.IDP_MASTER_SECRETS}"
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '5s'")
        assert rewrap_all(actor=ACTOR, now=clock.now).moved == 2
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")
        release.set()
    assert holder.outcome() is None


@pytest.mark.spec("keys.md Envelope: rewrap_keys moves every sealed value online")
def test_a_rewrap_and_a_rotation_never_wait_for_each_other(
    es256_ring: KeyRing, clock: FakeClock, settings: LazySettings
) -> None:
    """A rotation writes keys in the order of their steps, not in that in which a rewrap reads them."""
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    first, last = KeyPair.objects.order_by("pk").values_list("pk", flat=True)
    settings.IDP_MASTER_SECRETS = f"new:{SECRET_A},{settings.IDP_MASTER_SECRETS}"
    with transaction.atomic():
        KeyPair.objects.filter(pk=last).update(noted_state="active")
        rewrap = InThread(lambda: rewrap_all(actor=ACTOR, now=clock.now))
        while not waiting_for_a_lock():
            assert rewrap.is_alive()
        KeyPair.objects.filter(pk=first).update(noted_state="active")
    assert rewrap.outcome() is None
    assert sealed_by() == {"new": 2}


@pytest.mark.spec("keys.md Envelope: rewrap_keys moves every sealed value online")
def test_a_rewrap_brings_back_nothing_that_is_wiped_meanwhile(
    es256_ring: KeyRing, clock: FakeClock, settings: LazySettings
) -> None:
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    settings.IDP_MASTER_SECRETS = f"new:{SECRET_A},{settings.IDP_MASTER_SECRETS}"
    lost = KeyPair.objects.order_by("pk").first()
    assert lost is not None
    with transaction.atomic():
        compromise(lost, actor=ACTOR, clock=clock)
        rewrap = InThread(lambda: rewrap_all(actor=ACTOR, now=clock.now))
        while not waiting_for_a_lock():
            assert rewrap.is_alive()
    assert rewrap.outcome() is None
    lost.refresh_from_db()
    assert lost.sealed_private is None
    assert sealed_by() == {"new": 1}
