"""What every request meets first."""

import pytest
from django.db import InterfaceError, OperationalError

from accounts.errors import HashingBusy
from tests.provider import Browser, browser, make_person

__all__ = ["browser"]


@pytest.mark.spec("issue: NUL bytes get 4xx, never 500")
@pytest.mark.parametrize(
    "address",
    [
        "/?x=%00",
        "/admin/keys/keyring/%00/change/",
        "/admin/keys/keypair/%00/compromise/",
        "/admin/audit/event/?q=a%00b",
        "/realms/a%00b/jwks",
        "/livez?%00",
    ],
)
def test_a_nul_byte_in_the_address_is_refused(browser: Browser, address: str, db: None) -> None:
    assert browser.get(address).status_code == 400


def test_other_addresses_go_on(browser: Browser) -> None:
    assert browser.get("/livez?x=%2500").status_code == 200


@pytest.mark.spec("house.md: lost databases are 503, never 500")
@pytest.mark.parametrize("cause", [OperationalError("gone"), InterfaceError("gone"), HashingBusy("full")])
def test_an_outage_is_503_on_a_page_too(
    cause: Exception, browser: Browser, db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    browser.force_login(make_person("root", realm=None, is_staff=True, is_superuser=True))

    def away(*_args: object, **_more: object) -> None:
        raise cause

    monkeypatch.setattr("keys.templatetags.signet_keys.all_rings", away)
    answer = browser.get("/admin/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert str(cause) not in answer.content.decode()


def test_a_fault_of_ours_stays_one(browser: Browser, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.force_login(make_person("root", realm=None, is_staff=True, is_superuser=True))

    def stumble(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("keys.templatetags.signet_keys.all_rings", stumble)
    assert browser.get("/admin/").status_code == 500
