"""An application asks, and a person allows or denies."""

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import sign_in

pytestmark = pytest.mark.spec("OpenID Connect Core §3.1.2.4")


def test_allows_an_application_and_takes_it_back(person: Person, site: Site) -> None:
    application = site.application()
    person.open(application.sign_in_address())
    sign_in(person, "dora", site.password)
    person.is_at("/consent")
    expect(person.page.locator("#consent-scopes li")).to_have_count(3)
    person.press("consent-allow")
    person.reads("You are back.")
    tokens = application.tokens(application.answer_in(person.page.url)["code"])
    assert tokens["id_token"]
    person.open("/account/applications")
    person.press("withdraw-notes")
    person.has("no-applications")
    person.open(application.sign_in_address())
    person.is_at("/consent")


def test_denies_an_application(person: Person, site: Site) -> None:
    application = site.application()
    person.open(application.sign_in_address())
    sign_in(person, "emil", site.password)
    person.press("consent-deny")
    assert application.answer_in(person.page.url)["error"] == "access_denied"


def test_an_application_without_a_name_here_is_told_of(person: Person) -> None:
    person.open("/authorize?client_id=nobody", status=400)
    person.reads("Go back to it and try again")
