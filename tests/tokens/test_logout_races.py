"""Logouts and several workers, or several requests, at once."""

import threading
from datetime import datetime

import pytest
from django.db import connection, connections, transaction

from realms.models import Realm
from tests.keys.test_concurrent_writers import InThread, waiting_for_a_lock
from tests.provider import make_person, make_realm
from tests.tokens.logouts import end, session_of, told_client
from tokens.models import Grant, LogoutDelivery, new_grant_id
from tokens.services.courier import courier
from tokens.services.logout_delivery import deliver_due


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
