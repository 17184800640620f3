"""How many tokens a key signed: noted in memory, written apart from the request, bounded (issue 5, point 3)."""

import os
import signal
import sys
import threading
import time
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection, connections

from keys import api
from keys.models import KeyPair, SignatureCount
from keys.notes import SignatureNotes
from keys.services import noting
from keys.services.evidence import add_signatures, forget_signatures
from keys.services.noting import Scribe, scribe
from realms.models import Realm
from tests.conftest import NOW
from tests.interop.processes import wait_until
from tests.keys.memories import database_away, queries
from tests.keys.processes import fork

HOUR = timedelta(hours=1)


def sign(realm: Realm, at: datetime) -> str:
    return api.sign_jwt({"exp": int(at.timestamp()) + 60}, realm=realm, typ="at+jwt", now=at).kid


@pytest.fixture
def signer_row(bootstrapped: Realm) -> KeyPair:
    return KeyPair.objects.get(kid=api.current_kid(realm=bootstrapped, now=NOW))


@pytest.mark.spec("issue 5 point 3: counts of signatures a key; no row per request")
def test_what_was_signed_is_counted_by_hour_and_in_one_statement(bootstrapped: Realm) -> None:
    kid = sign(bootstrapped, NOW)
    assert queries(lambda: [sign(bootstrapped, NOW + n * HOUR / 10) for n in range(20)]) <= 1  # its TTL is over once
    assert api.tokens_signed_since([kid], NOW) == {kid: 0}, "it is not written down yet"
    assert queries(scribe.write) == 1
    assert api.tokens_signed_since([kid, "other"], NOW) == {kid: 21, "other": 0}
    assert api.tokens_signed_since([kid], NOW + HOUR) == {kid: 10}
    assert api.tokens_signed_since([kid], NOW + HOUR + timedelta(minutes=59)) == {kid: 10}, "a whole hour counts"
    assert SignatureCount.objects.count() == 2
    assert queries(scribe.write) == 0, "nothing is left"


@pytest.mark.spec("issue 5 point 3: two workers add to the same count")
def test_counts_are_added_to_and_not_overwritten(bootstrapped: Realm) -> None:
    kid = sign(bootstrapped, NOW)
    scribe.write()
    other = Scribe()
    other.signed(KeyPair.objects.get(kid=kid), at=NOW)
    assert other.write()
    assert api.tokens_signed_since([kid], NOW, realm_id=bootstrapped.pk) == {kid: 2}
    assert api.tokens_signed_since([kid], NOW, realm_id=bootstrapped.pk + 1) == {kid: 0}
    other.forget()


@pytest.mark.spec("issue 5 point 3: the database may be away")
def test_what_could_not_be_written_waits(bootstrapped: Realm, caplog: pytest.LogCaptureFixture) -> None:
    kid = sign(bootstrapped, NOW)
    with database_away():
        assert not scribe.write()
        sign(bootstrapped, NOW)
    assert "evidence.not_written what=signatures error=OperationalError" in caplog.text
    assert scribe.write()
    assert api.tokens_signed_since([kid], NOW) == {kid: 2}


@pytest.mark.spec("issue 5 point 3: what ends the thread would end all further writing")
def test_a_fault_of_ours_is_a_line_in_the_log_too(
    bootstrapped: Realm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(_counts: object) -> None:
        raise ZeroDivisionError

    sign(bootstrapped, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(noting, "add_signatures", stumble)
        assert not scribe.write()
    assert "ZeroDivisionError" in caplog.text
    assert scribe.write()


@pytest.mark.spec("issue 5 point 3: a key that is gone takes its count with it")
def test_a_count_of_no_key_is_passed_over(signer_row: KeyPair) -> None:
    add_signatures({(signer_row.pk, NOW): 3, (uuid4(), NOW): 5})
    assert api.tokens_signed_since([signer_row.kid], NOW) == {signer_row.kid: 3}


@pytest.mark.spec("issue 5 point 3: bounded, rows older than the key's longest token lifetime are purged")
def test_counts_of_what_has_expired_are_forgotten(signer_row: KeyPair) -> None:
    ring = signer_row.ring
    longest = signer_row.max_lifetime + 2 * ring.clock_skew + ring.verifier_leeway
    add_signatures({(signer_row.pk, NOW): 1, (signer_row.pk, NOW + HOUR): 1})
    assert forget_signatures(NOW + HOUR + longest) == 0, "a token of the hour's last second may live"
    assert forget_signatures(NOW + HOUR + longest + timedelta(microseconds=1)) == 1
    assert [row.hour for row in SignatureCount.objects.all()] == [NOW + HOUR]


@pytest.mark.spec("issue 5 point 3: the memory is bounded")
def test_the_memory_is_bounded_while_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keys.notes._MOST_COUNTS", 10)
    notes = SignatureNotes()
    known = uuid4()
    notes.note(known, NOW)
    notes.give_back({(uuid4(), NOW): 1 for _ in range(50)} | {(known, NOW): 4})
    taken = notes.take()
    assert len(taken) == 10
    assert taken[known, NOW] == 5, "a count that is there goes on being counted"
    assert not notes


def test_no_signature_of_many_threads_is_lost() -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns in the middle of everything
    notes, key = SignatureNotes(), uuid4()

    def work() -> None:
        for _ in range(5_000):
            notes.note(key, NOW)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(usual)
    assert notes.take() == {(key, NOW): 20_000}


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("issue 5 point 3: written by a thread of its own, off the request's path")
def test_the_thread_writes_ends_and_comes_back(signer_row: KeyPair) -> None:
    quick = Scribe(every=timedelta(milliseconds=20))
    for expected in (1, 2):
        quick.signed(signer_row, at=NOW)
        thread = quick._thread
        assert thread is None or thread.daemon
        for running in [each for each in threading.enumerate() if each.name == "signet-evidence"]:
            running.join(10)
        assert api.tokens_signed_since([signer_row.kid], NOW) == {signer_row.kid: expected}
        assert quick._thread is None
    # The server takes its moment to end one.
    wait_until(lambda: open_connections() == 1, seconds=10, what="the thread leaves no connection open")


def open_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def test_no_thread_to_be_had_is_no_fault_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    quick = Scribe()
    monkeypatch.setattr(threading.Thread, "start", none_left)
    quick.signed(KeyPair(), at=NOW)
    assert quick._thread is None


def test_a_thread_of_another_life_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Scribe()
    monkeypatch.setattr(noting, "add_signatures", lambda _counts: pytest.fail("it was forgotten"))
    quick.signed(KeyPair(), at=NOW)
    thread = quick._thread
    assert thread is not None
    quick.forget()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.spec("issue 5 point 3: an outage delays no shutdown by more than one time-out")
def test_at_the_end_a_database_that_is_away_is_asked_once(signer_row: KeyPair, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def ask(noted: object, now: datetime) -> dict[str, object]:
        asked.append((noted, now))
        return {}

    monkeypatch.setattr(noting, "add_fetches", ask)
    monkeypatch.setattr(connections, "close_all", lambda: None)  # the test's own among them
    other = Scribe()
    other.signed(signer_row, at=NOW)
    with database_away():
        other.write_the_last()
    assert asked == []
    other.write_the_last()
    assert len(asked) == 1
    other.forget()


@pytest.mark.spec("issue 5 point 3: a worker that is forked starts anew")
def test_a_fork_waits_for_nothing_that_the_thread_had_locked() -> None:
    with vars(scribe._ended)["_cond"]:  # the thread takes it for a moment each round
        child = fork(lambda: None)
        until = time.monotonic() + 10
        while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < until:
            time.sleep(0.01)
        if not ended[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert ended == (child, 0)
