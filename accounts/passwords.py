"""What may be a password, before any list is asked (NIST SP 800-63B-4 §3.1.1.2; RFC 8265 §4)."""

import unicodedata
from collections.abc import Iterable

MIN_LENGTH = 15  # code points: what a password needs that is the only factor
MAX_BYTES = 1_024  # of UTF-8; far above the 64 characters that have to be allowed, and below what hashing minds
_LEFT_BESIDE_CONTEXT = 8  # code points that have to be left once the words of its context are taken out
_SHORTEST_WORD = 4
_SHORTEST_UNIT = 5
# Control characters, halves of pairs, and what no version of Unicode that we know has assigned: their normal form
# may become another one, and then nobody could sign in with them any more.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Cn"})


def prepared(text: str) -> str:
    """The form of a password that is hashed, whatever keyboard wrote it: NFKC (Unicode §3.11).

    Arguments:
        text: as typed; spaces count.
    """
    return unicodedata.normalize("NFKC", text)


def may_be_a_password(text: str) -> bool:
    """Whether a password can be hashed at all: it isn't too long, and has a normal form that stays."""
    if len(text) > MAX_BYTES or any(unicodedata.category(sign) in _REFUSED_CATEGORIES for sign in text):
        return False
    return max(len(form.encode()) for form in (text, prepared(text))) <= MAX_BYTES


def unit_of(text: str) -> str:
    """What a text repeats: `abc` of `abcabcab`; the text itself where it repeats nothing.

    By the longest end that is a beginning too (Knuth, Morris and Pratt), so the time grows with the length alone.
    """
    borders = [0] * len(text)
    for index in range(1, len(text)):
        border = borders[index - 1]
        while border and text[index] != text[border]:
            border = borders[border - 1]
        borders[index] = border + (text[index] == text[border])
    return text[: len(text) - borders[-1]] if text else ""


def repeats_little(text: str) -> bool:
    """Whether a password is a few characters over and over."""
    return len(unit_of(text)) < _SHORTEST_UNIT


def little_more_than(text: str, words: Iterable[str]) -> bool:
    """Whether little is left of a password without the words that stand around it.

    Arguments:
        text: the password.
        words: such as the realm's name, the user name and the address; short ones are passed over.
    """
    whole = rest = prepared(text).casefold()
    known = {part for word in words for part in _parts(word)}
    for word in sorted(known, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != whole and len(rest) < _LEFT_BESIDE_CONTEXT


def _parts(words: str) -> Iterable[str]:
    """The whole, the whole without what stands between its parts, and each part."""
    folded = prepared(words).casefold()
    parts = "".join(sign if sign.isalnum() else " " for sign in folded).split()
    return (part for part in (folded, "".join(parts), *parts) if len(part) >= _SHORTEST_WORD)
