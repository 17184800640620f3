"""The canonical form by which names and addresses are compared (Unicode §3.13.5: NFKC and case folding)."""

import re
import unicodedata

from accounts.errors import NameRefused

MAX_USERNAME = 150
MAX_EMAIL = 254
MAX_ROLES_TEXT = 128  # all roles of a membership travel in every access token, which stays below 1 KB
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Letters and marks that nobody sees either (Unicode DerivedCoreProperties, Default_Ignorable_Code_Point), and the
# blank Braille pattern.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_UNREADABLE = "\ufffd"  # in the place of bytes that are no text
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
# An addr-spec by RFC 5322 §3.4.1, which OpenID Connect Core §5.1 wants `email` to be; without quotes and comments.
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")


def canonical(text: str) -> str:
    """The form by which a name or an address is compared.

    `Ana`, `ana` and full-width `ａｎａ` are one. Folding can undo a normalisation, so it is made again
    behind it.

    Arguments:
        text: anything; nothing is refused here, since a name that nobody has is simply not found.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


def check_username(text: str) -> str:
    """A user name that a new person may have.

    Returns:
        The name as it was given.

    Raises:
        NameRefused: it is empty, too long, or has white space, invisible or control characters, with
            which two names could look the same.
    """
    if not text or len(text) > MAX_USERNAME or len(canonical(text)) > MAX_USERNAME:
        raise NameRefused(f"A user name has 1 to {MAX_USERNAME} characters.")
    if (
        _UNREADABLE in text
        or _UNSEEN.search(text)
        or any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in text)
    ):
        raise NameRefused("A user name has no white space and no invisible characters.")
    return text


def check_own_username(text: str) -> str:
    """A user name that somebody may choose for themselves: one that can't be read as an address.

    Raises:
        NameRefused: it has an @ in it, or something that folds to one, or nobody may have it.
    """
    if "@" in canonical(check_username(text)):
        raise NameRefused("A user name has no @: people sign in with their address as well.")
    return text


def check_email(text: str) -> str:
    """An email address that a person may have, or "".

    Raises:
        NameRefused: it is too long or has not the form of an address.
    """
    if not text:
        return ""
    if len(text) > MAX_EMAIL or not _EMAIL.fullmatch(text):
        raise NameRefused("An email address has the form name@host, in ASCII.")
    return text


def check_roles(roles: list[str]) -> list[str]:
    """The roles of a membership, sorted, each once.

    Raises:
        NameRefused: a role has another form, or all together are too long for a token.
    """
    for role in roles:
        if not _ROLE.fullmatch(role):
            raise NameRefused(f"A role has 1 to 64 of the characters A-Z a-z 0-9 . _ : / -, unlike {role!r}.")
    found = sorted(set(roles))
    if len(" ".join(found)) > MAX_ROLES_TEXT:
        raise NameRefused(f"The roles of a membership have at most {MAX_ROLES_TEXT} characters together.")
    return found
