"""Lengths of time as people write them: `2 days 6 hours`. ISO 8601 and Django's own form are read by Django."""

import re
from datetime import timedelta

_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)
_SPOKEN = {
    **dict(_UNITS),
    "week": timedelta(weeks=1),
    "min": timedelta(minutes=1),
    "sec": timedelta(seconds=1),
}
_PART = re.compile(r"(\d{1,9})\s*([a-z]+)")
_WHOLE = re.compile(r"(?:\d{1,9}\s*[a-z]+[\s,]*)+")


def in_words(span: timedelta) -> str:
    """A length of time, exactly: what `from_words` reads back.

    Arguments:
        span: not negative. Parts of a second, which no policy has, fall back to Python's own form.
    """
    if span.microseconds or span < timedelta(0):
        return str(span)
    words, rest = [], span
    for name, unit in _UNITS:
        count, rest = divmod(rest, unit)
        if count:
            words.append(_counted(count, name))
    return " ".join(words) or "0 seconds"


def roughly(span: timedelta) -> str:
    """A length of time in its largest sensible unit, rounded down; its sign is passed over."""
    span = abs(span)
    for name, unit in _UNITS[:-1]:
        if span >= (unit if name == "minute" else 2 * unit):  # 30 hours say more than one day
            return _counted(span // unit, name)
    return "less than a minute"


def from_words(text: str) -> timedelta | None:
    """The length of time that words name, or None where they name none.

    Raises:
        OverflowError: more days than Python can count.
    """
    lowered = text.strip().lower()
    if not _WHOLE.fullmatch(lowered):
        return None
    total = timedelta(0)
    for count, name in _PART.findall(lowered):
        unit = _SPOKEN.get(name) or _SPOKEN.get(name.removesuffix("s"))
        if unit is None:
            return None
        total += int(count) * unit
    return total


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
