"""What a person's standard claims may look like (OpenID Connect Core §5.1, BCP 47, E.164)."""

import re
import unicodedata
from zoneinfo import available_timezones

from accounts.errors import ClaimRefused

MAX_NAME = 150
MAX_LOCALE = 35  # RFC 5646 §4.4.1
MAX_ZONEINFO = 64
MAX_PHONE_NUMBER = 16  # a plus sign and 15 digits
MAX_ADDRESS = 500
# Control characters, halves of surrogates, unassigned ones and line breaks. Formatting characters can
# turn a text round; only the two joiners, which some scripts are written with, are let through.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{1,14}")


def _is_plain(text: str) -> bool:
    return all(c in _JOINERS or unicodedata.category(c) not in _REFUSED_CATEGORIES for c in text)


def check_name(text: str) -> str:
    """A name that is shown, whole or in part; "" for none.

    Returns:
        The name as it was given.

    Raises:
        ClaimRefused: it is too long, or has characters that can't be seen.
    """
    if len(text) > MAX_NAME:
        raise ClaimRefused(f"A name has at most {MAX_NAME} characters.")
    if not _is_plain(text):
        raise ClaimRefused("A name has no line breaks and no control characters.")
    return text


def check_locale(text: str) -> str:
    """A language tag such as `pt-PT`; "" for none.

    Raises:
        ClaimRefused: it has not the form of a tag (RFC 5646 §2.1).
    """
    if text and (len(text) > MAX_LOCALE or not _LOCALE.fullmatch(text)):
        raise ClaimRefused("A locale is a language tag, such as pt-PT.")
    return text


def check_zoneinfo(text: str) -> str:
    """A time zone such as `Europe/Lisbon`; "" for none.

    Raises:
        ClaimRefused: the time zone database doesn't know it.
    """
    if text and text not in available_timezones():
        raise ClaimRefused("A time zone has a name of the IANA database, such as Europe/Lisbon.")
    return text


def check_phone_number(text: str) -> str:
    """A telephone number by E.164, the form that a verified one must have (OpenID Connect Core §5.1); "" for none.

    Raises:
        ClaimRefused: it has another form.
    """
    if text and not _PHONE_NUMBER.fullmatch(text):
        raise ClaimRefused("A telephone number has the form +351211234567: a plus sign and up to 15 digits.")
    return text


def check_address(text: str) -> str:
    """A postal address as it is written on an envelope (OpenID Connect Core §5.1.1, `formatted`); "" for none.

    Returns:
        The address as it was given; it may have several lines.

    Raises:
        ClaimRefused: it is too long, or has control characters other than line breaks.
    """
    if len(text) > MAX_ADDRESS:
        raise ClaimRefused(f"An address has at most {MAX_ADDRESS} characters.")
    if not _is_plain(text.replace("\r\n", "").replace("\n", "")):
        raise ClaimRefused("An address has no control characters but line breaks.")
    return text
