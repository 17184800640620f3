"""JSON read strictly: each member once, no constants of JavaScript, no deep nesting (RFC 8725 §2.4, RFC 8259 §4)."""

import base64
import binascii
import json
from typing import Any

MAX_DEPTH = 16
_PAIRS = frozenset({dict, list})


class NotStrict(ValueError):
    """The text is not what it has to be. The message is a sentence's end."""


def from_base64url(text: str) -> bytes:
    """The bytes of a base64url text without padding, in its one canonical form.

    Raises:
        NotStrict: another alphabet, padding, or stray bits at the end.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise NotStrict("is not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode("ascii", "replace"):
        raise NotStrict("is not canonical base64url")
    return raw


def plain_object(raw: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        NotStrict: no UTF-8, no JSON, no object, a member twice, a constant of JavaScript, or nested deeply.
    """
    try:
        text = raw.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotStrict("is not plain JSON with each member once") from None
    if not isinstance(found, dict):
        raise NotStrict("is not a JSON object")
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(found, MAX_DEPTH):
        raise NotStrict("is nested too deeply")
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A member stands twice.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _is_deeper(value: object, depth: int) -> bool:
    """Whether something nests more often than that; level by level, so that no depth exhausts the stack."""
    level: list[object] = [value]
    for _ in range(depth + 1):
        nested: list[object] = []
        for each in level:
            if isinstance(each, dict):
                nested.extend(each.values())
            elif isinstance(each, list):
                nested.extend(each)
        level = [each for each in nested if type(each) in _PAIRS]
        if not level:
            return False
    return True
