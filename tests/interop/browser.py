"""A person's browser without JavaScript: cookies, redirects, forms."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

from tests.interop.provider import PERSON, Provider

_MOST_REDIRECTS = 20
_SECONDS = 20
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Page:
    """What the browser shows.

    Attributes:
        url: in the address bar.
        status: of the answer; 0 where the browser stopped in front of the address.
        text: of the page.
        headers: of the answer.
    """

    url: str
    status: int = 0
    text: str = ""
    headers: requests.structures.CaseInsensitiveDict[str] | None = None

    def form(self, form_id: str) -> "Form":
        """A form by its id."""
        found = [form for form in _Forms(self.text).found if form.form_id == form_id]
        assert found, f"no form {form_id} at {self.url} ({self.status}):\n{self.text}"
        return found[0]

    def has_form(self, form_id: str) -> bool:
        """Whether there is such a form."""
        return any(form.form_id == form_id for form in _Forms(self.text).found)


@dataclass(frozen=True)
class Form:
    """A form as it stands on a page, with the values that nobody types."""

    form_id: str
    action: str
    hidden: dict[str, str]


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert have.get("method", "get").lower() == "post"
            self.found.append(Form(have.get("id", ""), have.get("action", ""), {}))
        elif tag == "input" and have.get("type") == "hidden" and self.found:
            self.found[-1].hidden[have["name"]] = have.get("value", "")


class Browser:
    """One person's browser.

    Arguments:
        stops_at: beginnings of addresses that nobody serves: a callback that a test hands to its client.
    """

    def __init__(self, *, stops_at: Iterable[str] = ()) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between us and this machine
        self._session.headers["User-Agent"] = "Mozilla/5.0 (interop)"
        self._stops_at = tuple(stops_at)

    def open(self, url: str) -> Page:
        """Follow a link, and the redirects behind it."""
        return self._go("GET", url, None)

    def submit(self, page: Page, form_id: str, **typed: str) -> Page:
        """Press the button of a form."""
        form = page.form(form_id)
        return self._go("POST", urljoin(page.url, form.action), form.hidden | typed)

    def sign_in(self, provider: Provider, page: Page) -> Page:
        """Type name and password into the provider's page, and allow what the client asks for, if it does."""
        page = self.submit(page, "login-form", username=PERSON, password=provider.password)
        return self.submit(page, "consent-form", decision="allow") if page.has_form("consent-form") else page

    def cookies_of(self, pattern: str) -> list[str]:
        """The names of cookies."""
        return [cookie.name for cookie in self._session.cookies if re.fullmatch(pattern, cookie.name)]

    def _go(self, method: str, url: str, form: dict[str, str] | None) -> Page:
        for _ in range(_MOST_REDIRECTS):
            if self._stops_at and url.startswith(self._stops_at):
                return Page(url)
            answer = self._session.request(
                method,
                url,
                data=form,
                headers={"Origin": _origin(url)} if method == "POST" else {},
                allow_redirects=False,
                timeout=_SECONDS,
            )
            if answer.status_code not in _REDIRECTS:
                return Page(url, answer.status_code, answer.text, answer.headers)
            method, form, url = "GET", None, urljoin(url, answer.headers["Location"])
        raise AssertionError(f"more than {_MOST_REDIRECTS} redirects, the last to {url}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
