"""The thread that delivers soon after the commit: it begins when it is needed, and ends when nothing waits."""

import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from accounts import courier as rounds
from accounts.courier import Courier
from realms.models import Realm
from tests.provider import make_person, make_realm
from tests.relying_party import RelyingParty, relying_party
from tests.tokens.logouts import end, session_of, told_client
from tokens.models import LogoutDelivery
from tokens.services import courier as module
from tokens.services.courier import courier, make_round, resume
from tokens.services.logout_delivery import deliver_due

LONG = timedelta(hours=1)
LIMIT = 20.0  # seconds that a thread may take on a busy machine


def test_it_makes_rounds_until_nothing_waits() -> None:
    pauses = [timedelta(0), timedelta(0), None]
    found = Courier(lambda: pauses.pop(0))
    found.wake()
    assert found.join(LIMIT)
    assert pauses == []


def test_who_wakes_it_waits_for_nothing_and_a_round_follows() -> None:
    """However the waking falls: before a round, during it, or as the thread ends."""
    inside, go_on, rounds = threading.Event(), threading.Event(), list[int]()

    def make() -> timedelta | None:
        rounds.append(len(rounds))
        inside.set()
        assert go_on.wait(LIMIT)
        return None

    found = Courier(make)
    found.wake()
    assert inside.wait(LIMIT)
    found.wake()  # returns, though the round stands still
    assert rounds == [0]
    go_on.set()
    assert found.join(LIMIT)
    assert rounds == [0, 1]
    found.wake()
    assert found.join(LIMIT)
    assert rounds == [0, 1, 2]


def test_a_pause_ends_when_somebody_wakes_it() -> None:
    first, pauses = threading.Event(), [LONG, None]

    def make() -> timedelta | None:
        first.set()
        return pauses.pop(0)

    found = Courier(make)
    found.wake()
    assert first.wait(LIMIT)
    found.wake()
    assert found.join(LIMIT)


def test_many_wakings_are_one_thread() -> None:
    names, done = set[str](), threading.Event()

    def make() -> timedelta | None:
        names.update(thread.name for thread in threading.enumerate() if thread.name == "signet-courier")
        assert sum(thread.name == "signet-courier" for thread in threading.enumerate()) == 1
        return None if done.is_set() else timedelta(0)

    found = Courier(make)
    wakers = [threading.Thread(target=found.wake) for _ in range(20)]
    for waker in wakers:
        waker.start()
    for waker in wakers:
        waker.join()
    done.set()
    assert found.join(LIMIT)
    assert names == {"signet-courier"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_followed_by_another() -> None:
    found = Courier(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    found.wake()
    assert found.join(LIMIT)
    found._rounds = lambda: None
    found.wake()
    assert found.join(LIMIT)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_begins_anew() -> None:
    """Its parent's thread isn't in it, and the lock may have been held by somebody who isn't either."""
    with courier._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if courier._thread is None and courier._lock.acquire(blocking=False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- With the database and a client's server --------------------------------------------------------------


@pytest.fixture
def party() -> Iterator[RelyingParty]:
    with relying_party() as found:
        yield found


@pytest.fixture
def committed(transactional_db: None) -> Iterator[Realm]:
    yield make_realm()
    assert courier.join(LIMIT), "no test leaves a thread"


def a_session(realm: Realm, party: RelyingParty, now: datetime) -> Callable[[], None]:
    """What ends a session of which the party has to hear."""
    client = told_client(realm, now, uri=party.uri)
    session = session_of(make_person("cleo", realm=realm), realm, now, client)
    return lambda: end(session, timezone.now())


@pytest.mark.spec("issue: delivered soon after the commit")
def test_a_logout_is_delivered_after_its_commit(committed: Realm, now: datetime, party: RelyingParty) -> None:
    end_it = a_session(committed, party, now)
    with transaction.atomic():
        end_it()
        assert courier._thread is None, "not before"
    assert courier.join(LIMIT)
    assert len(party.taken) == 1
    assert LogoutDelivery.objects.get().last_outcome == "200"


def test_a_logout_that_is_rolled_back_is_told_nobody(committed: Realm, now: datetime, party: RelyingParty) -> None:
    end_it = a_session(committed, party, now)
    with transaction.atomic():
        end_it()
        transaction.set_rollback(True)
    assert courier._thread is None
    assert party.taken == []


def test_no_thread_begins_where_nobody_has_to_be_told(committed: Realm, now: datetime) -> None:
    end(session_of(make_person("cleo", realm=committed), committed, now), now)
    assert courier._thread is None


@pytest.mark.spec("issue: a sign-out never fails because of who is told of it")
def test_a_thread_that_cannot_begin_fails_no_sign_out(
    committed: Realm, now: datetime, party: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(courier, "wake", refuse)
    a_session(committed, party, now)()
    assert LogoutDelivery.objects.get().attempts == 0


def test_no_connection_stays_open_behind_it(committed: Realm, now: datetime, party: RelyingParty) -> None:
    def connections_here() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    before = connections_here()
    a_session(committed, party, now)()
    assert courier.join(LIMIT)
    while connections_here() > before:  # the server takes a moment to see a connection go
        pass
    assert len(party.taken) == 1


@pytest.mark.spec("issue: a worker that starts looks after what others left")
def test_a_worker_that_starts_delivers_what_was_left(
    committed: Realm, now: datetime, party: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(courier, "wake", lambda: None)
        a_session(committed, party, now)()
    resume()
    assert courier.join(LIMIT)
    assert len(party.taken) == 1
    resume()
    assert courier._thread is None


def away(*_args: object, **_kwargs: object) -> datetime | None:
    raise OperationalError("gone")


def test_without_a_database_a_worker_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "next_logout_attempt", away)
    resume()


def broken(*_args: object, **_kwargs: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("fault", [away, broken])
def test_after_an_outage_it_looks_again(fault: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was: a thread that ended would leave all further attempts to whoever signs out next."""
    monkeypatch.setattr(module, "deliver_due", fault)
    monkeypatch.setattr(rounds, "close_old_connections", lambda: None)
    found: list[timedelta | None] = []
    worker = threading.Thread(target=lambda: found.append(make_round()))
    worker.start()
    worker.join(LIMIT)
    assert found == [timedelta(seconds=30)]


def test_a_round_ends_in_time_however_much_is_left(
    committed: Realm, now: datetime, party: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came since it began, or an operator asked for, is only seen by the next one."""
    monkeypatch.setattr(rounds, "_ROUND", timedelta(0))
    with monkeypatch.context() as patch:
        patch.setattr(courier, "wake", lambda: None)
        a_session(committed, party, now)()
    worker = threading.Thread(target=lambda: found.append(make_round()))
    found: list[timedelta | None] = []
    worker.start()
    worker.join(LIMIT)
    assert (found, party.taken) == ([timedelta(seconds=0.5)], [])


@pytest.mark.parametrize(
    ("ahead", "pause"),
    [(timedelta(hours=8), 60.0), (timedelta(seconds=5), 5.0), (timedelta(seconds=-9), 0.5)],
)
def test_it_comes_back_for_the_next_attempt(ahead: timedelta, pause: float, now: datetime) -> None:
    """At least each minute, should others have moved it; and without haste where another worker has the row."""
    assert rounds._pause(now + ahead, now=now).total_seconds() == pause


def test_retries_are_the_same_threads_work(
    committed: Realm, now: datetime, party: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that fails once is told by the thread itself: no cron is needed for it."""
    monkeypatch.setattr(rounds, "_SHORTEST", timedelta(0))
    monkeypatch.setattr(rounds, "_LONGEST", timedelta(0))
    monkeypatch.setattr(module, "deliver_due", hasty(deliver_due))
    party.statuses = [500, 500, 200]
    a_session(committed, party, now)()
    assert courier.join(LIMIT)
    assert len(party.taken) == 3
    assert LogoutDelivery.objects.get().attempts == 3
    connections.close_all()


def hasty(deliver: Callable[..., object]) -> Callable[..., object]:
    """Delivers, and makes what failed due at once."""

    def wrapper(**arguments: object) -> object:
        done = deliver(**arguments)
        LogoutDelivery.objects.filter(delivered_at=None).update(next_attempt_at=timezone.now())
        return done

    return wrapper
