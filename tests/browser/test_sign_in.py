"""Signing in and out, with a mouse, with the keyboard alone, and without script."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import sign_in, sign_in_at_account

pytestmark = pytest.mark.spec("OpenID Connect Core §3.1.2.3")


def test_signs_in_and_out(person: Person, site: Site) -> None:
    sign_in_at_account(person, "ana", site.password)
    expect(person.page.locator("#account-username")).to_have_text("ana")
    person.press("account-sign-out")
    person.press("logout-submit")
    person.reads("You are signed out")
    person.open("/account")
    person.is_at("/sign-in")


def test_a_wrong_password_is_told_beside_the_form(person: Person, site: Site) -> None:
    person.open("/sign-in")
    sign_in(person, "ana", "not the password", status=422)
    alert = person.page.get_by_role("alert")
    expect(alert).to_have_text("The user name or the password is wrong.")
    expect(person.page.locator("#password")).to_have_accessible_description("The user name or the password is wrong.")
    expect(person.page.locator("#password")).to_be_focused()
    assert person.page.title().startswith("Error: ")
    sign_in(person, "ana", site.password)
    person.reads("You are signed in")


def test_an_empty_form_says_what_is_missing(person: Person) -> None:
    person.open("/sign-in")
    person.press("login-submit", status=422)
    expect(person.page.locator("#username")).to_have_accessible_description(
        "Enter your user name or your email address."
    )


@pytest.mark.spec("WCAG 2.2 §2.1.1, §2.4.7")
def test_the_keyboard_is_enough(person: Person, site: Site) -> None:
    keyboard = person.page.keyboard
    person.open("/account")
    expect(person.page.locator("#username")).to_be_focused()
    keyboard.type("ben")
    keyboard.press("Tab")
    expect(person.page.locator("#password")).to_be_focused()
    keyboard.type(site.password)
    keyboard.press("Tab")
    expect(person.page.locator("#login-submit")).to_be_focused()
    person.hit("Enter")
    for expected in ("account-sessions", "account-applications"):
        _tab_to(person, expected)
    _tab_to(person, "account-sign-out")
    person.hit("Enter")
    _tab_to(person, "logout-submit")
    person.hit("Space")
    person.reads("You are signed out")


def _tab_to(person: Person, element_id: str) -> None:
    """Press Tab until an element has the focus, and see that each stop on the way is marked."""
    for _ in range(30):
        person.page.keyboard.press("Tab")
        focused = person.page.locator("*:focus")
        outline = focused.evaluate("element => getComputedStyle(element).outlineStyle")
        assert outline != "none", focused.evaluate("element => element.outerHTML")
        if focused.get_attribute("id") == element_id:
            return
    raise AssertionError(f"no way to #{element_id} by the keyboard")


def test_no_script_is_needed(new_person: NewPerson, site: Site) -> None:
    person, application = new_person(java_script_enabled=False), site.application()
    person.open(application.sign_in_address())
    sign_in(person, "cleo", site.password)
    person.press("consent-allow")
    tokens = application.tokens(application.answer_in(person.page.url)["code"])
    person.open(application.sign_out_address(tokens["id_token"]))
    if person.page.url.startswith(site.issuer):
        person.press("logout-submit")
    assert person.page.url.startswith(f"{site.callback}/signed-out")
    person.open("/account")
    person.is_at("/sign-in")
