"""The cookie of devices: nobody forges it, it outlives keys, and it holds those of several people."""

from datetime import timedelta
from http.cookies import Morsel
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.signing import Signer
from django.test import RequestFactory

from accounts import device_cookie
from accounts.device_cookie import MAX_HELD, NAME, cookie_with, cookie_without, held_in, visit_from

pytestmark = pytest.mark.spec("issue 4, devices")
ONE, OTHER = uuid4(), uuid4()


def shown(morsel: "Morsel[str]") -> dict[str, str]:
    return {NAME: morsel.value}


def test_what_was_set_is_read_again_the_last_used_first() -> None:
    assert held_in(shown(cookie_with(ONE, ()))) == (ONE,)
    assert held_in(shown(cookie_with(ONE, (OTHER,)))) == (ONE, OTHER)
    assert held_in(shown(cookie_with(OTHER, (ONE, OTHER)))) == (OTHER, ONE)


def test_it_holds_few_and_lets_go_of_the_longest_unused() -> None:
    many = tuple(uuid4() for _ in range(MAX_HELD))
    assert held_in(shown(cookie_with(ONE, many))) == (ONE, *many[:-1])
    assert len(cookie_with(ONE, many).value) < 300


def test_its_attributes_keep_it_from_scripts_other_sites_and_plain_http(settings: LazySettings) -> None:
    settings.IDP_PLAIN_HTTP = False
    morsel = cookie_with(ONE, ())
    assert (morsel["httponly"], morsel["secure"], morsel["samesite"]) == (True, True, "Lax")
    assert (morsel["max-age"], morsel["path"], morsel["domain"]) == (400 * 24 * 3600, "/", "")
    settings.IDP_PLAIN_HTTP = True
    assert not cookie_with(ONE, ())["secure"]


def test_a_removed_device_leaves_it_and_the_last_one_ends_it() -> None:
    assert held_in(shown(cookie_without(ONE, (ONE, OTHER)))) == (OTHER,)
    gone = cookie_without(ONE, (ONE,))
    assert (gone.value, gone["max-age"]) == ("", 0)


@pytest.mark.parametrize(
    "garble",
    [
        lambda value: value[:-1],
        lambda value: value.partition(":")[0],
        lambda value: f"{OTHER.hex}:{value.partition(':')[2]}",
        lambda value: f"{OTHER.hex}.{value}",
        lambda value: value.replace(ONE.hex, str(ONE)),
        lambda _value: "",
        lambda _value: ":",
        lambda _value: "é:" * 20,
        lambda value: value * 50,
        lambda _value: "\0",
    ],
)
def test_a_garbled_or_forged_one_holds_nothing(garble: object) -> None:
    value = cookie_with(ONE, ()).value
    assert held_in({NAME: garble(value)}) == ()  # type: ignore[operator]


def test_the_tag_of_another_purpose_or_key_is_none(settings: LazySettings) -> None:
    assert held_in({NAME: Signer(salt="another").sign(ONE.hex)}) == ()
    assert held_in({NAME: Signer(key="x" * 60, salt="signet.device").sign(ONE.hex)}) == ()


@pytest.mark.parametrize(
    ("headers", "keeps"),
    [
        ({}, False),
        ({"cookie": "other=1"}, False),
        ({"cookie": f"{NAME}=garbage"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
    ],
)
def test_who_surely_keeps_cookies_and_who_gets_none(headers: dict[str, str], keeps: bool) -> None:
    visit = visit_from(headers, address="192.0.2.1")
    assert (visit.keeps_cookies, visit.held) == (keeps, ())


def test_a_page_and_an_endpoint_read_the_same_cookie() -> None:
    value = cookie_with(ONE, (OTHER,)).value
    request = RequestFactory().get("/", headers={"cookie": f"a=b; {NAME}={value}"})
    assert device_cookie.visit_of(request).held == (ONE, OTHER)
    assert visit_from({"cookie": f"a=b; {NAME}={value}"}, address="").held == (ONE, OTHER)


def test_it_lives_as_long_as_browsers_allow() -> None:
    assert timedelta(days=400) == device_cookie.LIFETIME
