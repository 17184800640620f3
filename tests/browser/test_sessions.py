"""People see where they are signed in, and end it."""

import pytest

from tests.browser.conftest import NewPerson
from tests.browser.site import Site
from tests.browser.steps import sign_in_at_account

pytestmark = pytest.mark.spec("issue 3, People can")


def test_ends_a_session_in_another_browser(new_person: NewPerson, site: Site) -> None:
    here, there = new_person(), new_person()
    for browser in (here, there):
        sign_in_at_account(browser, "ivo", site.password)
    here.press("account-sessions")
    here.reads("Another browser")
    here.press(here.page.get_by_role("button", name="End", exact=True))
    here.has("no-others")
    there.open("/account")
    there.is_at("/sign-in")
    here.press("end-here")
    here.open("/account")
    here.is_at("/sign-in")
