"""keys/services/compromise.py: distrust at once, without waiting for a key or for the master secret."""

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import connection

from audit.models import Event
from keys import hooks
from keys.errors import CompromiseRefused
from keys.models import KeyPair, KeyRing
from keys.selectors import timetable_of
from keys.services.compromise import CompromiseReport, compromise, preview
from keys.services.rotation import rotate
from keys.steps import Mint, SetEnd
from keys.timetable import KeyState, signing_key, state_at
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.known_secrets import SECRET_B

DAY = timedelta(days=1)
PERIOD = timedelta(days=90)
N = timedelta(hours=48)


@pytest.fixture(autouse=True)
def _no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the apps above count is theirs to test."""
    monkeypatch.setattr(hooks._hooks, "impact", [])


@pytest.fixture
def ring(es256_ring: KeyRing, clock: FakeClock) -> KeyRing:
    """A ring with a deactivated key, a signer and a standby that has propagated."""
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    clock.advance(PERIOD)
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    clock.advance(timedelta(days=3))
    return es256_ring


def three(ring: KeyRing) -> tuple[KeyPair, KeyPair, KeyPair]:
    old, signer, standby = (
        KeyPair.objects.filter(ring=ring).select_related("ring").order_by("published_at", "activates_at")
    )
    return old, signer, standby


def lose(key: KeyPair, clock: FakeClock, *, everything: bool = False, reason: str = "") -> CompromiseReport:
    report = compromise(key, actor=ACTOR, reason=reason, everything=everything, clock=clock)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what a commit would say
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return report


def signer_now(ring: KeyRing, clock: FakeClock) -> str | None:
    keys = [(key.kid, timetable_of(key)) for key in KeyPair.objects.filter(ring=ring)]
    return signing_key(keys, clock.now, skew=ring.clock_skew)


@pytest.mark.spec("keys.md compromise_key: the standby signs at once")
def test_the_signer_is_lost_and_the_standby_signs_at_once(ring: KeyRing, clock: FakeClock) -> None:
    _, signer, standby = three(ring)
    report = lose(signer, clock, reason="seen on a laptop")
    assert report == CompromiseReport((signer.kid,), standby.kid, None, {"tokens": 0}, report.verifiers)
    assert signer_now(ring, clock) == standby.kid
    signer.refresh_from_db()
    assert state_at(timetable_of(signer), clock.now) is KeyState.COMPROMISED
    event = Event.objects.get(name="key.compromised")
    assert (event.target, event.reason, event.actor) == (signer.kid, "seen on a laptop", ACTOR)


@pytest.mark.spec("keys.md compromise_key: a new standby is minted")
def test_the_next_run_mints_a_new_standby(ring: KeyRing, clock: FakeClock) -> None:
    _, signer, standby = three(ring)
    lose(signer, clock)
    steps = [step for step, _ in rotate(ring, now=clock.now, actor=ACTOR, clock=clock).steps]
    assert [type(step) for step in steps[:2]] == [Mint, SetEnd]
    assert isinstance(steps[1], SetEnd)
    assert steps[1].kid == standby.kid


@pytest.mark.spec("keys.md compromise_key: where the successor has not propagated it says so, and for how long")
def test_a_successor_that_has_not_propagated(es256_ring: KeyRing, clock: FakeClock) -> None:
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    made = clock.now
    clock.advance(DAY)
    signer, standby = KeyPair.objects.order_by("activates_at")
    assert preview(signer, clock=clock).propagated_at == made + N
    assert lose(signer, clock).propagated_at == made + N
    clock.advance(DAY)
    assert preview(standby, clock=clock).propagated_at is None


@pytest.mark.spec("keys.md compromise_key: nobody verifies tags offline")
def test_the_successor_of_a_mac_key_needs_no_propagation(mac_ring: KeyRing, clock: FakeClock) -> None:
    rotate(mac_ring, now=clock.now, actor=ACTOR, clock=clock)
    signer = KeyPair.objects.select_related("ring").earliest("activates_at")
    assert lose(signer, clock).propagated_at is None


@pytest.mark.spec("issue 2: declaring the standby compromised leaves no gap")
def test_the_standby_is_lost_and_the_signer_signs_on(ring: KeyRing, clock: FakeClock) -> None:
    _, signer, standby = three(ring)
    report = lose(standby, clock)
    assert report.successor == signer.kid
    signer.refresh_from_db()
    assert (signer.deactivates_at, signer.unpublishes_at) == (None, None)
    for later in (timedelta(0), PERIOD, 3 * PERIOD):
        clock.advance(later)
        assert signer_now(ring, clock) == signer.kid
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    signer.refresh_from_db()
    assert signer.deactivates_at == clock.now + N


@pytest.mark.spec("keys.md compromise_key")
def test_an_old_key_is_lost_and_nobody_moves(ring: KeyRing, clock: FakeClock) -> None:
    old, signer, standby = three(ring)
    before = [timetable_of(key) for key in (signer, standby)]
    assert lose(old, clock).condemned == (old.kid,)
    assert [timetable_of(key) for key in three(ring)[1:]] == before


@pytest.mark.spec("keys.md compromise_key --whole-ring: both are replaced")
def test_a_host_is_lost_and_with_it_every_private_half(ring: KeyRing, clock: FakeClock) -> None:
    old, signer, standby = three(ring)
    report = lose(signer, clock, everything=True)
    assert set(report.condemned) == {old.kid, signer.kid, standby.kid}
    assert report.successor is None
    assert report.propagated_at is None
    assert signer_now(ring, clock) is None
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    fresh = signer_now(ring, clock)
    assert fresh is not None
    assert fresh not in report.condemned


@pytest.mark.spec("keys.md compromise_key --whole-ring: a wiped half is known to nobody")
def test_a_lost_host_does_not_hit_what_was_wiped(ring: KeyRing, clock: FakeClock) -> None:
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    old, signer, standby = three(ring)
    assert old.destroyed_at is not None
    assert set(lose(signer, clock, everything=True).condemned) == {signer.kid, standby.kid}


@pytest.mark.spec("keys.md compromise_key: works without the master secret as far as it can")
def test_distrust_needs_no_master_secret(ring: KeyRing, clock: FakeClock, settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    _, signer, standby = three(ring)
    assert lose(signer, clock).successor == standby.kid


@pytest.mark.spec("keys.md Rows: destroyed_at")
def test_the_private_half_of_a_compromised_key_is_wiped(ring: KeyRing, clock: FakeClock) -> None:
    old, signer, _ = three(ring)
    lose(signer, clock)
    signer.refresh_from_db()
    assert (signer.sealed_private, signer.destroyed_at) == (None, clock.now)
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    old.refresh_from_db()
    wiped_at = old.destroyed_at
    clock.advance(DAY)
    lose(old, clock)
    old.refresh_from_db()
    assert old.destroyed_at == wiped_at != clock.now


@pytest.mark.spec("keys.md compromise_key")
def test_a_key_is_compromised_once(ring: KeyRing, clock: FakeClock) -> None:
    _, signer, _ = three(ring)
    lose(signer, clock)
    with pytest.raises(CompromiseRefused, match=r"was declared compromised at 2026-"):
        lose(signer, clock)
    with pytest.raises(CompromiseRefused, match=r"was declared compromised at 2026-"):
        preview(signer, clock=clock)


@pytest.mark.spec("keys.md compromise_key --dry-run")
@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_preview_says_what_the_declaration_does(
    ring: KeyRing, clock: FakeClock, which: int, everything: bool
) -> None:
    key = three(ring)[which]
    before = (list(KeyPair.objects.values()), Event.objects.count())
    foreseen = preview(key, everything=everything, clock=clock)
    assert (list(KeyPair.objects.values()), Event.objects.count()) == before
    assert lose(key, clock, everything=everything) == foreseen


@pytest.mark.spec("keys.md compromise_key --dry-run: says at most how many live grants and clients are hit")
def test_what_is_hit_is_added_up_over_the_apps_above(ring: KeyRing, clock: FakeClock) -> None:
    asked = []

    def first(realm_id: int, now: object) -> dict[str, int]:
        asked.append((realm_id, now))
        return {"grants": 3, "clients": 1}

    def second(realm_id: int, now: object) -> dict[str, int]:
        return {"grants": 4}

    for hook in (first, first, second):
        hooks.register_impact(hook)
    assert preview(three(ring)[1], clock=clock).impact == {"grants": 7, "clients": 1, "tokens": 0}
    assert asked == [(ring.realm_id, clock.now)]


@pytest.mark.spec("keys.md: one signer after another may be lost")
def test_two_compromises_in_a_row_leave_a_ring_that_recovers(ring: KeyRing, clock: FakeClock) -> None:
    for _ in range(3):
        kid = signer_now(ring, clock)
        lose(KeyPair.objects.select_related("ring").get(kid=kid), clock)
        rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
        clock.advance(timedelta(seconds=1))
    assert signer_now(ring, clock) is not None
    states = [state_at(timetable_of(key), clock.now) for key in KeyPair.objects.filter(ring=ring)]
    assert states.count(KeyState.ACTIVE) == 1
    assert states.count(KeyState.PRE_ACTIVE) == 1


@pytest.mark.spec("keys.md compromise_key: distrust never waits, not even for a clock that went back")
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_clock_that_went_back_over_a_takeover_stops_no_declaration(
    es256_ring: KeyRing, clock: FakeClock, which: int
) -> None:
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    clock.advance(PERIOD)
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    clock.advance(-DAY)  # the database was moved to a host whose clock is behind
    keys = KeyPair.objects.filter(ring=es256_ring).select_related("ring").order_by("activates_at")
    lost = keys[which]
    lose(lost, clock)
    signs = signer_now(es256_ring, clock)
    assert signs is not None
    assert signs != lost.kid
