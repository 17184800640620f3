"""Passwords that were found in the open: a file on this machine, or a service that never learns the password.

Both are in the form of Have I Been Pwned's Pwned Passwords: SHA-1 in hexadecimal, a colon, how often.
"""

import hashlib
import os
from pathlib import Path
from typing import IO

from django.conf import settings

from accounts.outbound_http import Patience, Unanswered, exchange

PREFIX = 5  # hexadecimal digits: all that a service is told of a password, so it can't tell one of hundreds
_PATIENCE = Patience(connect=1.0, answer=2.0)  # seconds of somebody who waits
_MAX_ANSWER = 1_048_576  # bytes; a padded answer has some 60,000
_MAX_LINE = 64  # bytes
_OK = 200


class BreachesAway(Exception):
    """The list can't be asked now; the text is one word."""


def has_a_list() -> bool:
    """Whether the settings name a list of breached passwords."""
    return bool(settings.IDP_BREACHED_PASSWORDS_FILE or settings.IDP_BREACHED_PASSWORDS_URL)


def is_breached(password: str) -> bool:
    """Whether a password is on the list that the settings name; nothing is where they name none.

    Arguments:
        password: in the form that is hashed.

    Raises:
        BreachesAway: the file can't be read, or the service gave no answer that it should.
    """
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    if settings.IDP_BREACHED_PASSWORDS_FILE:
        return _in_file(Path(settings.IDP_BREACHED_PASSWORDS_FILE), digest)
    if settings.IDP_BREACHED_PASSWORDS_URL:
        return _in_range(settings.IDP_BREACHED_PASSWORDS_URL, digest)
    return False


def _in_file(path: Path, digest: str) -> bool:
    """Halve what is left of the sorted file, some forty times; nothing of it is kept in memory."""
    wanted = digest.encode()
    try:
        with path.open("rb") as file:
            low, high = 0, file.seek(0, os.SEEK_END)
            while low < high:
                middle = (low + high) // 2
                found = _line_from(file, middle)
                if found and found[: len(wanted)].upper() < wanted:
                    low = middle + 1
                else:
                    high = middle
            return _line_from(file, low).partition(b":")[0].strip().upper() == wanted
    except OSError as error:
        raise BreachesAway(type(error).__name__) from error


def _line_from(file: IO[bytes], offset: int) -> bytes:
    """The first line that begins at this offset or behind it; empty at the end."""
    file.seek(max(offset - 1, 0))
    if offset:
        file.readline()
    return file.readline(_MAX_LINE)


def _in_range(url: str, digest: str) -> bool:
    """Ask for all that begin alike, padded, so that not even the length of the answer tells which they were."""
    address = f"{url.rstrip('/')}/{digest[:PREFIX]}"
    try:
        answer = exchange("GET", address, headers={"Add-Padding": "true"}, most=_MAX_ANSWER, patience=_PATIENCE)
    except Unanswered as error:
        raise BreachesAway(error.failure) from error
    if answer.status != _OK:
        raise BreachesAway(f"status_{answer.status}")
    wanted = digest[PREFIX:].encode()
    lines = (line.strip().partition(b":") for line in answer.body.splitlines())
    return any(suffix.upper() == wanted and count.strip().lstrip(b"0") for suffix, _colon, count in lines)
