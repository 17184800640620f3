"""Visit: a request, as the device behind it shows itself; and what its user agent says that it is."""

import re
from dataclasses import dataclass
from uuid import UUID

# Browsers claim to be each other, so the first that fits is the one: Edge says Chrome, and Chrome says Safari.
_BROWSERS = (
    ("Edge", re.compile(r"\bEdg(e|A|iOS)?/")),
    ("Opera", re.compile(r"\bOPR/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\b(Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(Chrome|CriOS)/")),
    ("Safari", re.compile(r"\bVersion/\S+ .*\bSafari/")),
)
_SYSTEMS = (
    ("Android", re.compile(r"\bAndroid\b")),
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Windows", re.compile(r"\bWindows NT\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("macOS", re.compile(r"\bMacintosh\b")),
    ("Linux", re.compile(r"\bLinux\b")),
)
_LONGEST_AGENT = 512  # characters that are looked at


@dataclass(frozen=True, slots=True)
class Visit:
    """What a request shows of the device that it comes from.

    Attributes:
        address: the client's.
        agent: the User-Agent header; "" where there is none. It proves nothing.
        held: ids of the devices in its cookie, the last used first; their tag was checked.
        thumbprint: of the key that it proved (RFC 7638); "" for none.
        keeps_cookies: whether it is surely a browser, which will show a cookie again.
    """

    address: str = ""
    agent: str = ""
    held: tuple[UUID, ...] = ()
    thumbprint: str = ""
    keeps_cookies: bool = False


def program_and_system(agent: str) -> tuple[str, str]:
    """Which browser on which system it says that it is; "" for what nobody knows.

    Arguments:
        agent: the User-Agent header, however hostile; nothing of it is repeated.
    """
    looked_at = agent[:_LONGEST_AGENT]
    browser = next((name for name, pattern in _BROWSERS if pattern.search(looked_at)), "")
    system = next((name for name, pattern in _SYSTEMS if pattern.search(looked_at)), "")
    return browser, system
