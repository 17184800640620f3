"""Debian's Chromium, which Playwright drives; no browser is ever downloaded.

`python -m tests.browser.chromium` installs Debian's package where that is allowed; `make test` calls it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests import debian

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

PACKAGE = "chromium"
PROGRAM = Path("/usr/bin/chromium")


class MissingBrowser(Exception):
    """There is no Chromium here; the message is one sentence that says what to install."""


def install() -> None:
    """Install Debian's package, unless it is there or we may not."""
    debian.install(PACKAGE, PROGRAM)


def launch(playwright: "Playwright") -> "Browser":
    """Start the browser.

    Raises:
        MissingBrowser: it is not there.
    """
    if not PROGRAM.is_file():
        raise MissingBrowser(f"no {PROGRAM} on this machine: run apt-get install {PACKAGE} as root.")
    # Chromium's sandbox refuses to start as root; in there, only our own pages are opened.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=str(PROGRAM), args=arguments)


if __name__ == "__main__":
    install()
