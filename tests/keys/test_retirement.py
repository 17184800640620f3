"""keys/services/retirement.py where it meets other things that happen to a ring."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from keys.dead_keys import DeadKey, Fate
from keys.dead_keys_file import append
from keys.models import KeyPair, KeyRing
from keys.selectors import key_by_kid, keys_of
from keys.services.retirement import retire_rings
from keys.services.rings import add_ring
from keys.services.rotation import preview, rotate
from keys.steps import Condemn
from tests.clock import FakeClock
from tests.conftest import ACTOR

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def in_order(ring: KeyRing) -> list[KeyPair]:
    return sorted(keys_of(ring.pk), key=lambda key: key.activates_at)


def consistent() -> None:
    """What the database looks at when a transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def rotated(es256_ring: KeyRing, clock: FakeClock) -> KeyRing:
    """A ring with a signer and its standby, in a realm that can do without it."""
    add_ring(realm=es256_ring.realm, algorithm="Ed25519", actor=ACTOR, now=clock.now)
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    return es256_ring


def retire(ring: KeyRing, clock: FakeClock) -> None:
    retire_rings(realm=ring.realm, algorithm=ring.algorithm, actor=ACTOR, clock=clock)
    consistent()


@pytest.mark.spec("keys.md dead keys; Retired rings: a retired ring has no key without an end")
def test_the_last_key_of_a_retired_ring_that_turns_out_dead_leaves_the_one_before_its_end(
    rotated: KeyRing, clock: FakeClock, tmp_path: Path, settings: LazySettings
) -> None:
    settings.IDP_DEAD_KEYS_FILE = str(tmp_path / "dead_keys")
    (tmp_path / "dead_keys").touch()
    signer, standby = in_order(rotated)
    clock.now = standby.activates_at - MINUTE  # too late for it to be withdrawn: it ends the ring
    retire(rotated, clock)
    append([DeadKey(standby.kid, Fate.COMPROMISED, clock.now, standby.kid, "default")])
    clock.advance(SECOND)
    rotated.refresh_from_db()
    told = [kid for step, kid in preview(rotated, now=clock.now, clock=clock).steps if isinstance(step, Condemn)]
    rotate(rotated, now=clock.now, actor=ACTOR, clock=clock)
    consistent()
    assert told == [standby.kid]
    signer = key_by_kid(signer.kid)
    assert (signer.ends_ring, signer.deactivates_at) == (True, standby.activates_at)
