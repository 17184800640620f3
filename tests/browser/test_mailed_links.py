"""Links that people get by mail: to confirm an address, and to choose another password."""

import pytest
from playwright.sync_api import expect

from tests.browser.mail import link_mailed_to
from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import sign_in, sign_out

pytestmark = pytest.mark.spec("issue 3, People can")
ADDRESS = "nora@example.net"


def test_registers_confirms_and_chooses_another_password(person: Person, site: Site) -> None:
    person.open("/register")
    person.type(username="nora", email="nora", password=site.password)
    person.press("register-submit", status=422)
    expect(person.page.locator("#email")).to_be_focused()
    person.type(email=ADDRESS, password="short")
    person.press("register-submit", status=422)
    expect(person.page.locator("#password-error")).to_be_visible()
    expect(person.page.locator("#password")).to_be_focused()
    person.type(password=site.password)
    person.press("register-submit")
    expect(person.page.locator("#awaited-email")).to_have_text(ADDRESS)
    person.open(link_mailed_to(ADDRESS, site.mail))
    expect(person.page.locator("#confirm-email")).to_have_text(ADDRESS)
    person.press("confirm-submit")
    person.reads("Your address is confirmed")
    person.open("/account/email")
    expect(person.page.locator("#present-email")).to_have_text(ADDRESS)
    person.open("/account")
    sign_out(person)

    person.open("/sign-in")
    person.press("reset-link")
    person.type(email=ADDRESS)
    person.press("reset-submit")
    person.open(link_mailed_to(ADDRESS, site.mail))
    another = f"{site.password} and more"
    person.type(password=another)
    person.press("new-password-submit")
    person.reads("Your password is changed")
    person.open("/account")
    sign_in(person, ADDRESS, site.password, status=422)
    sign_in(person, ADDRESS, another)  # by the address, as well as by the name
    expect(person.page.locator("#account-username")).to_have_text("nora")


def test_a_link_that_was_made_up_is_no_good(person: Person) -> None:
    person.open("/new-password?link=made-up", status=410)
    person.reads("This link is no longer good")
