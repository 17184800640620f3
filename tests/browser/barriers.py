"""What keeps people out of a page: axe-core's findings by WCAG 2.2 AA, in both schemes, and on a narrow screen."""

import hashlib
import re
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

NARROW = {"width": 320, "height": 640}  # WCAG 2.2 §1.4.10 Reflow
_WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
_QUIETLY = {"resultTypes": ["violations"], "preload": False}  # no sheet is fetched a second time
_ADMINS = _QUIETLY | {
    "runOnly": [*_WCAG],
    "rules": {"target-size": {"enabled": True}},  # WCAG 2.2 §2.5.8; axe-core leaves it out unless asked
}
_PEOPLES = _ADMINS | {"runOnly": [*_WCAG, "best-practice"]}  # much of the admin's markup is Django's
_CONTRAST = _QUIETLY | {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
_ALWAYS_NEW = re.compile(r'(name="csrfmiddlewaretoken" value="|[?&;]next=|sid-|nonce=)[^"&]*')
# Colours on their way from one scheme to the other are nobody's.
_SETTLE = "() => document.getAnimations().forEach(animation => animation.finish())"
# The icon beside the search in Django's double lists has a label that no reader reads; the field has its own. The
# rows of a long list are all made alike, so the first ones speak for the rest.
_EXCLUDED = (".search-label-icon", "#result_list tbody tr:nth-child(n+6)")
_SIDEBAR = "#nav-sidebar"  # the same on most of the admin's pages: looked at once
_FIND = "([exclude, rules]) => axe.run({exclude}, rules).then(found => found.violations)"
_TOO_WIDE = """() => [...document.querySelectorAll('body *')]
    .filter(element => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(element => element.outerHTML.slice(0, 120))"""
_SCROLLS = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


class Barriers:
    """Remembers what was looked at, so that a page which many tests meet is looked at once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def on(self, page: Page) -> list[str]:
        """What is wrong with the page that is open, a line a fault; nothing where it was looked at before."""
        looks = _ALWAYS_NEW.sub("", page.content())
        seen = hashlib.sha256(looks.encode()).hexdigest()
        if seen in self._seen:
            return []
        self._seen.add(seen)
        page.evaluate(AXE_SCRIPT)
        rules = _PEOPLES if _is_for_people(page) else _ADMINS
        excluded = self._known_parts(page)
        found = _told("light", page.evaluate(_FIND, [excluded, rules]))
        page.emulate_media(color_scheme="dark")
        page.evaluate(_SETTLE)
        found += _told("dark", page.evaluate(_FIND, [excluded, _CONTRAST]))
        page.emulate_media(color_scheme="light")
        page.evaluate(_SETTLE)
        return found + _too_wide(page)

    def _known_parts(self, page: Page) -> list[str]:
        """What needs no look on this page."""
        excluded = [*_EXCLUDED]
        if _SIDEBAR in self._seen:
            excluded.append(_SIDEBAR)
        elif page.locator(_SIDEBAR).is_visible():
            self._seen.add(_SIDEBAR)
        return excluded


def _too_wide(page: Page) -> list[str]:
    """Whether people with a narrow screen have to scroll sideways; the admin's tables may be wide."""
    if not _is_for_people(page):
        return []
    usual = page.viewport_size
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a TypedDict of Playwright's own
    found = [f"320 px: wider than the screen: {page.evaluate(_TOO_WIDE)}"] if page.evaluate(_SCROLLS) else []
    if usual is not None:
        page.set_viewport_size(usual)
    return found


def _is_for_people(page: Page) -> bool:
    return page.locator("main.page").count() > 0


def _told(scheme: str, violations: list[dict[str, Any]]) -> list[str]:
    return [
        f"{scheme}: {fault['id']} ({fault['impact']}): {fault['help']}: {node['html'][:160]} {node['failureSummary']}"
        for fault in violations
        for node in fault["nodes"]
    ]
