"""Operators rotate keys, declare one compromised, and find their way through the admin."""

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import enter_admin_for_the_first_time

pytestmark = pytest.mark.spec("issue 3, Operators can")


def test_rotates_and_declares_compromised(operator: Person) -> None:
    operator.press(operator.page.locator(".ring-card a", has_text="ES256").first)
    operator.press(operator.page.get_by_role("link", name="Rotate now"))
    operator.page.get_by_label("Bring the takeover near").check()
    operator.type(reason="A drill")
    operator.press(operator.page.get_by_role("button", name="Rotate"))
    expect(operator.page.locator(".messagelist li").first).to_be_visible()
    operator.press(operator.page.locator("table a.kid, table .kid a").first)
    operator.press(operator.page.get_by_role("link", name="Declare compromised"))
    operator.type(reason="Seen in a log")
    operator.press(operator.page.get_by_role("button", name="Declare compromised"))
    operator.reads("never trusted again")


def test_every_page_of_the_index_and_the_first_row_of_each_list(operator: Person, site: Site) -> None:
    links = operator.page.locator("#content-main .module a").evaluate_all("all => all.map(link => link.href)")
    pages = sorted({link for link in links if link.startswith(f"{site.issuer}/admin/")})
    assert len(pages) > 8
    for page in pages:
        operator.open(page)
        rows = operator.page.locator('#result_list tbody a[href*="/change/"]')
        if rows.count():
            operator.press(rows.first)


def test_the_admin_asks_for_a_second_factor(person: Person, site: Site) -> None:
    arguments = ("create_user", "viewer", "--password-stdin", "--admin-role", "viewer", "--realm", "default")
    site.manage(*arguments, typed=site.password)
    codes = enter_admin_for_the_first_time(person, "viewer", site.password)
    person.press(person.page.get_by_role("button", name="Log out"))
    person.open("/admin/")
    person.type(username="viewer", password=site.password)
    person.press(person.page.get_by_role("button", name="Log in"))
    person.open("/admin/accounts/user/")  # the password alone opens nothing
    expect(person.page.locator("#result_list")).to_have_count(0)
    person.type(code="000000")
    person.press("second-factor-submit", status=422)
    person.type(code=codes[0])
    person.press("second-factor-submit")
    expect(person.page.locator("#result_list")).to_be_visible()
