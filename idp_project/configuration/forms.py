"""How the values of a configuration are read from JSON, strictly, and written as JSON."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from keys.errors import ForeignKeyRefused
from keys.foreign_keys import clean_jwks
from keys.policy import LONGEST_PERIOD
from realms.spans import from_iso, in_iso

_MAX_TEXT = 2_000  # of the longest column
_MAX_ITEMS = 1_000  # what a list may hold is for the rules to say; this only bounds the work


class Malformed(ValueError):
    """A member can't have this value; the text goes on behind its name, and doesn't repeat the value."""


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of value.

    Attributes:
        read: makes the value of what JSON holds, or raises `Malformed`.
        write: the opposite.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def _flag(found: Any) -> bool:
    if type(found) is not bool:
        raise Malformed("has to be true or false")
    return found


def _text(found: Any) -> str:
    if not isinstance(found, str) or len(found) > _MAX_TEXT:
        raise Malformed(f"has to be a text of at most {_MAX_TEXT} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in found):
        raise Malformed("has a character that no text of a configuration has")
    return found


def _span(found: Any) -> timedelta:
    try:
        span = from_iso(found) if isinstance(found, str) else None
    except OverflowError:
        span = None
    if span is None or span > LONGEST_PERIOD:
        raise Malformed("has to be an ISO 8601 duration such as PT5M or P90D, and of ten years at most")
    return span


def _texts(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or len(found) > _MAX_ITEMS:
        raise Malformed(f"has to be a list of at most {_MAX_ITEMS} texts")
    return tuple(_text(item) for item in found)


def _scopes(found: Any) -> tuple[str, ...]:
    text = found if isinstance(found, str) and len(found) <= 2 * _MAX_TEXT else _text(found)
    return tuple(_text(scope) for scope in text.split(" ")) if text else ()


def _jwks(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise Malformed("has to be a JWK Set")
    try:
        return clean_jwks(found)
    except ForeignKeyRefused as error:
        raise Malformed(f"is refused: {str(error).removesuffix('.')}") from None


def _same(value: Any) -> Any:
    return value


FLAG = Form(_flag, _same)
TEXT = Form(_text, _same)
SPAN = Form(_span, in_iso)
TEXTS = Form(_texts, list)
SCOPES = Form(_scopes, " ".join)  # RFC 7591 §2, `scope`
JWKS = Form(_jwks, _same)


def word_of(vocabulary: type[StrEnum]) -> Form:
    """One of the words of a vocabulary."""

    def read(found: Any) -> StrEnum:
        if not isinstance(found, str) or found not in set(vocabulary):
            raise Malformed(f"has to be one of {', '.join(vocabulary)}")
        return vocabulary(found)

    return Form(read, str)


def words_of(vocabulary: type[StrEnum]) -> Form:
    """A list of words of a vocabulary."""
    one = word_of(vocabulary)

    def read(found: Any) -> tuple[StrEnum, ...]:
        if not isinstance(found, list) or len(found) > _MAX_ITEMS:
            raise Malformed(f"has to be a list of {', '.join(vocabulary)}")
        return tuple(one.read(item) for item in found)

    return Form(read, lambda words: [str(word) for word in words])


def or_null(form: Form) -> Form:
    """A kind of value, or null for none."""
    return Form(
        lambda found: None if found is None else form.read(found),
        lambda value: None if value is None else form.write(value),
    )
