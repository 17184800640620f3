"""Redirect URIs: which may be registered, which one a request means (RFC 6749 §3.1.2, RFC 8252, RFC 9700 §4.1.3)."""

import re
from urllib.parse import SplitResult, urlsplit

from accounts.addresses import is_loopback

_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+", re.ASCII)  # a domain name, reversed (RFC 8252 §7.1)
MAX_URI = 2_000
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)  # what may stand in a security policy
_NEVER_IN_A_URI = re.compile(r"[\x00-\x20\x7f\\\"<>^`{|}]")


def fault(uri: str) -> str:
    """Why a URI may not be registered, as the end of a sentence; "" where it may.

    Arguments:
        uri: the URI as registered.
    """
    if len(uri) > MAX_URI or not uri.isascii() or _NEVER_IN_A_URI.search(uri):
        return "has a character that no URI has, or is too long"
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "is no URI"
    if "#" in uri or "@" in parts.netloc:
        return "has a fragment or a user name"
    if parts.netloc and not _HOST.fullmatch(_host(parts)):
        return "has no host name"
    return _scheme_fault(parts)


def _scheme_fault(parts: SplitResult) -> str:
    if parts.scheme == "https":
        return "" if parts.netloc else "has no host name"
    if parts.scheme == "http":
        return "" if is_loopback(parts.hostname) else "uses http for a host that isn't this machine"
    return "" if _PRIVATE_SCHEME.fullmatch(parts.scheme) else "needs https, or a scheme of the app's own with a dot"


def _host(parts: SplitResult) -> str:
    """The host as it is written, brackets and all, without its port."""
    return re.sub(r":[0-9]*$", "", parts.netloc)


def web_fault(uri: str) -> str:
    """Why a URI is none that a browser or this provider may open, as the end of a sentence; "" where it is.

    Arguments:
        uri: https, or http on this machine; no scheme of an app's own.
    """
    if why := fault(uri):
        return why
    return "" if urlsplit(uri).scheme in ("https", "http") else "needs https"


def matches(registered: str, asked: str) -> bool:
    """Whether a request means a registered URI: letter by letter, the port of a loopback address aside.

    The exception is for native apps, which get a port from the system (RFC 8252 §7.3); it holds for the
    literal addresses alone, not for `localhost` (§8.3).
    """
    if registered == asked:
        return True
    if fault(asked):
        return False
    known, wanted = urlsplit(registered), urlsplit(asked)
    return (
        known.scheme == wanted.scheme == "http"
        and known.hostname == wanted.hostname
        and known.hostname in {"127.0.0.1", "::1"}
        and _without_port(registered, known) == _without_port(asked, wanted)
    )


def _without_port(uri: str, parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return uri.replace(parts.netloc, host or "", 1)
