"""Somebody at a browser. Every page that they meet is looked at, and no fault of a page goes unnoticed."""

from collections.abc import Callable
from urllib.parse import urljoin

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Frame, Locator, Page, Request, Response, expect

from tests.browser.barriers import Barriers

_VIOLATIONS = """document.addEventListener("securitypolicyviolation",
    event => console.error(`CSP: ${event.effectiveDirective} refused ${event.blockedURI || event.sample}`))"""
_REFUSED = "Failed to load resource: the server responded with a status of"
_MOST_MILLISECONDS = 15_000


class Person:
    """Somebody at a browser of their own, with one tab.

    Arguments:
        context: the browser's profile, closed by whoever made it.
        issuer: where paths lead.
        barriers: looks at pages; None where pages run no script, and so nothing can look.
    """

    def __init__(self, context: BrowserContext, *, issuer: str, barriers: Barriers | None) -> None:
        context.add_init_script(_VIOLATIONS)
        context.set_default_timeout(_MOST_MILLISECONDS)
        self.page: Page = context.new_page()
        self._issuer, self._barriers = issuer, barriers
        self._faults: list[str] = []
        self._unseen: list[str] = []
        self._expected = 200
        self.page.on("console", self._console)
        self.page.on("pageerror", self._error)
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._response)
        self.page.on("framenavigated", self._arrived)

    def open(self, address: str, *, status: int = 200) -> None:
        """Follow an address, a path below the issuer or a whole one."""
        self._go(lambda: self.page.goto(urljoin(self._issuer, address)), status)

    def press(self, what: str | Locator, *, status: int = 200) -> None:
        """Press a button or a link that leads to another page.

        Arguments:
            what: its id, or where it is.
            status: with which that page answers.
        """
        found = self.page.locator(f"#{what}") if isinstance(what, str) else what
        self._go(found.click, status)

    def hit(self, key: str, *, status: int = 200) -> None:
        """Press a key that leads to another page."""
        self._go(lambda: self.page.keyboard.press(key), status)

    def type(self, **fields: str) -> None:
        """Type into fields by their names."""
        for name, text in fields.items():
            self.page.fill(f'[name="{name}"]', text)

    def reads(self, text: str) -> None:
        """The page says this, and shows it."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def has(self, element_id: str) -> None:
        """The page shows an element."""
        expect(self.page.locator(f"#{element_id}")).to_be_visible()

    def is_at(self, path: str) -> None:
        """The address bar shows this path, whatever follows it."""
        assert self.page.url.partition("?")[0] == urljoin(self._issuer, path), self.page.url

    def look(self) -> None:
        """Look at the page that is open: after a step that changed it without leading to another."""
        self._unseen.clear()
        if self._barriers is not None and self.page.url.startswith(self._issuer):
            self._faults += [f"{self.page.url}: {fault}" for fault in self._barriers.on(self.page)]
        self.complain()

    def complain(self) -> None:
        """Fail, if anything was wrong with a page, or one was passed by without a look."""
        faults, self._faults = self._faults, []
        assert not faults, "\n".join(faults)
        assert not self._unseen, f"nobody looked at {self._unseen}"

    def _go(self, step: Callable[[], object], status: int) -> None:
        self.complain()
        self._expected = status
        with self.page.expect_navigation(wait_until="load") as navigation:
            step()
        answer = navigation.value
        assert answer.status == status, f"{answer.status} at {answer.url}:\n{self.page.content()}"
        self.look()
        self._expected = 200

    def _console(self, message: ConsoleMessage) -> None:
        # Browsers complain of the page that was asked for, too.
        if message.text.startswith(f"{_REFUSED} {self._expected} ") and self._expected != 200:
            return
        if message.type in {"error", "warning"}:
            self._faults.append(f"{self.page.url}: console: {message.text} {message.location}")

    def _error(self, error: Error) -> None:
        self._faults.append(f"{self.page.url}: script: {error}")

    def _failed(self, request: Request) -> None:
        if request.is_navigation_request() and request.failure == "net::ERR_ABORTED":  # it became a download
            return
        self._faults.append(f"{self.page.url}: not loaded: {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self._faults.append(f"{self.page.url}: {response.status} for {response.url}")

    def _arrived(self, frame: Frame) -> None:
        if frame == self.page.main_frame and frame.url.startswith(self._issuer):
            self._unseen.append(frame.url)
