"""A provider for tests: a realm with its keys, people with one password, and requests as flows see them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, User
from keys.algorithms import Purpose
from keys.conf import default_policy
from keys.models import KeyPair
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tokens.protocol import ProtocolRequest, ProtocolResponse
from tokens.services.clients import ensure_direct_client

PASSWORD = "correct horse battery"  # of every person here
ISSUER = "https://id.example.test"
RINGS = (
    (Purpose.SIGN, "ES256"),
    (Purpose.MAC, "HMAC-SHA256"),
    (Purpose.EXPIRED_TEST, "ES256"),
)


@cache
def password_hash() -> str:
    """Hashed once: what most tests need is a person, not the hashing."""
    return make_password(PASSWORD)


def make_realm(slug: str = "default", *, purposes: tuple[Purpose, ...] = tuple(Purpose)) -> Realm:
    """A realm with its rings, keys and built-in client."""
    now = timezone.now()
    issuer = ISSUER if slug == "default" else f"{ISSUER}/realms/{slug}"
    realm = Realm.objects.create(slug=slug, name=slug, issuer=issuer, created_at=now)
    for purpose, algorithm in RINGS:
        if purpose in purposes:
            longest = timedelta(days=90) if purpose is Purpose.MAC else timedelta(days=7)
            policy = replace(default_policy(), max_token_lifetime=longest)
            ring = add_ring(realm=realm, algorithm=algorithm, purpose=purpose, policy=policy, actor="test", now=now)
            rotate(ring, now=now, actor="test")
    ensure_direct_client(realm=realm, actor="test", now=now)
    return realm


def distrust(purpose: Purpose) -> None:
    """Leave a purpose without any key that may be used."""
    KeyPair.objects.filter(ring__purpose=purpose).update(compromised_at=timezone.now())
    signer.forget()


def make_person(username: str = "ana", *, realm: Realm | None, roles: tuple[str, ...] = (), **fields: Any) -> User:
    """A person, a member of the realm where one is given."""
    now = timezone.now()
    person = User.objects.create(username=username, password=password_hash(), created_at=now, **fields)
    if realm is not None:
        Membership.objects.create(user=person, realm=realm, roles=list(roles), created_at=now)
    return person


def a_request(
    path: str = "/auth",
    *,
    form: Mapping[str, str] | None = None,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    peer: str = "192.0.2.1",
) -> ProtocolRequest:
    """A POST as flows see it: a form, or any body with any headers."""
    if form is not None:
        body = urlencode(form).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
    return ProtocolRequest("POST", path, query, headers or {}, body or b"", peer)


def members(response: ProtocolResponse) -> dict[str, Any]:
    """The JSON of an answer."""
    found: dict[str, Any] = json.loads(response.body)
    return found


class Browser(Client):
    """Django's test client, by HTTPS alone."""

    def request(self, **request: Any) -> Any:
        return super().request(**{**request, "wsgi.url_scheme": "https"})


@pytest.fixture
def browser() -> Browser:
    """An HTTP client; faults of ours come out as answers with the status 500."""
    return Browser(raise_request_exception=False)


@pytest.fixture
def now() -> datetime:
    """This moment; whole seconds, so that it can be compared with claims."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def realm(db: None) -> Realm:
    """The default realm."""
    return make_realm()


@pytest.fixture
def ana(realm: Realm) -> User:
    """A person of the default realm."""
    return make_person(realm=realm)
