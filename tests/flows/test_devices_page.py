"""The page of one's devices, and the cookie by which a browser is recognised at the sign-in."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from accounts.device_cookie import NAME, cookie_with
from accounts.models import Device, Session, User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import post
from tests.provider import PASSWORD, Browser, make_person, make_realm

pytestmark = pytest.mark.spec("issue 4, devices")
PAGE = "/account/devices"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sign_in(browser: Browser, username: str = "ana", base: str = "") -> Any:
    form = {"username": username, "password": PASSWORD}
    response = post(browser, f"{base}/sign-in", form, **{"user-agent": FIREFOX})
    assert response.status_code == 303
    return response


def act(browser: Browser, device: Device, what: str, name: str = "") -> Any:
    return post(browser, PAGE, {"device": str(device.pk), "act": what, "name": name})


def forget_session(browser: Browser) -> None:
    del browser.cookies["sessionid"]


def test_a_sign_in_makes_the_browser_a_device_and_the_next_one_recognises_it(browser: Browser, ana: User) -> None:
    cookie = sign_in(browser).cookies[NAME]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (True, True, "Lax", "/")
    device = Device.objects.get()
    assert (device.user, device.name) == (ana, "Firefox on Linux")
    assert Session.objects.get().device == device
    forget_session(browser)
    assert NAME in sign_in(browser).cookies  # its 400 days begin anew
    assert Device.objects.get() == device
    assert set(Session.objects.values_list("device", flat=True)) == {device.pk}
    assert Event.objects.filter(name=EventName.DEVICE_RECOGNISED).count() == 1


def test_a_browser_that_two_people_share_is_a_device_of_each(browser: Browser, ana: User, realm: Realm) -> None:
    make_person("ben", realm=realm)
    for username in ("ana", "ben", "ana", "ben"):
        sign_in(browser, username)
    assert sorted(Device.objects.values_list("user__username", flat=True)) == ["ana", "ben"]
    page = browser.get(PAGE).content.decode()
    assert str(Device.objects.get(user=ana).pk) not in page


def test_a_device_is_the_same_in_every_realm(browser: Browser, ana: User) -> None:
    other = make_realm("other")
    ana.memberships.create(realm=other, roles=[], created_at=other.created_at)
    sign_in(browser)
    sign_in(browser, base="/realms/other")
    assert Device.objects.count() == 1


def test_a_refused_sign_in_makes_no_device(browser: Browser, ana: User) -> None:
    response = post(browser, "/sign-in", {"username": "ana", "password": "wrong"})
    assert NAME not in response.cookies
    assert not Device.objects.exists()


def test_a_stolen_cookie_makes_no_other_person_known(browser: Browser, ana: User, realm: Realm) -> None:
    sign_in(browser)
    stolen = Browser()
    stolen.cookies[NAME] = browser.cookies[NAME].value
    make_person("eve", realm=realm)
    sign_in(stolen, "eve")
    assert Session.objects.get(user__username="eve").device != Session.objects.get(user=ana).device


def test_the_page_says_name_kind_use_and_trust_this_one_first(browser: Browser, ana: User, now: datetime) -> None:
    with time_machine.travel(now - timedelta(days=10), tick=False):
        sign_in(Browser())
    sign_in(browser)
    page = browser.get(PAGE).content.decode()
    here = Session.objects.latest("pk").device
    assert here is not None
    other = Device.objects.exclude(pk=here.pk).get()
    assert page.index(f"device-{here.pk}") < page.index(f"device-{other.pk}")
    assert page.count("This device.") == 1
    assert "Trust: low (10 of 100)" in page
    assert "Trust: low (30 of 100)" in page
    assert '<a href="/account/devices" id="account-devices">' in browser.get("/account").content.decode()


def test_trust_is_told_in_words_too(browser: Browser, ana: User) -> None:
    sign_in(browser)
    for trust, words in ((69, "middling (69"), (70, "high (70"), (39, "low (39"), (40, "middling (40")):
        Device.objects.update(operator_trust=trust)
        assert f"Trust: {words} of 100)" in browser.get(PAGE).content.decode()


def test_a_device_gets_the_name_that_its_person_gives(browser: Browser, ana: User) -> None:
    sign_in(browser)
    device = Device.objects.get()
    assert act(browser, device, "rename", "Kitchen <b>").status_code == 303
    assert "Kitchen &lt;b&gt;" in browser.get(PAGE).content.decode()
    wrong = act(browser, device, "rename", "")
    assert wrong.status_code == 422
    assert f'id="name-{device.pk}-error"' in wrong.content.decode()
    assert wrong.content.decode().count('aria-invalid="true"') == 1
    device.refresh_from_db()
    assert device.name == "Kitchen <b>"


def test_removing_another_device_signs_it_out_and_not_this_one(browser: Browser, ana: User) -> None:
    lost = Browser()
    sign_in(lost)
    device = Device.objects.get()
    sign_in(browser)
    assert act(browser, device, "remove").status_code == 303
    assert lost.get(PAGE).status_code == 303  # to the sign-in page
    page = browser.get(PAGE)
    assert page.status_code == 200
    assert str(device.pk) not in page.content.decode()
    sign_in(lost)  # its cookie counts no more: it is a new one
    assert Device.objects.filter(removed_at=None).count() == 2


def test_removing_this_device_signs_out_here_and_its_cookie_goes(browser: Browser, ana: User) -> None:
    sign_in(browser)
    device = Device.objects.get()
    response = act(browser, device, "remove")
    assert (response.status_code, response["Location"]) == (303, "/logout")
    assert (response.cookies[NAME].value, response.cookies[NAME]["max-age"]) == ("", 0)
    assert browser.get(PAGE).status_code == 303
    assert act(browser, device, "remove").status_code == 303  # nobody is signed in
    assert Event.objects.filter(name=EventName.DEVICE_REMOVED).count() == 1


def test_somebody_elses_device_is_none(browser: Browser, ana: User, realm: Realm, now: datetime) -> None:
    make_person("ben", realm=realm)
    bens = Browser()
    sign_in(bens, "ben")
    device = Device.objects.get()
    sign_in(browser)
    for what in ("remove", "rename"):
        assert act(browser, device, what, "mine").status_code == 404
    device.refresh_from_db()
    assert (device.removed_at, device.name) == (None, "Firefox on Linux")


@pytest.mark.parametrize(
    "form",
    [
        "a=b",
        "device=x",
        "device=x&act=remove",
        "device=x&act=trust&name=",
        "device=x&device=y&act=remove&name=",
        "device=x&act=remove&act=remove&name=",
    ],
)
def test_another_form_than_the_pages_is_refused(form: str, browser: Browser, ana: User) -> None:
    sign_in(browser)
    assert browser.post(PAGE, form, content_type="application/x-www-form-urlencoded").status_code == 400
    assert post(browser, PAGE, {"device": "é", "act": "remove", "name": ""}).status_code == 404


def test_a_form_of_another_site_removes_nothing(ana: User) -> None:
    strict = Browser(enforce_csrf_checks=True)
    loose = Browser()
    sign_in(loose)
    strict.cookies = loose.cookies
    assert act(strict, Device.objects.get(), "remove").status_code == 403
    assert Device.objects.get().removed_at is None


def test_whoever_is_signed_out_signs_in_and_comes_back(browser: Browser, ana: User) -> None:
    page = browser.get(PAGE)
    assert page["Location"] == "/sign-in?next=%2Faccount%2Fdevices"
    assert act(browser, Device(), "remove").status_code == 303


def test_a_forged_cookie_is_a_new_device(browser: Browser, ana: User) -> None:
    sign_in(browser)
    device = Device.objects.get()
    thief = Browser()
    forged = cookie_with(device.pk, ()).value
    thief.cookies[NAME] = forged[:-1] + ("A" if forged[-1] != "A" else "B")
    sign_in(thief)
    assert Device.objects.count() == 2
