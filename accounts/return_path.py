"""Where the sign-in page may lead to: back to a page of its own realm that asked for it (RFC 9700 §4.11)."""

import re

MAX_RETURN_PATH = 8_192  # characters; longer than any authorization request
# What browsers send in a query, which is a little more than RFC 3986 §3.4 has: printable ASCII without
# the backslash, which some take for a slash, the fragment's sign and what could end an attribute.
_QUERY = re.compile(r"[!$-;=?-\[\]-~]*")
_WITH_QUERY = "authorize"  # there is nothing to authorize without one
_PAGES = (
    _WITH_QUERY,
    "device",
    "account",
    "account/sessions",
    "account/applications",
    "account/data",
    "account/devices",
    "account/security",
    "account/security/app",
    "account/security/passkey",
    "account/email",
    "account/password",
    "look-at-your-mail",
    "sign-in/set-up-second-factor",
    "sign-in/set-up-second-factor/passkey",
    "account/link",
    "account/linked",
)


def return_path(text: str, *, below: str) -> str | None:
    """The address to go on to after a sign-in, if it is one.

    The path is compared letter by letter, so there is no room for a scheme, a host, `//` or dots in it.

    Arguments:
        text: from the request; trusted in nothing.
        below: the path of the realm's issuer with its last slash, such as `/realms/x/`.

    Returns:
        The text as it was given, or None.
    """
    path, mark, query = text.partition("?")
    if len(text) > MAX_RETURN_PATH or path not in [below + page for page in _PAGES] or not _QUERY.fullmatch(query):
        return None
    return text if mark or path != below + _WITH_QUERY else None
