"""People add an authenticator app, keep recovery codes, and sign in with either beside their password."""

import pytest
from playwright.sync_api import expect

from tests.browser.authenticators import AuthenticatorApp
from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import sign_in, sign_in_at_account, sign_out

pytestmark = pytest.mark.spec("RFC 6238; issue 3, People can")


def add_app(person: Person, site: Site, username: str) -> tuple[AuthenticatorApp, list[str]]:
    """Somebody with an app, and the codes that they kept."""
    sign_in_at_account(person, username, site.password)
    person.press("account-security")
    person.press("add-app")
    app = AuthenticatorApp(person.page.locator("#totp-key").inner_text())
    person.type(code="000000")
    person.press("app-submit", status=422)
    person.type(code=app.code(steps=-1))
    person.press("app-submit")
    codes = person.page.locator("#recovery-codes li").all_inner_texts()
    person.press("recovery-codes-kept")
    return app, codes


def test_signs_in_with_an_app_and_with_a_recovery_code(person: Person, site: Site) -> None:
    app, codes = add_app(person, site, "jun")
    assert len(codes) >= 8
    sign_out(person)
    person.open("/account")
    sign_in(person, "jun", site.password)
    person.is_at("/sign-in/second-factor")
    expect(person.page.locator("#code")).to_be_focused()
    person.type(code=app.code())
    person.press("second-factor-submit")
    person.is_at("/account")
    sign_out(person)
    person.open("/account")
    sign_in(person, "jun", site.password)
    person.type(code=app.code())
    person.press("second-factor-submit", status=422)  # each works once
    person.page.locator("#recovery-summary").click()
    person.type(recovery_code=codes[0])
    person.press("recovery-submit")
    person.is_at("/account")
