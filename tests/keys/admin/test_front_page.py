"""The front page: every ring's active key, standby, next rotation, and a warning when something is overdue."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys.algorithms import Purpose
from keys.conf import default_policy
from keys.models import KeyPair, KeyRing
from keys.overview import all_rings, overview
from keys.selectors import keys_by_ring
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm
from tests.keys.admin.pages import FRONT, of_key, of_ring, words
from tests.provider import Browser


def test_it_shows_the_active_key_its_age_the_standby_and_the_next_rotation(
    operator: Browser, ring: KeyRing, active: KeyPair, standby: KeyPair
) -> None:
    page = operator.get(FRONT)
    for address in (of_ring(ring), of_key(active), of_key(standby)):
        assert address in page.content.decode()
    said = words(page)
    assert "active for 1 minute" in said
    assert f"takes over on {standby.activates_at.day} {standby.activates_at:%b %Y, %H:%M} UTC" in said
    assert "Next rotation in 89 days" in said
    assert "All in order" in said


def test_a_ring_without_keys_is_a_warning(operator: Browser, es256_ring: KeyRing) -> None:
    said = words(operator.get(FRONT))
    assert "No key of this ring may sign since" in said
    assert "1 of 1 needs your eye" in said


def test_a_standby_that_nobody_made_is_a_warning_after_a_day(
    operator: Browser, es256_ring: KeyRing, now: datetime
) -> None:
    long_ago = now - default_policy().rotation_period - timedelta(days=2)
    rotate(es256_ring, now=long_ago, actor="test", clock=lambda: long_ago)
    said = words(operator.get(FRONT))
    assert "There is no standby since" in said
    assert "none yet" in said
    assert "with the next run of rotate_keys" in said


def test_a_policy_that_the_settings_break_is_a_warning(operator: Browser, ring: KeyRing) -> None:
    KeyRing.objects.filter(pk=ring.pk).update(propagation=timedelta(minutes=1))
    assert "is shorter than" in words(operator.get(FRONT))


def test_without_rings_it_says_what_to_run(operator: Browser, realm: Realm) -> None:
    assert "There are no key rings yet: run manage.py bootstrap." in words(operator.get(FRONT))


def test_the_number_of_queries_does_not_grow_with_rings_and_keys(
    operator: Browser, realm: Realm, ring: KeyRing, now: datetime
) -> None:
    operator.get(FRONT)
    with CaptureQueriesContext(
        connection,
    ) as few:
        operator.get(FRONT)
    for algorithm in ("ES384", "ES512", "Ed25519"):
        rotate(add_ring(realm=realm, algorithm=algorithm, actor="test", now=now), now=now, actor="test",
               clock=lambda: now)  # fmt: skip
    with CaptureQueriesContext(connection) as many:
        page = operator.get(FRONT)
    assert words(page).count("Next rotation in") == 4
    assert len(many) == len(few)


def test_the_overview_takes_five_queries_and_no_half_of_a_key(ring: KeyRing, now: datetime) -> None:
    with CaptureQueriesContext(connection) as asked:
        all_rings(now)
    assert len(asked) <= 5, "two for the rings, three for who holds the standbys"
    assert not any(half in query["sql"] for query in asked for half in ("sealed_private", "public_jwk"))


def test_whoever_may_not_see_rings_sees_none(signed_in: Callable[..., Browser], ring: KeyRing) -> None:
    page = signed_in("view_event").get(FRONT)
    assert page.status_code == 200
    assert "Key rings" not in words(page)


def test_whoever_may_not_see_keys_gets_no_link_to_them(
    signed_in: Callable[..., Browser], ring: KeyRing, active: KeyPair
) -> None:
    page = signed_in("view_keyring").get(FRONT).content.decode()
    assert active.kid in page
    assert of_key(active) not in page


@pytest.mark.parametrize(("days", "percent"), [(0, 0), (45, 50), (90, 100), (400, 100)])
def test_how_much_of_the_active_key_s_time_is_over(es256_ring: KeyRing, now: datetime, days: int, percent: int) -> None:
    rotate(es256_ring, now=now, actor="test", clock=lambda: now)
    keys = keys_by_ring([es256_ring])[es256_ring.pk]
    found = overview(es256_ring, keys, now + timedelta(days=days))
    assert found.elapsed == (percent if found.standby else 0)


def test_rings_that_sign_come_first(realm: Realm, now: datetime) -> None:
    policy = replace(default_policy(), max_token_lifetime=timedelta(days=90))
    for purpose, algorithm in ((Purpose.MAC, "HMAC-SHA256"), (Purpose.EXPIRED_TEST, "ES256"), (Purpose.SIGN, "RS256")):
        add_ring(realm=realm, algorithm=algorithm, purpose=purpose, policy=policy, actor="test", now=now)
    assert [item.ring.purpose for item in all_rings(now)] == ["sign", "mac", "expired_test"]
