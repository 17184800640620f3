"""`/token` while no key may sign: nothing is spent, so a client that comes again later is no thief."""

from datetime import datetime, timedelta

import pytest
import time_machine

from accounts.models import User
from keys.algorithms import Purpose
from keys.selectors import rings
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.flows.code_flow import App, register
from tests.provider import Browser, distrust
from tokens.models import Grant


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now)
    found.sign_in()
    return found


def sign_again() -> None:
    """Give the realm a key that may sign."""
    ring = rings().get(purpose=Purpose.SIGN)
    rotate(ring, now=datetime.now(ring.created_at.tzinfo), actor="test")
    signer.forget()


@pytest.mark.spec("RFC 9700 §4.14.2, an outage of ours is no reuse")
def test_a_refresh_token_is_not_turned_and_is_good_once_a_key_signs_again(app: App, now: datetime) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    distrust(Purpose.SIGN)
    refused = app.refresh(tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert Grant.objects.get().generation == 0
    with time_machine.travel(datetime.now(now.tzinfo) + timedelta(minutes=1)):
        sign_again()
        assert app.refresh(tokens["refresh_token"]).status_code == 200
    assert Grant.objects.get().revoked_at is None


@pytest.mark.spec("RFC 6749 §4.1.2, an outage of ours spends no code")
def test_a_code_is_not_spent(app: App) -> None:
    code = app.code()
    distrust(Purpose.SIGN)
    assert app.exchange(code).status_code == 503
    assert Grant.objects.get().code_used_at is None
    sign_again()
    assert app.exchange(code).status_code == 200
