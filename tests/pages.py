"""Reading pages as a person with a browser does, and signing in on one."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from tests.provider import PASSWORD

PAGE = "/sign-in"
NEXT = "/authorize?client_id=app&redirect_uri=https://app.example/cb&state=1"
FORM = "application/x-www-form-urlencoded"


class Elements(HTMLParser):
    """The elements of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def one(self, **wanted: str) -> dict[str, str | None]:
        [found] = self.all(**wanted)
        return found

    def first(self, **wanted: str) -> dict[str, str | None]:
        """Of several, such as the CSRF tokens of a page's forms."""
        return self.all(**wanted)[0]

    def all(self, **wanted: str) -> list[dict[str, str | None]]:
        return [have for _tag, have in self.found if wanted.items() <= have.items()]


def post(client: Client, page: str = PAGE, **fields: str) -> Any:
    return client.post(page, urlencode({"username": "ana", "password": PASSWORD, **fields}), FORM)


def whose(client: Client) -> str:
    """Who the default realm's page says is signed in; "" for nobody."""
    found = re.search(rb"as <strong>(.*)</strong>", client.get("/signed-in").content)
    return found[1].decode() if found else ""
