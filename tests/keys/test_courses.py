"""What the simulator foresees is what happens: a ring with a past, played forward, and rotated by the services."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connection

from audit.models import Event
from audit.vocabulary import EventName
from keys.adoptable import read_key
from keys.forecast import forecast
from keys.models import KeyRing
from keys.planning import KeyFacts, succession
from keys.selectors import facts_of, key_by_kid, keys_of
from keys.services.adoption import adopt
from keys.services.compromise import compromise
from keys.services.retirement import retire_rings, revive_ring
from keys.services.rings import add_ring, change_policy
from keys.services.rotation import rotate
from keys.timetable import KeyState, transitions
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR, NOW
from tests.keys.test_invariant import DAY, LONGER, PATIENT, POLICY, SHORTER, _fetched

MINUTE, HOUR, SPAN, EVERY = timedelta(minutes=1), timedelta(hours=1), 40 * DAY, timedelta(hours=11)
FAR_OFF = replace(POLICY, rotation_period=40 * DAY, propagation=25 * DAY)
PASTS = {
    "patience, then retired": "patient 10 rotate 3 retire",
    "patience, then forced": "patient 10 force 1",
    "retired, and the signer lost": "3 retire signer-lost",
    "retired too late for the standby, and the host lost": "takeover retire host-lost",
    "retired too late for the standby, and the signer lost": "takeover retire signer-lost",
    "retired too late for the standby, and that lost": "takeover retire standby-lost",
    "retired and revived": "3 retire 1 revive",
    "a key that queues": "5 adopt",
    "a key that queues, and the standby lost": "5 adopt 1 adopt standby-lost",
    "a key that queues, and the signer lost": "5 adopt signer-lost 1 longer",
    "a key that queues in a ring that is retired": "5 adopt takeover retire standby-lost",
    "a key that queues, and a propagation beyond its start": "5 adopt far-off",
    "keys that queue, and a propagation beyond their starts": "5 adopt 1 adopt far-off 1 shorter",
}


def present_keys(ring: KeyRing, clock: FakeClock) -> dict[str, KeyFacts | None]:
    found = succession([facts_of(key) for key in keys_of(ring.pk)], clock.now)
    return {"signer": found.signer, "standby": found.standby, "host": found.signer}


def adopt_one(ring: KeyRing, clock: FakeClock) -> None:
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    adopt(read_key(pem, algorithm=None, passphrase=None), realm=ring.realm, kid=None, actor=ACTOR, clock=clock)


def happen(ring: KeyRing, clock: FakeClock, what: str) -> None:
    """A number of days passes, or something is done."""
    if what.isdigit():
        clock.advance(int(what) * DAY)
    elif what in ("rotate", "force"):
        rotate(ring, now=clock.now, actor=ACTOR, force=what == "force", clock=clock)
    elif what == "takeover":
        standby = present_keys(ring, clock)["standby"]
        assert standby is not None
        clock.now = standby.times.activates_at - MINUTE
    elif what == "retire":
        retire_rings(realm=ring.realm, algorithm=ring.algorithm, actor=ACTOR, clock=clock)
    elif what == "revive":
        revive_ring(ring, actor=ACTOR, clock=clock)
    elif what == "adopt":
        adopt_one(ring, clock)
    elif what.endswith("-lost"):
        lost = present_keys(ring, clock)[what.removesuffix("-lost")]
        assert lost is not None
        compromise(key_by_kid(lost.kid), actor=ACTOR, everything=what == "host-lost", clock=clock)
    else:
        _fetched(ring.realm, clock.now, lags=True)
        policy = {"patient": PATIENT, "longer": LONGER, "shorter": SHORTER, "far-off": FAR_OFF}[what]
        change_policy(ring, policy=policy, actor=ACTOR, now=clock.now)


@pytest.fixture(params=PASTS.values(), ids=list(PASTS))
def past(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.spec("keys.md Simulator: the course is the one that rotate_keys takes; History: each transition once")
def test_a_ring_takes_the_course_that_is_foreseen_and_each_transition_is_told_once(realm: Realm, past: str) -> None:
    clock = FakeClock(NOW)
    ring = add_ring(realm=realm, algorithm="ES256", policy=POLICY, actor=ACTOR, now=NOW)
    add_ring(realm=realm, algorithm="Ed25519", actor=ACTOR, now=NOW)
    for what in ["rotate", *past.split()]:
        happen(KeyRing.objects.get(pk=ring.pk), clock, what)
    ring, since = KeyRing.objects.get(pk=ring.pk), clock.now
    foreseen = forecast(ring, keys_of(ring.pk), now=since, span=SPAN, profiles=[], every=EVERY)
    while clock.now <= since + SPAN:
        last = clock.now
        rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
        clock.now += EVERY
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    found = [facts_of(key) for key in keys_of(ring.pk)]
    assert described(found) == described(foreseen.course.keys)
    told = Counter(Event.objects.exclude(target=str(ring)).values_list("name", "target"))
    for key in found:
        names = {
            KeyState.ACTIVE: EventName.KEY_ACTIVATED,
            KeyState.DEACTIVATED: EventName.KEY_DEACTIVATED,
            KeyState.ARCHIVED: EventName.KEY_ARCHIVED,
        }
        come = {state for state, _ in transitions(key.times, since=KeyState.PRE_ACTIVE, now=last)}
        assert {state: told[name, key.kid] for state, name in names.items()} == {s: int(s in come) for s in names}
        ends = [told[EventName.KEY_COMPROMISED, key.kid], told[EventName.KEY_WITHDRAWN, key.kid]]
        assert ends == [int(key.times.compromised_at is not None), int(key.times.withdrawn_at is not None)]
        assert told[EventName.KEY_CREATED, key.kid] == 1


def described(keys: object) -> Counter[tuple[object, ...]]:
    """What there is to a key but its kid: the simulator makes none."""
    assert isinstance(keys, list | tuple)
    return Counter((key.times, key.max_lifetime, key.has_private, key.ends_ring) for key in keys)
