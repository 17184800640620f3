"""Many processes at once, and processes that are killed anywhere (issue 2: what shows that it is done)."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from audit.models import Event
from keys import hooks
from keys.models import KeyPair, KeyRing
from keys.selectors import timetable_of, unsealed_private
from keys.services import rewrapping
from keys.services.compromise import compromise
from keys.services.rewrapping import rewrap_all, sealed_by
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.timetable import KeyState, signing_key, state_at
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.known_secrets import SECRET_A, SECRET_B
from tests.keys.processes import KILLED, at_once, exit_code, fork, in_child, killed_before

pytestmark = [pytest.mark.django_db(transaction=True)]

PROCESSES = 50
AT_A_TIME = 16
ROUNDS = 20
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The housekeeping of the apps above is theirs to test."""
    monkeypatch.setattr(hooks._hooks, "housekeeping", {})


def rotation_runs(count: int, *, arguments: tuple[str, ...] = ()) -> list[int]:
    """Run `rotate_keys` in so many processes at the same moment."""

    def run() -> None:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            call_command("rotate_keys", *arguments, stdout=nowhere)

    moment = time.monotonic() + 0.3
    return [exit_code(child) for child in [fork(at_once(moment, run)) for _ in range(count)]]


def states(ring: KeyRing, clock: FakeClock) -> list[KeyState]:
    keys = KeyPair.objects.filter(ring=ring).order_by("activates_at")
    return [state_at(timetable_of(key), clock.now) for key in keys]


@pytest.mark.spec("issue 2: 50 rotate_keys processes at once mint one key a ring")
def test_fifty_processes_at_once_mint_one_key_a_ring(es256_ring: KeyRing, mac_ring: KeyRing) -> None:
    assert rotation_runs(PROCESSES) == [0] * PROCESSES
    for ring in (es256_ring, mac_ring):
        assert ring.keys.count() == 2, "a signer and its standby"
    assert Event.objects.filter(name="key.created").count() == 4


def runs_in_sixteen_processes(ring: KeyRing, runs: int) -> None:
    """Run `rotate_keys` so many times for one ring, from 16 processes at a time, each run as cron would have it."""

    def one_after_another(count: int) -> Callable[[], None]:
        def work() -> None:
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
                for _ in range(count):
                    call_command("rotate_keys", "--realm", ring.realm.slug, stdout=nowhere)

        return work

    shares = [runs // AT_A_TIME + (place < runs % AT_A_TIME) for place in range(AT_A_TIME)]
    moment = time.monotonic() + 0.3
    children = [fork(at_once(moment, one_after_another(share))) for share in shares]
    assert [exit_code(child) for child in children] == [0] * AT_A_TIME
    assert ring.keys.count() == 2, "a signer and its standby"
    assert Event.objects.filter(name="key.created", realm=ring.realm.slug).count() == 2


@pytest.mark.spec("issue 5: rotate_keys from 16 processes at a time, the short form")
def test_many_runs_from_sixteen_processes_mint_one_key_a_ring(es256_ring: KeyRing) -> None:
    runs_in_sixteen_processes(es256_ring, 2 * AT_A_TIME)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("issue 5: 1,000 rotate_keys from 16 processes at a time mint one key a ring")
def test_a_thousand_runs_from_sixteen_processes_mint_one_key_a_ring(es256_ring: KeyRing) -> None:
    runs_in_sixteen_processes(es256_ring, 1_000)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("issue 2: 50 rotate_keys processes at once, the long form: a thousand runs")
def test_a_thousand_runs_mint_one_key_a_ring_and_round(realm: Realm) -> None:
    for count in range(1, ROUNDS + 1):
        issuer = f"https://round-{count}.example.test"
        one = Realm.objects.create(slug=f"round-{count}", name="x", issuer=issuer, created_at=realm.created_at)
        ring = add_ring(realm=one, algorithm="ES256", actor=ACTOR, now=realm.created_at)
        assert rotation_runs(PROCESSES, arguments=("--realm", one.slug)) == [0] * PROCESSES
        assert ring.keys.count() == 2


def rings_for(realm: Realm, clock: FakeClock) -> Callable[[], KeyRing]:
    """Makes a ring without keys in a realm of its own, as often as one wants."""
    made = iter(range(10_000))

    def ring() -> KeyRing:
        slug = f"r{next(made)}"
        own = Realm.objects.create(slug=slug, name=slug, issuer=f"https://{slug}.example.test", created_at=clock.now)
        return add_ring(realm=own, algorithm="ES256", actor=ACTOR, now=clock.now)

    return ring


def assert_in_order(ring: KeyRing, clock: FakeClock) -> None:
    """One signer, one standby, both of which open; every key was recorded once; what is old is wiped."""
    found = states(ring, clock)
    assert found.count(KeyState.ACTIVE) == found.count(KeyState.PRE_ACTIVE) == 1, found
    for key in KeyPair.objects.filter(ring=ring).select_related("ring"):
        if state_at(timetable_of(key), clock.now) in (KeyState.ACTIVE, KeyState.PRE_ACTIVE):
            assert unsealed_private(key)
        else:
            assert key.sealed_private is None
        assert Event.objects.filter(name="key.created", target=key.kid).count() == 1


def signs(ring: KeyRing, clock: FakeClock) -> bool:
    """Whether some trusted, usable key of the ring signs now."""
    keys = KeyPair.objects.filter(ring=ring, destroyed_at=None)
    return signing_key([(key.kid, timetable_of(key)) for key in keys], clock.now, skew=ring.clock_skew) is not None


def kill_first_rotations(new_ring: Callable[[], KeyRing], clock: FakeClock) -> int:
    """Kill first rotations before each statement in turn, and have the next run recover; how many were killed."""
    step = 0
    while True:
        step += 1
        ring = new_ring()

        def work(ring: KeyRing = ring) -> None:
            rotate(ring, now=clock.now, actor=ACTOR, clock=clock)

        outcome = in_child(killed_before(step, work))
        assert outcome in (0, KILLED)
        assert states(ring, clock) in ([], [KeyState.ACTIVE, KeyState.PRE_ACTIVE]), "all or nothing"
        work()
        assert_in_order(ring, clock)
        if outcome == 0:
            return step - 1


@pytest.mark.spec("issue 2: SIGKILL of a rotation at every statement: the first one")
def test_a_first_rotation_killed_anywhere_is_made_up_for(realm: Realm, clock: FakeClock) -> None:
    assert kill_first_rotations(rings_for(realm, clock), clock) > 8


def kill_later_rotations(new_ring: Callable[[], KeyRing], clock: FakeClock) -> int:
    """The same with rotations that mint, end and wipe, and once force."""
    start, step = clock.now, 0
    while True:
        step += 1
        clock.now = start
        ring = new_ring()
        rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
        clock.advance(91 * DAY)

        def work(ring: KeyRing = ring) -> None:
            rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
            rotate(ring, now=clock.now, actor=ACTOR, force=True, clock=clock)

        outcome = in_child(killed_before(step, work))
        assert outcome in (0, KILLED)
        assert signs(ring, clock)
        work()
        assert_in_order(ring, clock)
        assert KeyPair.objects.filter(ring=ring).count() == 3, "nothing is minted twice"
        if outcome == 0:
            return step - 1


@pytest.mark.spec("issue 2: SIGKILL of a rotation at every statement: mint, end, wipe, force")
def test_a_later_rotation_killed_anywhere_is_made_up_for(realm: Realm, clock: FakeClock) -> None:
    assert kill_later_rotations(rings_for(realm, clock), clock) > 12


def kill_compromises(new_ring: Callable[[], KeyRing], clock: FakeClock, which: int) -> int:
    """The same with declarations of a compromise."""
    step = 0
    while True:
        step += 1
        ring = new_ring()
        rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
        lost = KeyPair.objects.filter(ring=ring).select_related("ring").order_by("activates_at")[which]

        def work(ring: KeyRing = ring, lost: KeyPair = lost) -> None:
            if KeyPair.objects.get(pk=lost.pk).compromised_at is None:
                compromise(lost, actor=ACTOR, clock=clock)
            rotate(ring, now=clock.now, actor=ACTOR, clock=clock)

        outcome = in_child(killed_before(step, work))
        assert outcome in (0, KILLED)
        assert signs(ring, clock), "there is no gap at any statement"
        work()
        assert_in_order(ring, clock)
        lost.refresh_from_db()
        assert (lost.compromised_at, lost.sealed_private) == (clock.now, None)
        if outcome == 0:
            return step - 1


@pytest.mark.spec("issue 2: SIGKILL at every statement: a compromise of the signer, and of the standby")
@pytest.mark.parametrize("which", [0, 1])
def test_a_compromise_killed_anywhere_is_made_up_for(realm: Realm, clock: FakeClock, which: int) -> None:
    assert kill_compromises(rings_for(realm, clock), clock, which) > 10


def kill_rewraps(clock: FakeClock, settings: LazySettings) -> int:
    """The same with re-wraps, there and back."""
    orders = ((f"a:{SECRET_A}", f"b:{SECRET_B}"), (f"b:{SECRET_B}", f"a:{SECRET_A}"))
    step = 0
    while True:
        old, new = orders[step % 2]
        step += 1
        settings.IDP_MASTER_SECRETS = f"{new},{old}"

        def work() -> None:
            rewrap_all(actor=ACTOR, now=clock.now)

        outcome = in_child(killed_before(step, work))
        assert outcome in (0, KILLED)
        work()
        assert list(sealed_by()) == [new[0]]
        settings.IDP_MASTER_SECRETS = new
        for key in KeyPair.objects.select_related("ring"):
            assert unsealed_private(key)
        if outcome == 0:
            return step - 1


@pytest.mark.spec("keys.md rewrap_keys: online and resumably")
def test_a_rewrap_killed_anywhere_is_made_up_for(
    es256_ring: KeyRing, clock: FakeClock, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewrapping, "BATCH", 1)
    settings.IDP_MASTER_SECRETS = f"a:{SECRET_A}"
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    assert kill_rewraps(clock, settings) > 8


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("issue 2: SIGKILL at every statement, the long form: twenty times each")
@pytest.mark.parametrize("count", range(ROUNDS))
def test_whatever_is_killed_anywhere_is_made_up_for_every_time(
    realm: Realm, es256_ring: KeyRing, clock: FakeClock, settings: LazySettings, count: int
) -> None:
    settings.IDP_MASTER_SECRETS = f"a:{SECRET_A}"
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    assert kill_rewraps(clock, settings) > 0
    settings.IDP_MASTER_SECRETS = f"a:{SECRET_A},b:{SECRET_B}"
    new_ring = rings_for(realm, clock)
    assert kill_first_rotations(new_ring, clock) > 0
    assert kill_later_rotations(new_ring, clock) > 0
    for which in (0, 1):
        assert kill_compromises(new_ring, clock, which) > 0
