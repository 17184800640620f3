"""An operator in front of the admin, and a person in front of a realm's pages."""

import pytest

from tests.provider import Browser, make_person


@pytest.fixture
def operator(db: None) -> Browser:
    """Somebody who may do everything in the admin."""
    browser = Browser(raise_request_exception=False)
    browser.force_login(make_person("operator", realm=None, is_staff=True, is_superuser=True))
    return browser


@pytest.fixture
def browser() -> Browser:
    """Somebody who isn't signed in."""
    return Browser()
