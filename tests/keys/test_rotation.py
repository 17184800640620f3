"""keys/services/rotation.py: plan, make keys outside the lock, lock, plan again, apply (keys.md Rotation)."""

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import connection, transaction

from audit.models import Event
from keys.conf import default_policy
from keys.errors import HostClockOff, MissingMasterSecret, SealBroken, WeakPolicy
from keys.models import KeyPair, KeyRing
from keys.selectors import database_clock, keys_of
from keys.services import minting, rotation
from keys.services.retirement import retire_rings, revive_ring
from keys.services.rings import add_ring, change_policy
from keys.services.rotation import NextTakeover, RotationReport, preview, rotate
from keys.steps import Mint, RaiseLifetime, SetEnd, SetStart, Wipe
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.known_secrets import SECRET_A, SECRET_B

DAY = timedelta(days=1)
PERIOD = timedelta(days=90)
N = timedelta(hours=48)
LEAD = timedelta(minutes=5, seconds=5)


def run(ring: KeyRing, clock: FakeClock, *, force: bool = False) -> RotationReport:
    return rotate(ring, now=clock.now, actor=ACTOR, force=force, clock=clock)


def by_age(ring: KeyRing) -> list[KeyPair]:
    return list(KeyPair.objects.filter(ring=ring).order_by("activates_at"))


@pytest.mark.spec("keys.md Rotation: every ring always has a standby")
def test_the_first_run_makes_the_signer_and_its_standby(es256_ring: KeyRing, clock: FakeClock) -> None:
    report = run(es256_ring, clock)
    signer, standby = by_age(es256_ring)
    assert (signer.published_at, signer.activates_at) == (clock.now, clock.now)
    assert signer.deactivates_at == standby.activates_at == clock.now + PERIOD
    assert standby.published_at == clock.now
    assert standby.deactivates_at is None
    assert report.next_takeover == NextTakeover(standby.kid, clock.now + PERIOD)
    assert [kid for _, kid in report.steps] == [signer.kid, standby.kid]


@pytest.mark.spec("keys.md Rotation: safe at any time, any number of times")
def test_a_second_run_does_nothing(es256_ring: KeyRing, clock: FakeClock) -> None:
    first = run(es256_ring, clock)
    events = Event.objects.count()
    for after in (timedelta(0), DAY, PERIOD - DAY - timedelta(seconds=1)):
        clock.advance(after)
        report = run(es256_ring, clock)
        assert report.steps == []
        assert report.next_takeover == first.next_takeover
    assert Event.objects.count() == events


@pytest.mark.spec("keys.md Rotation: when it takes over, the next one is minted and published at once")
def test_a_run_after_the_takeover_mints_the_next_standby(es256_ring: KeyRing, clock: FakeClock) -> None:
    run(es256_ring, clock)
    clock.advance(PERIOD)
    kinds = [type(step) for step, _ in run(es256_ring, clock).steps]
    assert kinds == [Mint, SetEnd]
    old, signer, standby = by_age(es256_ring)
    assert signer.activates_at == old.deactivates_at == clock.now
    assert signer.deactivates_at == standby.activates_at == clock.now + PERIOD
    assert old.destroyed_at is None


@pytest.mark.spec("keys.md Rotation: wiped by the first run after deactivates_at + TTL + skew")
def test_the_private_half_of_a_deactivated_key_is_wiped(es256_ring: KeyRing, clock: FakeClock) -> None:
    run(es256_ring, clock)
    clock.advance(PERIOD)
    run(es256_ring, clock)
    clock.advance(LEAD - timedelta(microseconds=1))
    assert run(es256_ring, clock).steps == []
    clock.advance(timedelta(microseconds=1))
    ((step, kid),) = run(es256_ring, clock).steps
    old = by_age(es256_ring)[0]
    assert step == Wipe(old.kid)
    assert kid == old.kid
    assert (old.sealed_private, old.destroyed_at) == (None, clock.now)


@pytest.mark.spec("keys.md Envelope: tags need their key until the very end")
def test_the_old_mac_key_is_kept_until_it_is_archived(mac_ring: KeyRing, clock: FakeClock) -> None:
    run(mac_ring, clock)
    clock.advance(PERIOD + DAY)
    run(mac_ring, clock)
    old = by_age(mac_ring)[0]
    assert old.sealed_private is not None
    assert old.unpublishes_at is not None
    clock.now = old.unpublishes_at + LEAD
    run(mac_ring, clock)
    assert by_age(mac_ring)[0].sealed_private is None


@pytest.mark.spec("keys.md: a missed cron run delays the next rotation but never leaves the provider without a signer")
def test_after_a_year_without_runs_the_standby_still_signs(es256_ring: KeyRing, clock: FakeClock) -> None:
    run(es256_ring, clock)
    clock.advance(timedelta(days=365))
    run(es256_ring, clock)
    old, signer, standby = by_age(es256_ring)
    assert signer.deactivates_at == standby.activates_at == clock.now + N
    assert old.destroyed_at == clock.now


@pytest.mark.spec("keys.md Rotation --force")
def test_force_brings_the_takeover_forward_once(es256_ring: KeyRing, clock: FakeClock) -> None:
    run(es256_ring, clock)
    clock.advance(30 * DAY)
    assert [type(step) for step, _ in run(es256_ring, clock, force=True).steps] == [SetStart, SetEnd]
    signer, standby = by_age(es256_ring)
    assert standby.activates_at == signer.deactivates_at == clock.now + LEAD
    assert run(es256_ring, clock, force=True).steps == []
    assert run(es256_ring, clock).steps == []
    clock.advance(LEAD)
    run(es256_ring, clock)
    assert KeyPair.objects.count() == 3


@pytest.mark.spec("keys.md Rotation: records each step")
def test_every_step_is_in_the_audit_with_reason_and_actor(es256_ring: KeyRing, clock: FakeClock) -> None:
    run(es256_ring, clock)
    clock.advance(30 * DAY)
    report = rotate(es256_ring, now=clock.now, actor="operator:7", force=True, reason="a drill", clock=clock)
    events = list(Event.objects.filter(actor="operator:7").order_by("id"))
    assert [event.name for event in events] == ["key.takeover_moved", "key.end_scheduled"]
    assert [event.target for event in events] == [kid for _, kid in report.steps]
    assert {(event.reason, event.realm, event.occurred_at) for event in events} == {("a drill", "default", clock.now)}
    assert {event.details["ring"] for event in events} == {"sign ES256"}


@pytest.mark.spec("keys.md Rotation --dry-run")
@pytest.mark.parametrize("after", [timedelta(0), PERIOD, PERIOD + DAY])
def test_a_preview_says_what_the_run_will_do_and_changes_nothing(
    es256_ring: KeyRing, clock: FakeClock, after: timedelta, settings: LazySettings
) -> None:
    if after:
        run(es256_ring, clock)
    clock.advance(after)
    before = (list(KeyPair.objects.values()), Event.objects.count())
    right = settings.IDP_MASTER_SECRETS
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    planned = preview(es256_ring, now=clock.now, clock=clock)
    settings.IDP_MASTER_SECRETS = right
    assert (list(KeyPair.objects.values()), Event.objects.count()) == before
    assert [step for step, _ in planned.steps] == [step for step, _ in run(es256_ring, clock).steps]


@pytest.mark.spec("keys.md Rotation: makes key material outside any lock")
def test_no_transaction_is_open_while_a_key_is_made(
    transactional_db: None, es256_ring: KeyRing, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def observed(ring: KeyRing) -> minting.Material:
        assert not connection.in_atomic_block
        made.append(ring)
        return minting.make_material(ring)

    monkeypatch.setattr(rotation, "make_material", observed)
    run(es256_ring, clock)
    assert len(made) == 2


@pytest.mark.spec("keys.md Rotation: locks the ring, reads the database's clock, plans again")
def test_what_another_run_did_in_the_meantime_counts(
    es256_ring: KeyRing, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def overtaken(ring: KeyRing) -> minting.Material:
        made.append(minting.make_material(ring))
        if len(made) == 1:
            monkeypatch.setattr(rotation, "make_material", minting.make_material)
            run(es256_ring, clock)
        return made[-1]

    monkeypatch.setattr(rotation, "make_material", overtaken)
    assert run(es256_ring, clock).steps == []
    assert KeyPair.objects.count() == 2
    assert made[0].kid not in {key.kid for key in by_age(es256_ring)}


@pytest.mark.spec("keys.md Rotation: plans again")
def test_a_second_plan_that_needs_more_keys_makes_them_and_starts_over(
    es256_ring: KeyRing, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(es256_ring, clock)
    real, readings = clock.now, iter([clock.now + DAY, clock.now + PERIOD, clock.now + PERIOD])
    report = rotate(es256_ring, now=real + DAY, actor=ACTOR, clock=lambda: next(readings))
    assert [type(step) for step, _ in report.steps] == [Mint, SetEnd]
    assert next(readings, None) is None


@pytest.mark.spec("keys.md Rotation: a host clock off by more than the skew is refused")
@pytest.mark.parametrize("off", [timedelta(minutes=5, microseconds=1), -timedelta(minutes=5, microseconds=1), -DAY])
def test_a_host_clock_that_is_off(es256_ring: KeyRing, clock: FakeClock, off: timedelta) -> None:
    with pytest.raises(HostClockOff, match="NTP"):
        rotate(es256_ring, now=clock.now + off, actor=ACTOR, clock=clock)
    with pytest.raises(HostClockOff):
        preview(es256_ring, now=clock.now + off, clock=clock)
    assert not KeyPair.objects.exists()


@pytest.mark.spec("keys.md Rotation: clock_timestamp()")
def test_the_clock_is_the_databases_and_moves_within_a_transaction(db: None) -> None:
    with transaction.atomic():
        first, second = database_clock(), database_clock()
    assert first < second
    assert first.utcoffset() == timedelta(0)


@pytest.mark.spec("keys.md Rotation: if stored keys can't be unsealed, rotation refuses to mint over them")
@pytest.mark.parametrize(
    ("secrets", "error"), [(f"other:{SECRET_B}", MissingMasterSecret), (f"mine:{SECRET_B}", SealBroken)]
)
def test_a_wrong_master_secret_mints_nothing_and_is_named(
    es256_ring: KeyRing, clock: FakeClock, settings: LazySettings, secrets: str, error: type[Exception]
) -> None:
    settings.IDP_MASTER_SECRETS = f"mine:{SECRET_A}"
    run(es256_ring, clock)
    before = list(KeyPair.objects.values())
    settings.IDP_MASTER_SECRETS = secrets
    clock.advance(PERIOD)
    with pytest.raises(error, match="'mine'"):
        run(es256_ring, clock)
    assert list(KeyPair.objects.values()) == before


@pytest.mark.spec("keys.md Rotation: refuses to mint over them, in a new ring of the same installation too")
def test_a_wrong_master_secret_starts_no_other_ring(
    es256_ring: KeyRing, mac_ring: KeyRing, clock: FakeClock, settings: LazySettings
) -> None:
    run(es256_ring, clock)
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    with pytest.raises(MissingMasterSecret):
        run(mac_ring, clock)
    assert by_age(mac_ring) == []


@pytest.mark.spec("keys.md: distrust and wiping need no master secret")
def test_a_wipe_needs_no_master_secret(es256_ring: KeyRing, clock: FakeClock, settings: LazySettings) -> None:
    run(es256_ring, clock)
    clock.advance(PERIOD)
    run(es256_ring, clock)
    clock.advance(DAY)
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    assert [type(step) for step, _ in run(es256_ring, clock).steps] == [Wipe]


@pytest.mark.spec("keys.md The invariant: settings that break the invariant are refused")
def test_a_ring_whose_policy_became_too_weak_does_not_rotate(
    es256_ring: KeyRing, clock: FakeClock, settings: LazySettings
) -> None:
    settings.IDP_JWKS_OUTAGE = 3 * DAY
    for act in (run, lambda ring, clock: preview(ring, now=clock.now, clock=clock)):
        with pytest.raises(WeakPolicy, match="propagation"):
            act(es256_ring, clock)


@pytest.mark.spec("keys.md The invariant: max_lifetime is raised, and unpublishes_at moved with it")
def test_a_longer_lifetime_reaches_the_keys_with_the_next_run(es256_ring: KeyRing, clock: FakeClock) -> None:
    run(es256_ring, clock)
    signer = by_age(es256_ring)[0]
    longer = replace(default_policy(), max_token_lifetime=30 * DAY)
    ring = change_policy(es256_ring, policy=longer, actor=ACTOR, now=clock.now)
    assert by_age(ring)[0].max_lifetime == 7 * DAY
    kinds = [type(step) for step, _ in run(ring, clock).steps]
    assert kinds == [RaiseLifetime, RaiseLifetime, SetEnd]
    raised, standby = by_age(ring)
    assert raised.max_lifetime == standby.max_lifetime == 30 * DAY
    assert raised.unpublishes_at is not None
    assert signer.unpublishes_at is not None
    assert raised.unpublishes_at - signer.unpublishes_at == 23 * DAY


@pytest.mark.spec("keys.md kids can be pasted")
def test_no_kid_begins_with_a_hyphen(mac_ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    kids, token_bytes = iter([b"\xf8" + bytes(7), b"\xfb" + bytes(7), b"\x04" * 8]), secrets.token_bytes
    monkeypatch.setattr(secrets, "token_bytes", lambda length: next(kids) if length == 8 else token_bytes(length))
    assert minting.make_material(mac_ring).kid == "BAQEBAQEBAQ"


@pytest.mark.spec("keys.md Rows: expired_test and mac keys have their rings")
def test_a_mac_key_has_nothing_public(mac_ring: KeyRing, es256_ring: KeyRing, clock: FakeClock) -> None:
    run(mac_ring, clock)
    run(es256_ring, clock)
    assert {key.public_jwk for key in by_age(mac_ring)} == {None}
    for key in by_age(es256_ring):
        assert key.public_jwk is not None
        assert set(key.public_jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert key.public_jwk["kid"] == key.kid
    assert keys_of(es256_ring.pk)[0].activates_at > keys_of(es256_ring.pk)[1].activates_at


@pytest.mark.timeout(60)
@pytest.mark.spec("keys.md Rotation: plan again under the lock")
def test_a_ring_that_was_revived_since_the_caller_read_it_gets_its_keys(es256_ring: KeyRing, clock: FakeClock) -> None:
    other = add_ring(realm=es256_ring.realm, algorithm="ES384", actor=ACTOR, now=clock.now)
    for ring in (es256_ring, other):
        run(ring, clock)
    retire_rings(realm=es256_ring.realm, algorithm="ES256", actor=ACTOR, clock=clock)
    stale = KeyRing.objects.get(pk=es256_ring.pk)
    clock.advance(timedelta(days=30))
    revive_ring(es256_ring, actor=ACTOR, clock=clock)
    assert [type(step) for step, _ in run(stale, clock).steps].count(Mint) == 2
