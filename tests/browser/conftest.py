"""One server and one browser for all tests here, and for each test people with browsers of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.barriers import Barriers
from tests.browser.chromium import MissingBrowser, launch
from tests.browser.person import Person
from tests.browser.rows import OPERATOR
from tests.browser.site import Site, running_site
from tests.browser.steps import enter_admin_for_the_first_time

NewPerson = Callable[..., Person]


# Playwright keeps an event loop in its thread, in which Django refuses to touch a database: so it ends with this
# package, and tests elsewhere have the thread to themselves.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser; what is skipped without it is said loudly at the end of the run."""
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except MissingBrowser as error:
            pytest.skip(str(error))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The running server."""
    with running_site(tmp_path_factory.mktemp("site"), IDP_ADMIN_SECOND_FACTOR="true") as found:
        yield found


@pytest.fixture(scope="session")
def barriers() -> Barriers:
    """Looks at pages, at each once."""
    return Barriers()


@pytest.fixture
def new_person(chromium: Browser, site: Site, barriers: Barriers) -> Iterator[NewPerson]:
    """Makes people with a browser each; takes what Playwright's `new_context` takes."""
    contexts, people = [], []

    def new(**profile: Any) -> Person:
        context = chromium.new_context(**{"locale": "en-GB", **profile})
        contexts.append(context)
        scripted = profile.get("java_script_enabled", True)
        people.append(Person(context, issuer=site.issuer, barriers=barriers if scripted else None))
        return people[-1]

    yield new
    for context in contexts:
        context.close()
    for person in people:
        person.complain()


@pytest.fixture(scope="session")
def admins_cookies() -> dict[str, Any]:
    """What the operator's browser keeps, for later ones: their app is set up at the first sign-in alone."""
    return {}


@pytest.fixture
def operator(new_person: NewPerson, site: Site, admins_cookies: dict[str, Any]) -> Person:
    """An operator at the admin's front page, who has proved a second factor."""
    if not admins_cookies:
        first = new_person()
        enter_admin_for_the_first_time(first, OPERATOR, site.password)
        admins_cookies |= first.page.context.storage_state()
    operator = new_person(storage_state=admins_cookies)
    operator.open("/admin/")
    operator.reads("Overview")
    return operator


@pytest.fixture
def person(new_person: NewPerson) -> Person:
    """Somebody."""
    return new_person()
