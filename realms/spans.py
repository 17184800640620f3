"""Lengths of time as people write them, `2 days 6 hours`, and as programs do, `P2DT6H` (ISO 8601).

Forms read Django's own form beside these; Django does that.
"""

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
_ISO = re.compile(
    r"P(?=[\dT])(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)
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


def in_iso(span: timedelta) -> str:
    """A length of time by ISO 8601, exactly: what `from_iso` reads back.

    Arguments:
        span: not negative.
    """
    rest = timedelta(seconds=span.seconds)
    parts = []
    for letter, (_, unit) in zip("HM", _UNITS[1:3], strict=True):
        count, rest = divmod(rest, unit)
        parts.append(f"{count}{letter}" if count else "")
    fraction = f".{span.microseconds:06}".rstrip("0") if span.microseconds else ""
    parts.append(f"{rest.seconds}{fraction}S" if rest or fraction else "")
    time = "".join(parts)
    days = f"{span.days}D" if span.days else ""
    return f"P{days}T{time}" if time else f"P{days}" if days else "PT0S"


def from_iso(text: str) -> timedelta | None:
    """The length of time of an ISO 8601 duration of days, hours, minutes and seconds, or None where it is none.

    Raises:
        OverflowError: more days than Python can count.
    """
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    seconds, _, fraction = (match["seconds"] or "0").partition(".")
    return timedelta(
        days=int(match["days"] or 0),
        hours=int(match["hours"] or 0),
        minutes=int(match["minutes"] or 0),
        seconds=int(seconds),
        microseconds=int(fraction.ljust(6, "0")),
    )


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
