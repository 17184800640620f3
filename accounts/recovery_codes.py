"""Recovery codes: look-up secrets for the day on which the other factor is lost (NIST SP 800-63B §5.1.2)."""

import hashlib
import secrets

# Crockford's base32: no letter in it looks like a digit, nor U like V.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 16  # of 5 bits each: 80 bits, which nobody guesses, neither here nor with a copy of the digests
COUNT = 10
MAX_TYPED = 64  # characters; whoever writes more writes no code
_GROUP = 4
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None})


def new_codes() -> tuple[str, ...]:
    """Ten different codes that nobody can foresee, in normal form."""
    found: dict[str, None] = {}
    while len(found) < COUNT:
        found["".join(secrets.choice(ALPHABET) for _ in range(LENGTH))] = None
    return tuple(found)


def shown(code: str) -> str:
    """A code as people read it: `7XKD-2M9P-V3QA-0HTE`."""
    return "-".join(code[at : at + _GROUP] for at in range(0, LENGTH, _GROUP))


def read(typed: str) -> str | None:
    """The code that somebody typed, in normal form, or None where it can't be one.

    Capitals, hyphens and spaces don't matter, and O, I and L are read as the digits that they look like.

    Arguments:
        typed: as it came, however hostile.
    """
    if len(typed) > MAX_TYPED or not typed.replace("\N{NO-BREAK SPACE}", " ").isascii():
        return None
    code = "".join(typed.split()).upper().translate(_READ_AS)
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None


def digest_of(code: str, *, subject: str) -> bytes:
    """What is kept of a code: 32 bytes.

    The person is in it, so that nobody who has the whole table tries one guess against everybody's at once.

    Arguments:
        code: in normal form.
        subject: whose it is.
    """
    return hashlib.sha256(f"signet recovery code\0{subject}\0{code}".encode("ascii")).digest()
