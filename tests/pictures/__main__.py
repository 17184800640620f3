"""`python -m tests.pictures` draws docs/pictures anew: the pages that people and operators see most."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from idp_project.quickstart.data_folder import first_values, write_secret
from tests.browser.application import Application, running_callback
from tests.browser.authenticators import give_passkeys
from tests.browser.barriers import Barriers
from tests.browser.chromium import launch
from tests.browser.person import Person
from tests.browser.steps import sign_in, sign_in_as_operator
from tests.interop.processes import CHECKOUT, free_port, fresh_database, listens, run_command, wait_until

PICTURES = CHECKOUT / "docs" / "pictures"
OPERATOR, PERSON, HOUSE = "m.okafor", "ana.ribeiro", "museum"
PAPER, TELEPHONE, DESK = {"width": 640, "height": 560}, {"width": 390, "height": 720}, {"width": 1280, "height": 900}
_SECONDS = 180
_PORT, _CALLBACK_PORT = 8080, 4180  # they stand in pictures


class Studio:
    """People at browsers, of whose pages pictures are taken."""

    def __init__(self, browser: Browser, issuer: str, password: str) -> None:
        self._browser, self.issuer, self.password = browser, issuer, password
        self._barriers = Barriers()

    def person(self, viewport: dict[str, int], **profile: Any) -> Person:
        """Somebody, who looks at each page for barriers as well."""
        made = {"locale": "en-GB", "viewport": viewport, "timezone_id": "UTC", **profile}
        return Person(self._browser.new_context(**made), issuer=self.issuer, barriers=self._barriers)

    def take(self, page: Page | Locator, name: str, *, whole: bool = False) -> None:
        """Take a picture of what is seen, or of the whole page."""
        options = {"full_page": True} if whole else {}
        page.screenshot(path=PICTURES / f"{name}.png", animations="disabled", caret="hide", **options)  # type: ignore[arg-type]
        sys.stdout.write(f"docs/pictures/{name}.png {(PICTURES / f'{name}.png').stat().st_size // 1024} KiB\n")


def people(studio: Studio, application: Application) -> None:
    """What people see."""
    ana = studio.person(PAPER)
    ana.open(application.sign_in_address())
    studio.take(ana.page, "sign-in", whole=True)
    sign_in(ana, PERSON, studio.password)
    studio.take(ana.page, "consent", whole=True)
    ana.press("consent-allow")
    give_passkeys(ana)
    ana.open("/account/security/passkey")
    ana.type(name="Ana’s laptop")
    ana.press(ana.page.locator("form[data-passkey] button"))
    if ana.page.locator("#recovery-codes-kept").count():
        ana.press("recovery-codes-kept")
    ana.open("/account")
    studio.take(ana.page, "account", whole=True)
    ana.open("/account/security")
    studio.take(ana.page, "security", whole=True)


def looks(studio: Studio) -> None:
    """A realm's own look, in both schemes, and the languages."""
    for name, scheme, language in (("look", "light", "de"), ("look-dark", "dark", "fr")):
        visitor = studio.person(TELEPHONE, color_scheme=scheme, locale=language)
        visitor.open(f"/realms/{HOUSE}/sign-in")
        visitor.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        studio.take(visitor.page, name)


def operators(studio: Studio) -> None:
    """What operators see."""
    operator = studio.person(DESK)
    sign_in_as_operator(operator, OPERATOR, studio.password)
    studio.take(operator.page, "admin")
    operator.press(operator.page.locator(".ring-card a", has_text="ES256").first)
    studio.take(operator.page, "ring")
    dark = studio.person(DESK, color_scheme="dark")
    sign_in_as_operator(dark, OPERATOR, studio.password)
    dark.page.emulate_media(color_scheme="dark")
    studio.take(dark.page, "admin-dark")


@contextmanager
def running_server(callback: str) -> Iterator[tuple[str, str, str]]:
    """A server of its own; gives its issuer, everybody's password and the application's secret."""
    port, password = _port(_PORT), secrets.token_urlsafe(18)
    with fresh_database() as database_url, TemporaryDirectory(prefix="signet-pictures-") as folder:
        values = first_values(port=port, database_url=database_url, bundled=False)
        values |= {"IDP_EXPIRED_TOKENS": "false", "IDP_EMAIL_URL": f"filemail://{folder}/mail"}
        write_secret(Path(folder, "signet.env"), "".join(f"{name}={value}\n" for name, value in values.items()))
        environment = {"PATH": os.environ["PATH"], "IDP_ENV_FILE": f"{folder}/signet.env"}
        run_command([sys.executable, "manage.py", "migrate", "--verbosity", "0"], environment)
        command = [sys.executable, "-m", "tests.pictures.server"]
        with subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdin is not None
                assert server.stdout is not None
                server.stdin.write(json.dumps({"password": password, "callback": callback, "port": port}))
                server.stdin.close()
                secret = server.stdout.readline().strip()
                wait_until(lambda: listens(port) or server.poll() is not None, seconds=_SECONDS, what="the server")
                yield values["IDP_ISSUER"], password, secret
            finally:
                server.terminate()


def _port(wished: int) -> int:
    return free_port() if listens(wished) else wished


if __name__ == "__main__":
    with running_callback(_port(_CALLBACK_PORT)) as callback, running_server(callback) as (issuer, password, secret):
        application = Application(issuer=issuer, client_id="notes", secret=secret, address=callback)
        with sync_playwright() as playwright:
            studio = Studio(launch(playwright), issuer, password)
            people(studio, application)
            looks(studio)
            operators(studio)
