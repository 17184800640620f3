"""What every request meets first."""

import pytest

from tests.provider import Browser, browser

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
