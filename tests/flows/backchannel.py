"""A person who is signed in to a client that has to be told of the end: what the tests of back-channel logout share."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from accounts.models import User
from accounts.outbound_http import Patience
from realms.models import Realm
from tests.clock import FakeClock
from tests.flows.code_flow import App, register
from tests.provider import Browser
from tests.relying_party import RelyingParty, relying_party
from tokens.logout_post import post_logout_token
from tokens.services.logout_delivery import deliver_due
from tokens.vocabulary import DeliveryState

QUICK = Patience(connect=1.0, answer=0.3)


@pytest.fixture
def party() -> Iterator[RelyingParty]:
    with relying_party() as found:
        yield found


@pytest.fixture
def clock(now: datetime) -> FakeClock:
    """The deliverer's clock, ahead of what views read, so that what they write is due."""
    return FakeClock(now + timedelta(minutes=1))


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime, party: RelyingParty) -> App:
    found = register(realm, browser, now, backchannel_logout_uri=party.uri)
    found.sign_in()
    return found


def id_token(app: App, **changes: str) -> str:
    found: str = app.exchange(app.code(**changes)).json()["id_token"]
    return found


def sign_out(app: App, hint: str) -> None:
    answer = app.browser.get(f"{app.base}/logout?{urlencode({'id_token_hint': hint})}")
    assert answer.status_code == 200


def claims_of(hint: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(hint, options={"verify_signature": False})
    return found


def jwks(app: App) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(app.browser.get(f"{app.base}/.well-known/jwks.json").content)
    return found


def deliver(clock: FakeClock, patience: Patience = QUICK) -> dict[DeliveryState, int]:
    return deliver_due(
        clock=clock, post=lambda uri, token: post_logout_token(uri, token, patience=patience), chance=lambda: 0.5
    )
