"""How long a client's refresh tokens live: as it registered, and never longer than its realm says (RFC 9700 §2.2.2)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import User
from realms.models import Realm
from tests.flows.code_flow import App, register
from tests.provider import Browser
from tokens.models import Client, Grant

pytestmark = pytest.mark.spec("RFC 9700 §2.2.2, design: a client's lifetimes are within its realm's")
IDLE, ABSOLUTE = timedelta(hours=2), timedelta(hours=5)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock(now: datetime) -> Any:
    """A clock that stands still until it is moved."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime, clock: Any) -> App:
    found = register(realm, browser, now, refresh_idle_lifetime=IDLE, refresh_absolute_lifetime=ABSOLUTE)
    found.sign_in()
    return found


def first_token(app: App) -> str:
    token: str = app.exchange(app.code(scope="openid offline_access")).json()["refresh_token"]
    return token


def test_a_grant_lives_as_the_client_registered(app: App, now: datetime) -> None:
    first_token(app)
    grant = Grant.objects.get()
    assert (grant.idle_expires_at, grant.absolute_expires_at) == (now + IDLE, now + ABSOLUTE)


def test_a_refresh_token_that_nobody_uses_ends_with_the_clients_idle_lifetime(app: App, clock: Any) -> None:
    token = first_token(app)
    clock.shift(IDLE - SECOND)
    answer = app.refresh(token)
    assert answer.status_code == 200
    clock.shift(IDLE)
    assert app.refresh(answer.json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_grant_ends_with_the_clients_absolute_lifetime_however_often_it_is_used(app: App, clock: Any) -> None:
    token = first_token(app)
    for _ in range(4):
        clock.shift(timedelta(hours=1))
        answer = app.refresh(token).json()
        token = answer["refresh_token"]
    grant = Grant.objects.get()
    assert grant.idle_expires_at == grant.absolute_expires_at
    clock.shift(timedelta(minutes=59))
    answer = app.refresh(token).json()
    assert answer["expires_in"] == 60, "an access token does not outlive its grant"
    clock.shift(timedelta(minutes=1))
    assert app.refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_realm_that_became_stricter_bounds_what_was_registered_before(app: App, realm: Realm, clock: Any) -> None:
    token = first_token(app)
    stricter = {"refresh_idle_lifetime": timedelta(minutes=30), "refresh_absolute_lifetime": timedelta(hours=1)}
    Realm.objects.update(**stricter)
    assert app.refresh(token).status_code == 200
    moment = Grant.objects.get().rotated_at
    assert Grant.objects.get().idle_expires_at == moment + stricter["refresh_idle_lifetime"]
    app.exchange(app.code(scope="openid offline_access"))
    later = Grant.objects.exclude(absolute_expires_at=moment + ABSOLUTE).get()
    assert later.absolute_expires_at == later.created_at + stricter["refresh_absolute_lifetime"]
    assert later.idle_expires_at == later.created_at + stricter["refresh_idle_lifetime"]


def test_a_client_without_lifetimes_has_its_realms(app: App, realm: Realm, now: datetime) -> None:
    Client.objects.filter(pk=app.client.pk).update(refresh_idle_lifetime=None, refresh_absolute_lifetime=None)
    token = first_token(app)
    grant = Grant.objects.get()
    assert grant.idle_expires_at == now + realm.refresh_idle_lifetime
    assert grant.absolute_expires_at == now + realm.refresh_absolute_lifetime
    assert app.refresh(token).status_code == 200
    assert Grant.objects.get().idle_expires_at == now + realm.refresh_idle_lifetime


def test_a_change_of_the_clients_idle_lifetime_takes_hold_at_the_next_refresh(app: App, clock: Any) -> None:
    token = first_token(app)
    Client.objects.filter(pk=app.client.pk).update(refresh_idle_lifetime=timedelta(minutes=5))
    token = app.refresh(token).json()["refresh_token"]
    clock.shift(timedelta(minutes=5))
    assert app.refresh(token).json()["error"] == "invalid_grant"
