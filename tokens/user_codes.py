"""User codes: short, and hard to mistake for one another (RFC 8628 §6.1)."""

import secrets

# No vowels, so that no word comes about; letters alone, so that none looks like a digit or a letter beside it.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8  # 20^8 codes, 34.5 bits: what the limits on guesses rest on (§5.1)
MAX_TYPED = 64  # characters; whoever writes more writes no code
_GROUP = 4


def new_user_code() -> str:
    """A code that nobody can foresee: 8 letters, without the hyphen."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(code: str) -> str:
    """A code as people read it: `WDJB-MJHT`."""
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def read(typed: str) -> str | None:
    """The code that somebody typed, or None where it can't be one.

    Capitals don't matter, and whatever is no letter of the alphabet is passed over (§6.1). A letter of another
    script is none of ours, not even where its capital is.

    Arguments:
        typed: as it came, however hostile.
    """
    if len(typed) > MAX_TYPED:
        return None
    letters = "".join(character for character in typed if character.isascii()).upper()
    code = "".join(letter for letter in letters if letter in ALPHABET)
    return code if len(code) == LENGTH else None
