"""Which language a page speaks (OpenID Connect Core §3.1.2.1, `ui_locales`; RFC 4647 §3.4; RFC 9110 §12.5.4).

Nothing in here is an error: a wish that can't be read or fulfilled is passed over.
"""

import re
from collections.abc import Sequence
from urllib.parse import parse_qs

MAX_WISHES = 20  # languages; more are passed over
MAX_TEXT = 1_024  # characters of `ui_locales`, and of an Accept-Language header
_MAX_QUERY = 32_768  # characters
_MAX_FIELDS = 64
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_WEIGHTED = re.compile(r"(?P<tag>[A-Za-z0-9*-]{1,64})(?:[ \t]*;[ \t]*q=(?P<weight>[01](?:\.[0-9]{0,3})?))?", re.I)


def ui_locales_in(query: str) -> str:
    """The wish in a page's address: its own, or else that of the authorization request that it leads back to.

    Arguments:
        query: of the address, as it came; trusted in nothing.

    Returns:
        The text of `ui_locales`; "" where there is none, or more than one.
    """
    own = _once(query, "ui_locales")
    return own or _once(_once(query, "next").partition("?")[2], "ui_locales")


def tags_of(ui_locales: str) -> Sequence[str]:
    """The language tags of a `ui_locales`, the dearest first."""
    if len(ui_locales) > MAX_TEXT:
        return []
    return [tag for tag in ui_locales.split(" ")[:MAX_WISHES] if _TAG.fullmatch(tag)]


def tags_accepted(header: str) -> Sequence[str]:
    """The language tags of an Accept-Language header, the dearest first; `*` and those of weight 0 are left out."""
    if len(header) > MAX_TEXT:
        return []
    weighted = []
    for part in header.split(",")[:MAX_WISHES]:
        found = _WEIGHTED.fullmatch(part.strip(" \t"))
        if found and _TAG.fullmatch(found["tag"]):
            weighted.append((float(found["weight"] or 1), found["tag"]))
    return [tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if 0 < weight <= 1]


def offered_of(tags: Sequence[str], offered: Sequence[str]) -> str | None:
    """The first wish that can be fulfilled: `de-AT` by `de`, but not the other way round (RFC 4647 §3.4).

    Arguments:
        tags: the dearest first.
        offered: the languages that there are; the same in capitals is the same.

    Returns:
        One of `offered`, or None.
    """
    there = {code.lower(): code for code in offered}
    for tag in tags:
        wanted = tag.lower()
        while wanted:
            if wanted in there:
                return there[wanted]
            wanted = wanted.rpartition("-")[0]
    return None


def _once(query: str, name: str) -> str:
    if len(query) > _MAX_QUERY:
        return ""
    try:
        found = parse_qs(query, max_num_fields=_MAX_FIELDS).get(name, [])
    except ValueError:
        return ""
    return found[0] if len(found) == 1 else ""
