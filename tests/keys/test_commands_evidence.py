"""manage.py list_keys and rotate_keys: who holds the next key (issue 5, point 3)."""

from datetime import datetime, timedelta

import pytest

from keys.fetchers import Fetcher, Visit
from keys.models import KeyPair, KeyRing
from keys.notes import RealmFetches
from keys.services.evidence import add_fetches
from keys.services.rotation import rotate
from realms.models import Realm
from tests.conftest import ACTOR
from tests.keys.commands import run

MINUTE = timedelta(minutes=1)


@pytest.fixture
def now() -> datetime:
    """A minute ago by the real clock, which the commands read."""
    return datetime.now().astimezone() - MINUTE


@pytest.fixture
def standby(es256_ring: KeyRing, now: datetime) -> KeyPair:
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    return KeyPair.objects.get(ring=es256_ring, deactivates_at=None)


def fetched(name: str, etag: str, *kids: str, at: datetime, address: str = "192.0.2.1") -> None:
    noted = RealmFetches({Fetcher(address, name): Visit(at, etag)}, {etag: (kids, at)})
    add_fetches({"default": noted}, now=at)


def test_without_fetchers_it_says_so(standby: KeyPair) -> None:
    assert "default sign ES256: No fetcher of the JWKS was seen within 7 days." in run("list_keys").out


@pytest.mark.spec("issue 5 point 3: 41 of 43 fetchers hold the next key; behind: …")
def test_it_says_how_many_hold_the_next_key_and_who_is_behind(standby: KeyPair, now: datetime) -> None:
    for n in range(3):
        fetched(f"go/{n}", '"new"', standby.kid, at=now)
    fetched("envoy", '"old"', at=now - MINUTE)
    fetched("", '"old"', at=now - MINUTE, address="")
    told = run("list_keys").out
    assert "default sign ES256: 3 of 5 fetchers hold the next key." in told
    assert "\n  behind: 192.0.2.1 envoy, last seen " in told
    assert 'Z, holds "old" of ' in told
    assert "behind: an unknown address (no user agent)" in told
    (ring,) = run("list_keys", "--json").json["next_keys"]
    assert (ring["kid"], ring["fetchers"], ring["holding"], ring["waits"]) == (standby.kid, 5, 3, False)
    assert {late["user_agent"] for late in ring["behind"]} == {"envoy", ""}
    assert ring["behind"][0].keys() == {"address", "user_agent", "last_seen_at", "etag", "served_since"}


def test_the_list_of_those_behind_is_bounded(standby: KeyPair, now: datetime) -> None:
    names = [f"late {n}" for n in range(14)]
    noted = RealmFetches({Fetcher("192.0.2.1", name): Visit(now, '"old"') for name in names}, {'"old"': ((), now)})
    noted.unseated = 77
    add_fetches({"default": noted}, now=now)
    told = run("list_keys").out
    assert told.count("behind: ") == 10
    assert "and 4 more" in told
    assert "others, for whom no slot is free: 77 fetches within 7 days" in told


def test_what_is_not_published_is_not_waited_for(bootstrapped: Realm) -> None:
    assert [ring["purpose"] for ring in run("list_keys", "--json").json["next_keys"]] == ["sign"]


@pytest.mark.spec("ADR 19: brought forward by the first run at which all hold the standby")
def test_a_run_that_finds_everybody_in_possession_brings_the_takeover_forward(
    es256_ring: KeyRing, now: datetime
) -> None:
    KeyRing.objects.filter(pk=es256_ring.pk).update(patience=timedelta(days=9))
    es256_ring.refresh_from_db()
    fetched("envoy", '"old"', at=now)
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    standby = KeyPair.objects.get(ring=es256_ring, deactivates_at=None)
    regular = now + es256_ring.rotation_period
    assert standby.activates_at == regular + timedelta(days=9)
    assert run("list_keys", "--json").json["next_keys"][0]["waits"] is True
    assert "nothing due" in run("rotate_keys").out
    fetched("envoy", '"new"', standby.kid, at=now + MINUTE / 2)
    assert f"key {standby.kid}: takes over at " in run("rotate_keys").out
    standby.refresh_from_db()
    assert standby.activates_at == regular
    assert run("list_keys", "--json").json["next_keys"][0]["waits"] is False
