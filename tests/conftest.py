"""What the tests of every app share: a fixed time, a realm, and rings with keys."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.conf import LazySettings
from hypothesis import HealthCheck, settings

from keys import dead_keys_file
from keys.algorithms import Purpose
from keys.history import histories
from keys.models import KeyRing
from keys.published_set import published_sets
from keys.remote_calls import remote_calls
from keys.services.noting import scribe
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from realms.services import ensure_default_realm
from tests.clock import FakeClock

ACTOR = "test"
PROVED = "proved"
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
# How busy the machine is says nothing about a rule.
settings.register_profile("rules", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rules")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a proof counted; and what could not be tested here is said loudly, with what to install."""
    passed = terminalreporter.getreports("passed")
    counted = [str(text) for report in passed for name, text in report.user_properties if name == PROVED]
    if counted:
        terminalreporter.section("PROVED", sep="=", green=True, bold=True)
    for line in counted:
        terminalreporter.write_line(line)
    skipped = terminalreporter.getreports("skipped")
    if skipped:
        terminalreporter.section(f"NOT TESTED HERE: {len(skipped)}", sep="!", red=True, bold=True)
    for report in skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {str(why).removeprefix('Skipped: ')}", red=True)


@pytest.fixture(autouse=True)
def _empty_memories() -> Iterator[None]:
    """No test sees the keys that a worker of another test remembers."""
    signer.forget()
    published_sets.forget()
    histories.forget()
    scribe.forget()
    dead_keys_file.forget()
    remote_calls.forget()
    yield
    signer.forget()
    published_sets.forget()
    histories.forget()
    scribe.forget()


@pytest.fixture
def proved(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Has a line stand in the summary of the run, from whichever process: how much a proof looked at."""
    return lambda line: record_property(PROVED, line)


@pytest.fixture
def now() -> datetime:
    """A fixed moment, aware UTC. Views and commands read the clock: ask for `stopped_clock` with them."""
    return NOW


@pytest.fixture
def clock(now: datetime) -> FakeClock:
    """A clock that stands at `now` until it is moved."""
    return FakeClock(now)


@pytest.fixture
def stopped_clock(now: datetime) -> Iterator[time_machine.Traveller]:
    """This process's clock stands at `now`; the database's goes on."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


@pytest.fixture
def realm(db: None, settings: LazySettings, now: datetime) -> Realm:
    """The default realm, without rings."""
    return ensure_default_realm(issuer=settings.IDP_ISSUER, now=now)[0]


@pytest.fixture
def es256_ring(realm: Realm, now: datetime) -> KeyRing:
    """The realm's ring for ES256, without keys."""
    return add_ring(realm=realm, algorithm="ES256", actor=ACTOR, now=now)


@pytest.fixture
def mac_ring(realm: Realm, now: datetime) -> KeyRing:
    """The realm's ring for tags, without keys; its keys vouch for handles as long as a grant may live."""
    return add_ring(realm=realm, algorithm="HMAC-SHA256", purpose=Purpose.MAC, actor=ACTOR, now=now)


@pytest.fixture
def bootstrapped(realm: Realm, es256_ring: KeyRing, mac_ring: KeyRing, now: datetime) -> Realm:
    """The realm with its rings and their first keys, all made at `now`; RS256 is left out, because it is slow."""
    expired = add_ring(realm=realm, algorithm="ES256", purpose=Purpose.EXPIRED_TEST, actor=ACTOR, now=now)
    for ring in (es256_ring, mac_ring, expired):
        rotate(ring, now=now, actor=ACTOR, clock=lambda: now)
    return realm
