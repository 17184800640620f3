"""Signing in with an upstream provider as a browser does it: what the tests of that flow share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import LazySettings

from accounts.models import UpstreamLink, UpstreamProvider, User
from accounts.services.upstreams import create_provider, link
from accounts.upstream.http import upstreams
from accounts.upstream.terms import ProviderTerms
from realms.models import Realm
from tests.flows.code_flow import post
from tests.provider import PASSWORD, Browser
from tests.upstream import CLIENT_ID, SECRET, Upstream, upstream_provider


@dataclass
class Visit:
    """A person with a browser in front of a realm that has one upstream provider."""

    browser: Browser
    upstream: Upstream
    provider: UpstreamProvider
    base: str = ""

    def start(self, **fields: str) -> Any:
        """Press the button."""
        return post(self.browser, f"{self.base}/upstream/{self.provider.slug}/start", {"next": "", **fields})

    def address(self, **fields: str) -> str:
        """Where the button leads."""
        answer = self.start(**fields)
        assert answer.status_code == 303, answer.content
        return str(answer["Location"])

    def back(self, address: str) -> Any:
        """Follow the provider back."""
        parts = urlsplit(address)
        return self.browser.get(f"{parts.path}?{parts.query}")

    def come_back(self, **fields: str) -> Any:
        """Away and back, whatever comes of it."""
        return self.back(self.upstream.authorize(self.address(**fields)))

    def sign_in(self, username: str = "ana") -> Any:
        """With the password."""
        return post(self.browser, f"{self.base}/sign-in", {"username": username, "password": PASSWORD})

    def link(self, person: User, now: datetime, subject: str = "u-1") -> UpstreamLink:
        """As if the person had linked it before."""
        return link(provider=self.provider, subject=subject, person=person, now=now)


def add_provider(
    realm: Realm, upstream: Upstream, now: datetime, *, slug: str = "corp", secret: str | None = SECRET, **terms: Any
) -> UpstreamProvider:
    """The provider's row in a realm."""
    found = ProviderTerms(**{"name": "Corp", "issuer": upstream.issuer, "client_id": CLIENT_ID, **terms})
    return create_provider(realm=realm, slug=slug, terms=found, secret=secret, actor="test", now=now)


@pytest.fixture(autouse=True)
def _loopback(settings: LazySettings) -> Iterator[None]:
    """This provider speaks plain HTTP on loopback, so upstream ones may; and remembers none of another test."""
    settings.IDP_PLAIN_HTTP = True
    upstreams.forget()
    yield
    upstreams.forget()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Somebody else's provider."""
    with upstream_provider() as found:
        yield found


@pytest.fixture
def visit(realm: Realm, browser: Browser, upstream: Upstream, now: datetime) -> Visit:
    """A person in front of the default realm, which has that provider."""
    return Visit(browser, upstream, add_provider(realm, upstream, now))
