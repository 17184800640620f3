"""A passkey made and used by the browser's virtual authenticator (Web Authentication §7)."""

import pytest

from tests.browser.authenticators import give_passkeys
from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import sign_in_at_account, sign_out

pytestmark = pytest.mark.spec("Web Authentication §7.1, §7.2")


def test_signs_in_with_a_passkey_alone(person: Person, site: Site) -> None:
    give_passkeys(person)
    sign_in_at_account(person, "kim", site.password)
    person.press("account-security")
    person.press("add-passkey")
    person.type(name="My laptop")
    person.press(person.page.locator("form[data-passkey] button"))
    if person.page.locator("#recovery-codes-kept").count():
        person.press("recovery-codes-kept")
    person.open("/account/security")
    person.reads("My laptop")
    sign_out(person)
    person.open("/account")
    person.press(person.page.locator("form[data-passkey] button"))
    person.is_at("/account")
    person.open("/account/sessions")
    person.reads("passkey")
    person.open("/account/devices")


def test_a_browser_that_gives_up_is_told(person: Person) -> None:
    person.open("/sign-in")
    person.page.evaluate("() => { navigator.credentials.get = () => Promise.reject(new Error('no')) }")
    person.page.locator("form[data-passkey] button").click()
    person.reads("No passkey was used.")
    person.look()
