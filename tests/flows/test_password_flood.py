"""A flood of sign-ins: as many hashes at once as there are places, 503 for the rest, and then all is as before."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import close_old_connections, connections

from accounts import hashers
from tests.flows.code_flow import post
from tests.provider import PASSWORD, Browser, make_person, make_realm

PLACES, FLOOD = 2, 12


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("issue: argon2 with a bound on parallel hashing so that a flood of logins can't exhaust memory")
def test_a_flood_meets_the_places_and_the_memory_they_take(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted where the memory is taken: never more hashes at once than places, of 19 MiB each."""
    make_person("ana", realm=make_realm(purposes=()))
    settings.IDP_PASSWORD_HASHES_IN_FLIGHT = PLACES
    hashers._places.cache_clear()
    monkeypatch.setattr(hashers, "WAIT_SECONDS", 0.2)
    inside, most, lock, go_on = [0], [0], threading.Lock(), threading.Event()

    def slow(real: object) -> object:
        def hashing(*args: object) -> object:
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            go_on.wait(20)
            with lock:
                inside[0] -= 1
            return real(*args)  # type: ignore[operator]

        return hashing

    for name in ("encode", "verify"):
        monkeypatch.setattr(Argon2PasswordHasher, name, slow(getattr(Argon2PasswordHasher, name)))
    refused = threading.Semaphore(0)

    def sign_in(number: int) -> int:
        close_old_connections()
        try:
            peer = f"192.0.2.{number}"
            browser = Browser(raise_request_exception=False, REMOTE_ADDR=peer)
            page, name = ("/sign-in", "ana") if number % 2 else ("/auth", f"nobody{number}")
            answer = post(browser, page, {"username": name, "password": PASSWORD})
            if answer.status_code == 503:
                assert int(answer["Retry-After"]) > 0
                refused.release()
            return int(answer.status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(FLOOD) as pool:
        flood = [pool.submit(sign_in, number) for number in range(FLOOD)]
        for _ in range(FLOOD - PLACES):
            assert refused.acquire(timeout=60)
        go_on.set()
        statuses = sorted(each.result() for each in flood)
    assert most[0] == PLACES
    assert statuses.count(503) == FLOOD - PLACES
    assert sign_in(1) == 303, "the places are free again"
    hashers._places.cache_clear()
