"""People see every page of their account, take a copy of what is stored, and delete it."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import sign_in, sign_in_at_account

pytestmark = pytest.mark.spec("issue 3, People can")


def test_every_page_of_the_account_can_be_used_by_all(person: Person, site: Site) -> None:
    sign_in_at_account(person, "hana", site.password)
    pages = person.page.locator("main a").evaluate_all("all => all.map(link => link.href)")
    assert len([page for page in pages if "/account/" in page]) >= 7
    for page in pages:
        if "/account/" in page:
            person.open(page)


def test_renames_and_removes_a_device(person: Person, site: Site) -> None:
    sign_in_at_account(person, "ivo", site.password)
    person.press("account-devices")
    expect(person.page.locator("[id^=rename-]")).to_have_count(1)
    person.type(name="My old laptop")
    person.press(person.page.locator("[id^=rename-]"))
    person.reads("My old laptop")
    person.press(person.page.locator("[id^=remove-]"))
    person.open("/account")
    person.is_at("/sign-in")


def test_takes_a_copy_and_deletes_the_account(person: Person, site: Site) -> None:
    sign_in_at_account(person, "lea", site.password)
    person.open("/account/data")
    with person.page.expect_download() as download:
        person.page.locator("#data-copy").click()
    copy = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert "lea@example.org" in json.dumps(copy)
    assert site.password not in json.dumps(copy)
    person.type(username="leo")
    person.press("account-delete", status=422)
    person.type(username="lea")
    person.press("account-delete")
    person.reads("Your account is deleted")
    person.open("/sign-in")
    sign_in(person, "lea", site.password, status=422)
