"""Scopes: what is asked for, what a client may have, what may shrink (RFC 6749 §3.3)."""

import re

from tokens.errors import InvalidScope

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"
# Scopes that name claims about a person (OpenID Connect Core §5.4).
CLAIM_SCOPES = ("profile", "email", "address", "phone")
STANDARD_SCOPES = (OPENID, *CLAIM_SCOPES, OFFLINE_ACCESS)
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+", re.ASCII)  # scope-token


def parse(text: str) -> tuple[str, ...]:
    """The scopes of a `scope` parameter, each once, in the order in which they came.

    Raises:
        InvalidScope: a scope has a character that none may have, or two spaces stand together.
    """
    if not text:
        return ()
    found = text.split(" ")
    if not all(_TOKEN.fullmatch(scope) for scope in found):
        raise InvalidScope("The scope is not a list of names between single spaces.")
    return tuple(dict.fromkeys(found))


def without_people(allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that make sense without a person: none of OpenID Connect's."""
    return tuple(scope for scope in allowed if scope not in STANDARD_SCOPES)


def grantable(asked: tuple[str, ...], allowed: tuple[str, ...], *, refreshes: bool) -> tuple[str, ...]:
    """What a person may be asked to allow: `offline_access` only by name, and only for a client that can refresh.

    Raises:
        InvalidScope: something was asked for that isn't allowed, or nothing of it is left; no answer could say
            so, since no scope is empty (RFC 6749 §3.3).
    """
    found = within(asked, tuple(scope for scope in allowed if asked or scope != OFFLINE_ACCESS))
    granted = tuple(scope for scope in found if refreshes or scope != OFFLINE_ACCESS)
    if found and not granted:
        raise InvalidScope("This client may not refresh, and asks for nothing else.")
    return granted


def within(asked: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What was asked for, or everything that is allowed where nothing was asked for.

    Raises:
        InvalidScope: something was asked for that isn't allowed.
    """
    if not set(asked) <= set(allowed):
        raise InvalidScope("The scope goes beyond what this client may have.")
    return asked or allowed
