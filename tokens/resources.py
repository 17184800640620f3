"""Resource indicators: for which audience a token is asked (RFC 8707)."""

import re
from urllib.parse import urlsplit

from tokens.errors import InvalidTarget

# Scheme and the characters that a URI may have (RFC 3986 §2, §3.1), without the number sign of a fragment.
_URI = re.compile(r"[a-z][a-z0-9+.-]*:([a-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9a-f]{2})+", re.ASCII | re.IGNORECASE)


def within(asked: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What was asked for, or everything that is allowed where nothing was asked for; letter by letter.

    Raises:
        InvalidTarget: something that isn't allowed, or is no absolute URI without a fragment (§2).
    """
    for resource in asked:
        if not is_resource(resource) or resource not in allowed:
            raise InvalidTarget
    return asked or allowed


def narrowed(asked: tuple[str, ...], audience: tuple[str, ...], *, issuer: str) -> tuple[str, ...]:
    """The audience of a token that is for fewer resources than its grant (§2.2).

    Arguments:
        asked: the resources of the token request; () for all of the grant.
        audience: the grant's.
        issuer: stays in the audience where it is there, so that userinfo may be asked.

    Raises:
        InvalidTarget: something that wasn't granted.
    """
    kept = within(asked, audience)
    return (*kept, issuer) if issuer in audience and issuer not in kept else kept


def is_resource(text: str) -> bool:
    """Whether a text is an absolute URI without a fragment (RFC 8707 §2); one of the web has a host."""
    if not _URI.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.hostname) if parts.scheme in ("http", "https") else True
