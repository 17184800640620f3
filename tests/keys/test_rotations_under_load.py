"""A thousand rotations while workers sign and real verifiers, PyJWT and jose, hold copies as old as they may be.

The clock is the test's: rotations that take five years take minutes. The timetable is the shortest in which a key has
propagated when it takes over, so that every takeover is one for which verifiers had just enough time; and no verifier
may help itself by fetching because of an unknown kid.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from django.db import connections
from jwt import api_jwk, jwk_set_cache, jwks_client

from keys import api
from keys.conf import default_policy, periods
from keys.models import KeyPair, KeyRing
from keys.policy import KeyPolicy
from keys.published_set import published_sets
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.interop.node_programs import MissingRuntime, Program, running_program

pytestmark = [pytest.mark.django_db(transaction=True)]

HOUR = timedelta(hours=1)
WORKERS = 4
ALGORITHM, AUDIENCE = "ES256", "https://api.example.test"
SHORT = timedelta(minutes=15)


@pytest.fixture
def ring(realm: Realm, clock: FakeClock) -> KeyRing:
    """One whose keys sign for hardly longer than they are published before."""
    policy = replace(default_policy(), rotation_period=timedelta(hours=49))
    made = add_ring(realm=realm, algorithm=ALGORITHM, policy=policy, actor=ACTOR, now=clock.now)
    rotate(made, now=clock.now, actor=ACTOR, clock=clock)
    return made


def longest_copy(policy: KeyPolicy) -> timedelta:
    """How old the copy of a verifier may get: N, less what the way from the row to the verifier takes."""
    around = periods()
    return policy.propagation - around.least_propagation(policy.clock_skew) + around.jwks_max_age


@pytest.fixture
def one_clock(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The workers' memories and PyJWT's caches go by the test's clock."""
    for memory in (signer, published_sets):
        monkeypatch.setattr(memory, "_monotonic", clock.monotonic)
    for module in (api_jwk, jwk_set_cache, jwks_client):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic, time=clock.monotonic))
    return clock


@contextmanager
def served_jwks(slug: str, clock: FakeClock) -> Iterator[str]:
    """The JWKS of a realm over HTTP, out of a worker's memory."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = api.public_jwks(slug, now=clock.now).body
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    def serve() -> None:
        server.serve_forever(poll_interval=0.05)
        connections.close_all()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Load:
    """Workers that sign and verifiers that verify, all at once, at one moment after the other.

    Attributes:
        verified: how many verifications there were.
        failures: which failed, and how.
        kids: of the keys that signed.
    """

    realm: Realm
    clock: FakeClock
    verifiers: Sequence[Callable[[Sequence[str], datetime], None]]
    longest: timedelta
    pool: ThreadPoolExecutor
    old: deque[tuple[datetime, str]] = field(default_factory=deque)
    verified: int = 0
    failures: list[str] = field(default_factory=list)
    kids: set[str] = field(default_factory=set)

    def moment(self) -> None:
        """Every worker signs, and every verifier verifies what was signed and what is about to expire."""
        now = self.clock.now
        signed = list(self.pool.map(self._sign, [SHORT, SHORT, SHORT, self.longest]))
        while self.old and self.old[0][0] <= now:
            self.old.popleft()
        oldest = [token for _, token in list(self.old)[:2]]
        self.old.append((now + self.longest, signed[-1]))
        for wrong in self.pool.map(lambda verify: self._verify(verify, [*signed, *oldest], now), self.verifiers):
            self.failures += wrong
        self.verified += len(self.verifiers) * (len(signed) + len(oldest))

    def _sign(self, lifetime: timedelta) -> str:
        now = self.clock.now
        claims = {"iss": self.realm.issuer, "aud": AUDIENCE, "sub": "x", "iat": int(now.timestamp()),
                  "exp": int((now + lifetime).timestamp())}  # fmt: skip
        signed = api.sign_jwt(claims, realm=self.realm, typ="at+jwt", now=now, algorithm=ALGORITHM)
        self.kids.add(signed.kid)
        return signed.token

    def _verify(
        self, verify: Callable[[Sequence[str], datetime], None], tokens: Sequence[str], now: datetime
    ) -> list[str]:
        try:
            verify(tokens, now)
        except Exception as error:  # noqa: BLE001  (whatever a library says, it is a failed verification)
            return [f"{now}: {type(error).__name__}: {error}"]
        return []


def pyjwt_verifier(uri: str, issuer: str, age: timedelta) -> Callable[[Sequence[str], datetime], None]:
    """A service with PyJWT's own client, which never fetches because of an unknown kid."""
    client = jwt.PyJWKClient(uri, lifespan=age.total_seconds(), cooldown_duration=10**9)

    def verify(tokens: Sequence[str], now: datetime) -> None:
        for token in tokens:
            claims = jwt.decode(
                token, client.get_signing_key_from_jwt(token), algorithms=[ALGORITHM], issuer=issuer,
                audience=AUDIENCE, options={"verify_exp": False, "verify_iat": False},  # the clock is the test's
            )  # fmt: skip
            assert claims["iat"] <= now.timestamp() < claims["exp"]

    return verify


def jose_verifier(
    jose: Program, lock: threading.Lock, service: int, issuer: str
) -> Callable[[Sequence[str], datetime], None]:
    """One of the services in a program with jose."""

    def verify(tokens: Sequence[str], now: datetime) -> None:
        with lock:  # one question a time
            jose.ask(
                "verify", service=service, at=int(now.timestamp() * 1000), tokens=list(tokens), issuer=issuer,
                audience=AUDIENCE, algorithms=[ALGORITHM], typ="at+jwt",
            )  # fmt: skip

    return verify


@contextmanager
def load_on(ring: KeyRing, clock: FakeClock, log: Path) -> Iterator[Load]:
    """The load, with two services of each library: one whose copy gets as old as it may, and one with a shorter one.

    Raises:
        MissingRuntime: there is no Node.js here, or no jose.
    """
    policy = replace(default_policy(), rotation_period=ring.rotation_period)
    ages = (longest_copy(policy), longest_copy(policy) * 0.7)
    with ExitStack() as stack:
        uri = stack.enter_context(served_jwks(ring.realm.slug, clock))
        milliseconds = [str(int(age.total_seconds() * 1000)) for age in ages]
        jose = stack.enter_context(running_program("jose_at.mjs", uri, *milliseconds, log=log))
        pool = stack.enter_context(ThreadPoolExecutor(WORKERS))
        stack.callback(close_connections, pool)
        lock = threading.Lock()
        yield Load(
            realm=ring.realm,
            clock=clock,
            verifiers=[
                *(pyjwt_verifier(uri, ring.realm.issuer, age) for age in ages),
                *(jose_verifier(jose, lock, service, ring.realm.issuer) for service in range(len(ages))),
            ],
            longest=policy.max_token_lifetime - timedelta(seconds=1),
            pool=pool,
        )


def close_connections(pool: ThreadPoolExecutor) -> None:
    """Each thread closes its own."""
    barrier = threading.Barrier(WORKERS)

    def close() -> None:
        barrier.wait(timeout=30)
        connections.close_all()

    for done in [pool.submit(close) for _ in range(WORKERS)]:
        done.result()


def rotate_for(rounds: int, ring: KeyRing, clock: FakeClock, load: Load, chance: random.Random) -> None:
    """So many takeovers; cron comes when it comes, at most two hours after it was due, and once in ten half a day."""
    for _ in range(rounds):
        standby = KeyPair.objects.filter(ring=ring, compromised_at=None).latest("activates_at")
        moments = sorted(
            standby.activates_at + shift
            for shift in (
                -timedelta(hours=chance.uniform(20, 47)), -timedelta(hours=chance.uniform(0, 20)),
                -timedelta(microseconds=1), timedelta(0), timedelta(seconds=5),
            )
        )  # fmt: skip
        for moment in moments:
            if moment > clock.now:
                clock.now = moment
                load.moment()
        clock.advance(HOUR * (12 if chance.random() < 0.1 else chance.uniform(0, 2)))
        load.moment()
        rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
        load.moment()


def run(rounds: int, ring: KeyRing, clock: FakeClock, log: Path) -> Load:
    """So many rotations under load; what came of it."""
    try:
        with load_on(ring, clock, log) as load:
            rotate_for(rounds, ring, clock, load, random.Random(rounds))  # noqa: S311
            return load
    except MissingRuntime as error:
        pytest.skip(f"jose: {error}")


@pytest.mark.spec("issue 5: rotations under load with real verifiers, the short form")
def test_not_one_verification_fails_in_twenty_five_rotations(
    ring: KeyRing, one_clock: FakeClock, tmp_path: Path
) -> None:
    load = run(25, ring, one_clock, tmp_path / "jose")
    assert load.failures == []
    assert len(load.kids) == 26
    assert load.verified > 2_500


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("issue 5: 1,000 accelerated rotations under load with real verifiers")
def test_not_one_verification_fails_in_a_thousand_rotations(
    ring: KeyRing, one_clock: FakeClock, tmp_path: Path, proved: Callable[[str], None]
) -> None:
    began = time.monotonic()
    load = run(1_000, ring, one_clock, tmp_path / "jose")
    proved(
        f"{len(load.kids) - 1} rotations under load: {load.verified} verifications by PyJWT and jose, "
        f"{len(load.failures)} failed ({time.monotonic() - began:.0f} s)"
    )
    assert load.failures == []
    assert len(load.kids) == 1_001


@pytest.mark.spec("keys.md The invariant (a): negative control")
def test_verifiers_with_copies_older_than_the_promise_do_fail(
    ring: KeyRing, one_clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "longest_copy", lambda policy: policy.propagation * 2)
    assert any("jose" in wrong or "JWKS" in wrong for wrong in run(8, ring, one_clock, tmp_path / "jose").failures)
