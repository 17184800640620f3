"""What a device's request may say, whatever is asked for."""

from datetime import datetime

import pytest

from accounts.models import User
from realms.models import Realm
from tests.flows.device_flow import Device, register_device
from tests.provider import Browser


@pytest.fixture
def device(realm: Realm, ana: User, browser: Browser, now: datetime) -> Device:
    found = register_device(realm, browser, now)
    found.app.sign_in()
    return found


@pytest.mark.spec("RFC 8628 §3.1 empty-is-omitted")
def test_a_parameter_without_a_value_is_as_good_as_left_out(device: Device) -> None:
    assert device.ask(scope="", resource="", client_secret="").status_code == 200


@pytest.mark.spec("RFC 8628 §3.1 unknown-ignored")
def test_a_parameter_that_nobody_knows_changes_nothing(device: Device) -> None:
    answer = device.ask(**{"x-y": "1", "audience": "https://evil.test", "user_code": "BBBB-BBBB"})
    assert answer.status_code == 200
    assert answer.json()["user_code"] != "BBBB-BBBB"
