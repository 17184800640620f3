"""A second realm: people come by invitation, have to set up a second factor, and sign in elsewhere with it."""

import pytest
from playwright.sync_api import expect

from tests.browser.authenticators import AuthenticatorApp
from tests.browser.conftest import NewPerson
from tests.browser.mail import link_mailed_to
from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import sign_in, sign_out

pytestmark = pytest.mark.spec("issue 4, People can")
ADDRESS = "olga@example.net"


@pytest.fixture(scope="module")
def partner(site: Site) -> str:
    """The issuer of a realm that takes whom operators invite, and demands a second factor."""
    site.manage("create_realm", "partner", "--name", "Partner", "--registration", "invited", "--require-second-factor")
    callback = f"{site.issuer}/upstream/partner/callback"
    site.manage(
        *("create_client", "signet", "--realm", "partner", "--auth-method", "none", "--first-party"),
        *("--grant-type", "authorization_code", "--redirect-uri", callback, "--scope", "openid", "--scope", "email"),
    )
    return f"{site.issuer}/realms/partner"


def test_an_invitation_a_demanded_second_factor_and_another_provider(
    operator: Person, new_person: NewPerson, site: Site, partner: str
) -> None:
    olga = new_person()
    _invite(operator, ADDRESS)
    _accept(olga, site)
    olga.open(f"{partner}/account")
    expect(olga.page.locator("#account-username")).to_have_text("olga")

    _add_provider(operator, partner)
    olga.open("/account")
    olga.press("upstream-partner")  # they are signed in there
    expect(olga.page.locator("#upstream-unlinked")).to_be_visible()
    olga.press("sign-in-link")
    sign_in(olga, "ben", site.password)
    olga.press("link-confirm")
    olga.open("/account/linked")
    expect(olga.page.locator("#linked-partner")).to_be_visible()
    sign_out(olga)
    olga.open("/account")
    olga.press("upstream-partner")
    olga.is_at("/account")
    expect(olga.page.locator("#account-username")).to_have_text("ben")


def _invite(operator: Person, address: str) -> None:
    operator.open("/admin/accounts/mailedlink/invite/")
    operator.page.get_by_label("Realm").select_option(label="partner")
    operator.type(email=address)
    operator.press(operator.page.get_by_role("button", name="Send the invitation"))
    operator.reads(f"The invitation is on its way to {address}")


def _accept(person: Person, site: Site) -> None:
    person.open(link_mailed_to(ADDRESS, site.mail))
    person.type(username="olga", password=site.password)
    person.press("register-submit")
    person.is_at("/realms/partner/sign-in/set-up-second-factor")
    app = AuthenticatorApp(person.page.locator("#totp-key").inner_text())
    person.type(code="000000")
    person.press("set-up-submit", status=422)
    person.type(code=app.code())
    person.press("set-up-submit")
    person.press("recovery-codes-kept")


def _add_provider(operator: Person, issuer: str) -> None:
    operator.open("/admin/accounts/upstreamprovider/add/")
    operator.page.get_by_label("Realm").select_option(label="default")
    operator.type(slug="partner", name="Partner", issuer=issuer, client_id="signet")
    operator.press(operator.page.locator("[name=_save]"))
    operator.reads("was added successfully")
