"""keys/published_set.py: ready bytes, from memory, without a secret (RFC 7517 §5)."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import OperationalError

from keys import api, published_set
from keys.conf import default_policy
from keys.errors import PublishedSetUnavailable
from keys.models import KeyPair, KeyRing
from keys.published_set import PublishedSets, warm
from keys.services.compromise import compromise
from keys.services.rings import add_ring, change_policy
from keys.services.rotation import rotate
from realms.errors import UnknownRealm
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.memories import database_away, queries

REFRESH = timedelta(seconds=5)
OUTAGE = timedelta(hours=1)
PERIOD = timedelta(days=90)
TICK = timedelta(microseconds=1)

pytestmark = pytest.mark.usefixtures("sealed_for_good")


@pytest.fixture
def worker(clock: FakeClock) -> PublishedSets:
    return PublishedSets(clock.monotonic)


def kids(worker: PublishedSets, clock: FakeClock) -> set[str]:
    body = json.loads(worker.at("default", clock.now).body)
    return {jwk["kid"] for jwk in body["keys"]}


def signing_kids() -> set[str]:
    return set(KeyPair.objects.filter(ring__purpose="sign").values_list("kid", flat=True))


@pytest.mark.spec(
    "keys.md Rows: mac and expired_test keys are never published; RFC 7517 §9.3",
    "OIDC Discovery §3 jwks-public, RFC 8414 §2 key-use, OIDC Discovery §3 key-use, OIDC Core §10.1 published-key",
)
def test_signing_keys_alone_are_published_with_nothing_but_public_members(
    worker: PublishedSets, clock: FakeClock
) -> None:
    document = json.loads(worker.at("default", clock.now).body)
    assert document.keys() == {"keys"}
    assert kids(worker, clock) == signing_kids()
    for jwk in document["keys"]:
        assert jwk.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@pytest.mark.spec("keys.md: a strong ETag, a hash of the canonical set, so all workers agree")
def test_all_workers_agree_on_bytes_and_etag(worker: PublishedSets, clock: FakeClock) -> None:
    one, other = worker.at("default", clock.now), PublishedSets().at("default", clock.now)
    assert (one.body, one.etag) == (other.body, other.etag)
    assert one.etag.startswith('"')
    assert [jwk["kid"] for jwk in json.loads(one.body)["keys"]] == sorted(signing_kids())
    assert b" " not in one.body
    compromise(KeyPair.objects.select_related("ring").get(kid=min(signing_kids())), actor=ACTOR, clock=clock)
    assert PublishedSets().at("default", clock.now).etag != one.etag


@pytest.mark.spec("keys.md: served from memory as ready bytes")
def test_the_database_is_asked_every_few_seconds_at_most(worker: PublishedSets, clock: FakeClock) -> None:
    first = worker.at("default", clock.now)
    clock.advance(REFRESH - timedelta(milliseconds=1))
    assert queries(lambda: worker.at("default", clock.now)) == 0
    assert worker.at("default", clock.now) is first
    clock.advance(timedelta(milliseconds=1))
    assert queries(lambda: worker.at("default", clock.now)) == 1


@pytest.mark.spec("keys.md: it is re-evaluated by the clock")
def test_a_key_leaves_on_time_without_a_query(worker: PublishedSets, clock: FakeClock) -> None:
    old, standby = KeyPair.objects.filter(ring__purpose="sign").order_by("activates_at")
    assert old.unpublishes_at is not None
    clock.now = old.unpublishes_at - timedelta(seconds=1)
    assert kids(worker, clock) == {old.kid, standby.kid}
    clock.advance(timedelta(seconds=1) - TICK)
    assert kids(worker, clock) == {old.kid, standby.kid}
    clock.advance(TICK)
    assert queries(lambda: worker.at("default", clock.now)) == 0
    assert kids(worker, clock) == {standby.kid}


@pytest.mark.spec("keys.md compromise_key: the key leaves the JWKS")
def test_a_compromised_key_leaves_with_the_next_reading(worker: PublishedSets, clock: FakeClock) -> None:
    assert kids(worker, clock) == signing_kids()
    lost = KeyPair.objects.select_related("ring").get(kid=max(signing_kids()))
    compromise(lost, actor=ACTOR, clock=clock)
    clock.advance(REFRESH)
    assert kids(worker, clock) == signing_kids() - {lost.kid}


@pytest.mark.spec("keys.md: served for at most M while the database is away")
def test_memory_serves_while_the_database_is_away_and_no_longer_than_m(
    worker: PublishedSets, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    before = worker.at("default", clock.now).body
    with database_away():
        clock.advance(OUTAGE)
        assert worker.at("default", clock.now).body == before
        assert "jwks.served_from_memory" in caplog.text
        clock.advance(TICK)
        with pytest.raises(PublishedSetUnavailable, match="too old"):
            worker.at("default", clock.now)
        clock.advance(REFRESH)
        with pytest.raises(PublishedSetUnavailable):
            worker.at("default", clock.now)
    clock.advance(REFRESH)
    assert worker.at("default", clock.now).body == before


@pytest.mark.spec("keys.md: served from memory as ready bytes; keys.E004: an outage of nought is allowed")
def test_a_worker_that_bridges_no_outage_serves_between_two_readings(
    worker: PublishedSets, clock: FakeClock, settings: LazySettings
) -> None:
    settings.IDP_JWKS_OUTAGE = timedelta(0)
    before = worker.at("default", clock.now)
    clock.advance(REFRESH - TICK)
    assert worker.at("default", clock.now) is before
    clock.advance(2 * TICK)
    assert worker.at("default", clock.now).body == before.body
    with database_away():
        clock.advance(REFRESH + TICK)
        with pytest.raises(PublishedSetUnavailable, match="too old"):
            worker.at("default", clock.now)


@pytest.mark.spec("keys.md: served for at most M while the database is away")
def test_a_worker_that_starts_while_the_database_is_away_serves_nothing(
    worker: PublishedSets, clock: FakeClock
) -> None:
    with database_away():
        with pytest.raises(PublishedSetUnavailable, match="can't be read"):
            worker.at("default", clock.now)
        warm(clock.now)
    assert worker.at("default", clock.now)


@pytest.mark.spec("keys.md: a worker that was warmed outlives the database")
def test_a_warmed_worker_serves_every_realm(bootstrapped: Realm, clock: FakeClock) -> None:
    warm(clock.now)
    with database_away():
        assert api.public_jwks("default", now=clock.now).keys


@pytest.mark.spec("keys.md: safe to use from many threads")
def test_a_request_beside_the_first_one_after_a_quiet_time_is_served_too(
    worker: PublishedSets, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = worker.at("default", clock.now)
    clock.advance(OUTAGE * 2)
    reading, answered = threading.Event(), threading.Event()
    read = published_set._read

    def slowly(slug: str, now: object) -> object:
        reading.set()
        answered.wait(0.2)  # the other request has had its chance to fail by then
        return read(slug, clock.now)

    monkeypatch.setattr(published_set, "_read", slowly)
    outcome: list[object] = []

    def beside() -> None:
        assert reading.wait(10)
        try:
            outcome.append(worker.at("default", clock.now))
        except PublishedSetUnavailable as error:
            outcome.append(error)
        answered.set()

    other = threading.Thread(target=beside)
    other.start()
    assert worker.at("default", clock.now).body == fresh.body
    other.join(10)
    assert not isinstance(outcome[0], PublishedSetUnavailable)


@pytest.mark.spec("keys.md: one thread at a time reads, while the others go on with what is there")
def test_requests_beside_a_reading_are_served_from_memory(worker: PublishedSets, clock: FakeClock) -> None:
    before = worker.at("default", clock.now)
    clock.advance(REFRESH)
    with worker._memories["default"].refreshing:
        assert queries(lambda: worker.at("default", clock.now)) == 0
        assert worker.at("default", clock.now) is before


@pytest.mark.spec("issue 2: an unknown realm is named")
def test_an_unknown_realm_is_named(worker: PublishedSets, clock: FakeClock) -> None:
    with pytest.raises(UnknownRealm, match="'nowhere'"):
        worker.at("nowhere", clock.now)


@pytest.mark.spec("keys.md Rows: a realm with its own keys")
def test_a_realm_publishes_its_own_keys_alone(
    worker: PublishedSets, bootstrapped: Realm, clock: FakeClock, settings: LazySettings
) -> None:
    other = Realm.objects.create(slug="b", name="B", issuer="https://b.example.test", created_at=clock.now)
    assert json.loads(worker.at("b", clock.now).body) == {"keys": []}
    ring = add_ring(realm=other, algorithm="Ed25519", actor=ACTOR, now=clock.now)
    clock.advance(REFRESH)
    _without_proof(ring, clock)
    document = json.loads(worker.at("b", clock.now).body)
    assert {jwk["crv"] for jwk in document["keys"]} == {"Ed25519"}
    assert kids(worker, clock) == signing_kids() - {jwk["kid"] for jwk in document["keys"]}


def _without_proof(ring: KeyRing, clock: FakeClock) -> None:
    """Rotate although nothing can be unsealed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keys.services.rotation.prove_master_secret", lambda _keys: None)
        rotate(ring, now=clock.now, actor=ACTOR, clock=clock)


@pytest.mark.spec("keys.md: re-evaluated; a changed policy reaches every worker")
def test_a_changed_skew_reaches_verification_with_the_next_reading(worker: PublishedSets, clock: FakeClock) -> None:
    ring = KeyRing.objects.get(purpose="sign")
    before = worker.at("default", clock.now)
    assert {key.skew for key in before.keys.values()} == {timedelta(minutes=5)}
    policy = replace(default_policy(), clock_skew=timedelta(seconds=30))
    change_policy(ring, policy=policy, actor=ACTOR, now=clock.now)
    clock.advance(REFRESH)
    after = worker.at("default", clock.now)
    assert {key.skew for key in after.keys.values()} == {timedelta(seconds=30)}
    assert after.etag == before.etag


def test_the_fault_that_the_tests_raise_is_the_one_of_a_lost_server() -> None:
    with database_away(), pytest.raises(OperationalError):
        KeyPair.objects.exists()
