"""Devices in the admin: to look at, to remove, and to say how far they are trusted; each by a permission of its own."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import Device, Session, User
from accounts.services.devices import begin_session_on_device
from accounts.services.sign_in import SignedIn
from accounts.visit import Visit
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.accounts.test_session_admin import operator
from tests.provider import Browser

LIST = "/admin/accounts/device/"
ALL = ("view_device", "remove_device", "trust_device")
pytestmark = pytest.mark.spec("issue 4, operators see devices")


@pytest.fixture
def device(ana: User, realm: Realm, now: datetime) -> Device:
    session = begin_session_on_device(
        realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), visit=Visit("192.0.2.1", "Firefox/1"), now=now
    )
    assert session.device is not None
    return session.device


def act(browser: Browser, action: str, device: Device, **said: str) -> Any:
    form = {"action": action, "_selected_action": [str(device.pk)], "index": "0", **said}
    return browser.post(LIST, form)


def confirmed(browser: Browser, action: str, device: Device, **said: str) -> Any:
    return act(browser, action, device, confirmed="yes", **{"reason": "seen in person", **said})


def test_the_list_and_the_sheet_say_how_far_it_is_trusted(browser: Browser, device: Device) -> None:
    admin = operator(browser, *ALL)
    assert '<td class="field-trust">10</td>' in admin.get(LIST).content.decode()
    sheet = admin.get(f"{LIST}{device.pk}/change/").content.decode()
    assert "Firefox" in sheet
    assert "address_digest" not in sheet
    assert 'name="_save"' not in sheet


def test_removing_asks_why_and_signs_it_out(browser: Browser, device: Device) -> None:
    admin = operator(browser, *ALL)
    assert "would be removed: 1" in act(admin, "remove_selected", device).content.decode()
    assert "required" in act(admin, "remove_selected", device, confirmed="yes").content.decode()
    assert Device.objects.get().removed_at is None
    assert confirmed(admin, "remove_selected", device).status_code == 302
    assert Device.objects.get().removed_at is not None
    assert Session.objects.get().end_reason == "device_removed"
    assert Event.objects.get(name=EventName.DEVICE_REMOVED).reason == "seen in person"


@pytest.mark.parametrize(("said", "kept"), [("80", 80), ("0", 0), ("100", 100), ("", None)])
def test_a_word_is_a_number_to_a_hundred_or_taken_back(
    said: str, kept: int | None, browser: Browser, device: Device
) -> None:
    Device.objects.update(operator_trust=33)
    assert confirmed(operator(browser, *ALL), "trust_selected", device, trust=said).status_code == 302
    assert Device.objects.get().operator_trust == kept
    assert Event.objects.get(name=EventName.DEVICE_TRUSTED).details == {"trust": kept}


@pytest.mark.parametrize("said", ["101", "-1", "much", "1e1"])
def test_no_other_word_is_taken(said: str, browser: Browser, device: Device) -> None:
    assert confirmed(operator(browser, *ALL), "trust_selected", device, trust=said).status_code == 200
    assert Device.objects.get().operator_trust is None


@pytest.mark.parametrize(
    ("permissions", "refused"),
    [
        (("view_device",), ("remove_selected", "trust_selected")),
        (("view_device", "trust_device"), ("remove_selected",)),
        (("view_device", "remove_device"), ("trust_selected",)),
        (("remove_device", "trust_device"), ("remove_selected", "trust_selected")),
        (("view_device", "change_device", "delete_device"), ("remove_selected", "trust_selected")),
    ],
)
def test_each_is_a_permission_of_its_own(
    permissions: tuple[str, ...], refused: tuple[str, ...], browser: Browser, device: Device
) -> None:
    admin = operator(browser, *permissions)
    for action in refused:
        confirmed(admin, action, device, trust="90")
    found = Device.objects.get()
    assert (found.removed_at, found.operator_trust) == (None, None)


def test_nobody_writes_or_deletes_one_by_hand(browser: Browser, device: Device) -> None:
    admin = operator(browser, "view_device", "add_device", "change_device", "delete_device")
    assert admin.get(f"{LIST}add/").status_code == 403
    assert admin.post(f"{LIST}{device.pk}/change/", {"name": "mine"}).status_code == 403
    assert admin.post(f"{LIST}{device.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Device.objects.get().name == "Firefox"
