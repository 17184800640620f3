"""A raised IDP_HANDLE_EPOCH ends every handle from before, whatever it is for: no restored dump lives on in one."""

from datetime import datetime
from typing import Any

import pytest
from django.conf import LazySettings

from accounts.models import User
from realms.models import Realm
from tests.flows.code_flow import App, post, register
from tests.flows.device_flow import register_device
from tests.provider import Browser
from tokens.models import Grant

pytestmark = pytest.mark.spec("keys.md restore: a raised epoch ends every handle from before", "tokens.md, the epoch")


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now)
    found.sign_in()
    return found


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error", "")


def revoke(app: App, token: str) -> Any:
    return post(app.browser, "/revoke", {"token": token, "client_id": "app", "client_secret": app.secret or ""})


def test_a_code_from_before_is_refused(app: App, settings: LazySettings) -> None:
    code = app.code(scope="openid offline_access")
    settings.IDP_HANDLE_EPOCH = 1
    assert error_of(app.exchange(code)) == (400, "invalid_grant")
    assert app.exchange(app.code(scope="openid")).status_code == 200
    settings.IDP_HANDLE_EPOCH = 0
    assert app.exchange(code).status_code == 200, "nothing else was wrong with it"


def test_a_refresh_token_from_before_is_refused(app: App, settings: LazySettings) -> None:
    token = app.exchange(app.code(scope="openid offline_access")).json()["refresh_token"]
    settings.IDP_HANDLE_EPOCH = 1
    assert error_of(app.refresh(token)) == (400, "invalid_grant")
    assert revoke(app, token).status_code == 200
    assert Grant.objects.get().revoked_at is None, "nor does it say which grant it was"
    settings.IDP_HANDLE_EPOCH = 0
    assert app.refresh(token).status_code == 200, "nothing else was wrong with it"


def test_a_device_code_from_before_is_refused(
    realm: Realm, ana: User, browser: Browser, now: datetime, settings: LazySettings
) -> None:
    device = register_device(realm, browser, now)
    device.app.sign_in()
    codes = device.codes(scope="openid offline_access")
    assert device.decide(codes["user_code"]).status_code == 200
    settings.IDP_HANDLE_EPOCH = 1
    assert error_of(device.poll(codes["device_code"])) == (400, "invalid_grant")
    settings.IDP_HANDLE_EPOCH = 0
    assert device.poll(codes["device_code"]).status_code == 200, "nothing else was wrong with it"
