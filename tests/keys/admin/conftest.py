"""Operators before the admin: a realm with rings whose keys were made a minute ago, and signed-in people."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission

from keys.models import KeyPair, KeyRing
from keys.services.rotation import rotate
from tests.provider import Browser, make_person


@pytest.fixture
def now() -> datetime:
    """A minute ago by the real clock, since the pages of the admin read it."""
    return datetime.now(UTC) - timedelta(minutes=1)


@pytest.fixture
def ring(es256_ring: KeyRing, now: datetime) -> KeyRing:
    """A ring with its active key and its standby."""
    rotate(es256_ring, now=now, actor="test", clock=lambda: now)
    return es256_ring


@pytest.fixture
def active(ring: KeyRing) -> KeyPair:
    """The key that signs."""
    return KeyPair.objects.select_related("ring").get(ring=ring, deactivates_at__isnull=False)


@pytest.fixture
def standby(ring: KeyRing) -> KeyPair:
    """The key that waits."""
    return KeyPair.objects.select_related("ring").get(ring=ring, deactivates_at__isnull=True)


@pytest.fixture
def signed_in(db: None) -> Callable[..., Browser]:
    """Makes a browser in which an operator with some permissions is signed in."""

    def sign_in(*codenames: str) -> Browser:
        person = make_person(f"op-{len(codenames)}-{codenames and codenames[-1]}"[:60], realm=None, is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        browser = Browser(raise_request_exception=False)
        browser.force_login(person)
        return browser

    return sign_in


@pytest.fixture
def operator(db: None) -> Browser:
    """A browser in which somebody is signed in who may do everything."""
    person = make_person("operator", realm=None, is_staff=True, is_superuser=True)
    browser = Browser(raise_request_exception=False)
    browser.force_login(person)
    return browser
