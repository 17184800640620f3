"""Making an account."""

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.browser.site import Site

pytestmark = pytest.mark.spec("Initiating User Registration via OpenID Connect §4.1")


def test_registers_and_is_signed_in(person: Person, site: Site) -> None:
    person.open("/sign-in")
    person.press("register-link")
    person.type(username="nora", password="short")
    person.press("register-submit", status=422)
    expect(person.page.locator("#password-error")).to_be_visible()
    person.type(password=site.password)
    person.press("register-submit")
    person.reads("You are signed in")
    person.open("/account")
    expect(person.page.locator("#account-username")).to_have_text("nora")
