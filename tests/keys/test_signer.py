"""keys/signer.py: what a worker keeps to sign, for how long, and when it stops (keys.md Signing and publishing)."""

import hashlib
import hmac
import threading
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import LazySettings
from django.db import connection

from keys import signer as signer_module
from keys.algorithms import Purpose
from keys.errors import LifetimeTooLong, NoSigningKey, SealBroken, UnknownRing
from keys.models import KeyPair, KeyRing
from keys.selectors import unsealed_private
from keys.services.compromise import compromise
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import RingName, Signer, check_lifetime
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.known_secrets import SECRET_B
from tests.keys.memories import database_away, queries
from tests.keys.sql import execute

TTL = timedelta(seconds=5)
TICK = timedelta(microseconds=1)
PERIOD = timedelta(days=90)
DAY = timedelta(days=1)


@pytest.fixture
def worker(clock: FakeClock) -> Signer:
    """A worker whose monotonic clock is the fake one."""
    return Signer(clock.monotonic)


@pytest.fixture
def es256(bootstrapped: Realm) -> RingName:
    return RingName(bootstrapped.pk, Purpose.SIGN, "ES256")


@pytest.fixture
def tags(bootstrapped: Realm) -> RingName:
    return RingName(bootstrapped.pk, Purpose.MAC, "HMAC-SHA256")


def pair(purpose: str = "sign") -> tuple[KeyPair, KeyPair]:
    signer, standby = KeyPair.objects.filter(ring__purpose=purpose).select_related("ring").order_by("activates_at")
    return signer, standby


@pytest.mark.spec("keys.md: each worker keeps the unsealed active key for a TTL of at most 5 s")
def test_the_database_is_asked_once_in_a_ttl(worker: Signer, es256: RingName, clock: FakeClock) -> None:
    key, private = worker.signing_key(es256, clock.now)
    assert key.kid == pair()[0].kid
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    clock.advance(TTL - timedelta(milliseconds=1))
    assert queries(lambda: worker.signing_key(es256, clock.now)) == 0
    clock.advance(timedelta(milliseconds=1))
    assert queries(lambda: worker.signing_key(es256, clock.now)) == 1


@pytest.mark.spec("keys.md: the switch happens on time without a query")
def test_the_switch_happens_on_time_without_a_query(worker: Signer, es256: RingName, clock: FakeClock) -> None:
    signer, standby = pair()
    clock.advance(PERIOD - timedelta(seconds=2))
    assert worker.signing_key(es256, clock.now)[0].kid == signer.kid
    clock.advance(timedelta(seconds=2) - TICK)
    assert worker.signing_key(es256, clock.now)[0].kid == signer.kid
    clock.advance(TICK)

    def switch() -> None:
        assert worker.signing_key(es256, clock.now)[0].kid == standby.kid

    assert queries(switch) == 0


@pytest.mark.spec("keys.md: workers unseal the standby only shortly before it takes over, or on a compromise")
def test_a_standby_stays_sealed_until_it_takes_over(
    worker: Signer, es256: RingName, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsealed: list[str] = []

    def observed(key: KeyPair) -> bytes:
        unsealed.append(key.kid)
        return unsealed_private(key)

    monkeypatch.setattr(signer_module, "unsealed_private", observed)
    signer, standby = pair()
    for _ in range(5):
        worker.signing_key(es256, clock.now)
        clock.advance(TTL)
    assert unsealed == [signer.kid], "once, although the rows were read five times"
    clock.now = standby.activates_at
    worker.signing_key(es256, clock.now)
    assert unsealed == [signer.kid, standby.kid]


@pytest.mark.spec("keys.md: the signer fails closed when it can't refresh after the TTL")
def test_a_worker_that_is_cut_off_stops_signing_after_the_ttl(
    worker: Signer, es256: RingName, clock: FakeClock
) -> None:
    worker.signing_key(es256, clock.now)
    with database_away():
        clock.advance(TTL - timedelta(milliseconds=1))
        assert worker.signing_key(es256, clock.now)
        clock.advance(timedelta(milliseconds=1))
        for _ in range(3):
            with pytest.raises(NoSigningKey, match="can't be asked"):
                worker.signing_key(es256, clock.now)
    with pytest.raises(NoSigningKey):  # nobody asks again within a second, so that no time-outs queue up
        worker.signing_key(es256, clock.now)
    clock.advance(timedelta(seconds=1))
    assert worker.signing_key(es256, clock.now)


@pytest.mark.spec("keys.md: the signer fails closed")
def test_a_worker_that_starts_while_the_database_is_away_signs_nothing(
    worker: Signer, es256: RingName, clock: FakeClock
) -> None:
    with database_away(), pytest.raises(NoSigningKey):
        worker.signing_key(es256, clock.now)


@pytest.mark.spec("keys.md: must not go on signing with a key that was declared compromised")
def test_a_compromise_is_seen_within_the_ttl(worker: Signer, es256: RingName, clock: FakeClock) -> None:
    signer, standby = pair()
    assert worker.signing_key(es256, clock.now)[0].kid == signer.kid
    clock.advance(timedelta(seconds=1))
    compromise(signer, actor=ACTOR, clock=clock)
    clock.advance(TTL)
    assert worker.signing_key(es256, clock.now)[0].kid == standby.kid


@pytest.mark.spec("keys.md compromise_key: the standby signs at once, by slow clocks too")
@pytest.mark.parametrize("ring", ["sign", "mac"])
def test_a_slow_worker_signs_after_a_compromise(
    worker: Signer, es256: RingName, tags: RingName, clock: FakeClock, ring: str
) -> None:
    name = es256 if ring == "sign" else tags
    for days in (90, 3):
        clock.advance(timedelta(days=days))
        rotate(KeyRing.objects.get(purpose=ring), now=clock.now, actor=ACTOR, clock=clock)
    signer = worker.signing_key(name, clock.now)[0]
    successor = compromise(signer, actor=ACTOR, clock=clock).successor
    worker.forget()
    slow = clock.now - timedelta(minutes=5)
    assert worker.signing_key(name, slow)[0].kid == successor


@pytest.mark.spec("keys.md: declared compromised, never trusted again")
def test_a_ring_without_any_trusted_key_signs_nothing(worker: Signer, es256: RingName, clock: FakeClock) -> None:
    compromise(pair()[0], actor=ACTOR, everything=True, clock=clock)
    with pytest.raises(NoSigningKey, match="sign ES256 may sign now"):
        worker.signing_key(es256, clock.now)


@pytest.mark.spec("issue 2: bad input is named")
def test_a_ring_that_is_not_there_is_named(worker: Signer, bootstrapped: Realm, clock: FakeClock) -> None:
    with pytest.raises(UnknownRing, match="ES384"):
        worker.signing_key(RingName(bootstrapped.pk, Purpose.SIGN, "ES384"), clock.now)
    with pytest.raises(UnknownRing):
        worker.signing_key(RingName(bootstrapped.pk, Purpose.SIGN, "ES256", bits=256), clock.now)


@pytest.mark.spec("keys.md Rotation: a ring without keys yet")
def test_a_ring_without_keys_has_no_signer(worker: Signer, realm: Realm, es256_ring: KeyRing, clock: FakeClock) -> None:
    with pytest.raises(NoSigningKey):
        worker.signing_key(RingName(realm.pk, Purpose.SIGN, "ES256"), clock.now)


@pytest.mark.spec("issue 2: a wrong master secret")
def test_a_key_that_does_not_open_signs_nothing(
    worker: Signer, es256: RingName, clock: FakeClock, settings: LazySettings
) -> None:
    settings.IDP_MASTER_SECRETS = f"t1:{SECRET_B}"
    with pytest.raises(SealBroken, match="'t1'"):
        worker.signing_key(es256, clock.now)


@pytest.mark.spec("keys.md Rows: one ring a length")
def test_the_longest_of_several_rsa_rings_signs(worker: Signer, realm: Realm, clock: FakeClock) -> None:
    kids = {}
    for bits in (2048, 3072):
        ring = add_ring(realm=realm, algorithm="RS256", bits=bits, actor=ACTOR, now=clock.now)
        rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
        kids[bits] = KeyPair.objects.filter(ring=ring).earliest("activates_at").kid
    name = RingName(realm.pk, Purpose.SIGN, "RS256")
    assert worker.signing_key(name, clock.now)[0].kid == kids[3072]
    shorter = RingName(realm.pk, Purpose.SIGN, "RS256", bits=2048)
    assert worker.signing_key(shorter, clock.now)[0].kid == kids[2048]


@pytest.mark.spec("keys.md Envelope: the MAC keys that tags of codes and refresh tokens use")
def test_a_tag_is_the_hmac_under_the_key_that_is_named(worker: Signer, tags: RingName, clock: FakeClock) -> None:
    signer, standby = pair("mac")
    for key in (signer, standby):
        expected = hmac.digest(unsealed_private(key), b"message", hashlib.sha256)
        assert worker.tag(tags, key.kid, b"message", clock.now) == expected
    for kid in ("", "unknown", pair("sign")[0].kid, signer.kid.upper()):
        assert worker.tag(tags, kid, b"message", clock.now) is None


@pytest.mark.spec("keys.md Rows: unpublishes_at")
def test_a_key_tags_until_its_last_moment_and_no_longer(worker: Signer, tags: RingName, clock: FakeClock) -> None:
    old, _ = pair("mac")
    assert old.unpublishes_at is not None
    clock.now = old.unpublishes_at - TICK
    assert worker.tag(tags, old.kid, b"m", clock.now) is not None
    assert worker.tag(tags, old.kid, b"m", old.unpublishes_at) is None, "by the memory of a moment ago"
    worker.forget()
    assert worker.tag(tags, old.kid, b"m", old.unpublishes_at) is None


@pytest.mark.spec("keys.md: compromised, never trusted again")
def test_a_compromised_key_tags_nothing(worker: Signer, tags: RingName, clock: FakeClock) -> None:
    signer, _ = pair("mac")
    compromise(signer, actor=ACTOR, clock=clock)
    assert worker.tag(tags, signer.kid, b"m", clock.now) is None


@pytest.mark.spec("keys.md: compromised, never trusted again, even before its private half is wiped")
def test_a_key_that_was_compromised_by_hand_is_trusted_no_more(
    worker: Signer, es256: RingName, tags: RingName, clock: FakeClock
) -> None:
    execute("UPDATE keys_keypair SET compromised_at = now() WHERE deactivates_at IS NOT NULL")
    assert worker.tag(tags, pair("mac")[0].kid, b"m", clock.now) is None
    with pytest.raises(NoSigningKey):
        worker.signing_key(es256, clock.now)


@pytest.mark.spec("keys.md: a signing key is no MAC key")
def test_a_key_of_a_signing_ring_makes_no_tag(worker: Signer, es256: RingName, clock: FakeClock) -> None:
    assert worker.tag(es256, pair()[0].kid, b"m", clock.now) is None


@pytest.mark.spec("keys.md The invariant: sign_jwt refuses an exp past max_lifetime or past unpublishes_at − skew")
def test_nothing_outlives_the_key_that_vouches_for_it(es256: RingName, clock: FakeClock) -> None:
    signer, standby = pair()
    check_lifetime(signer, expires_at=clock.now + 7 * DAY, now=clock.now)
    check_lifetime(standby, expires_at=clock.now + 7 * DAY, now=clock.now)
    with pytest.raises(LifetimeTooLong, match="raise the ring's longest token lifetime"):
        check_lifetime(signer, expires_at=clock.now + 7 * DAY + TICK, now=clock.now)
    assert signer.unpublishes_at is not None
    edge = signer.unpublishes_at - timedelta(minutes=5)
    check_lifetime(signer, expires_at=edge, now=edge - DAY)
    with pytest.raises(LifetimeTooLong, match="leaves the JWKS"):
        check_lifetime(signer, expires_at=edge + TICK, now=edge - DAY)


@pytest.mark.spec("keys.md: safe to use from many threads")
@pytest.mark.django_db(transaction=True)
def test_many_threads_share_one_reading(worker: Signer, es256: RingName, clock: FakeClock) -> None:
    found: list[str] = []
    start = threading.Barrier(8)

    def sign() -> None:
        start.wait(10)
        found.append(worker.signing_key(es256, clock.now)[0].kid)
        connection.close()

    threads = [threading.Thread(target=sign) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [pair()[0].kid] * 8
    assert len(worker._memories) == 1


@pytest.mark.spec("keys.md States: wiped")
def test_a_wiped_key_is_never_loaded(worker: Signer, es256: RingName, clock: FakeClock) -> None:
    execute("UPDATE keys_keypair SET sealed_private = NULL, destroyed_at = now() WHERE kid = %(kid)s",
            {"kid": pair()[0].kid})  # fmt: skip
    with pytest.raises(NoSigningKey):
        worker.signing_key(es256, clock.now)
