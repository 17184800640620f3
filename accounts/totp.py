"""Time-based one-time passwords (RFC 6238): six digits that an authenticator app shows for half a minute.

SHA-1, 30 seconds and 6 digits are what every app takes for granted; some pass over whatever else one asks for.
HMAC doesn't rest on what is broken in SHA-1 (RFC 6194 §3.3).
"""

import base64
import hmac
import re
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP = 30  # seconds
DIGITS = 6
SEED_BYTES = 20  # as long as what the HMAC puts out (RFC 4226 §4, R6)
DRIFT = 1  # steps by which the app's clock may be off, either way (RFC 6238 §5.2)
MAX_TYPED = 64  # characters; whoever writes more writes no code
_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")
_GROUP = 4
_MAX_LABEL = 60  # characters of a name in the picture, which has to stay coarse


def new_seed() -> bytes:
    """A seed that nobody can foresee: 160 random bits."""
    return secrets.token_bytes(SEED_BYTES)


def step_at(now: datetime) -> int:
    """Which step of 30 seconds a moment lies in (RFC 6238 §4.2).

    Arguments:
        now: aware.
    """
    return int(now.timestamp()) // STEP


def code_at(seed: bytes, step: int) -> str:
    """The code of a step, with its leading noughts (RFC 6238 §4.2).

    Arguments:
        seed: what the app and this provider share.
        step: not negative.
    """
    return TOTP(seed, DIGITS, SHA1(), STEP).generate(step * STEP).decode("ascii")  # noqa: S303  (see above)


def read(typed: str) -> str | None:
    """The code that somebody typed, or None where it can't be one.

    Apps show a space in the middle, and people copy it. Digits of other scripts are none of ours.

    Arguments:
        typed: as it came, however hostile.
    """
    if len(typed) > MAX_TYPED:
        return None
    code = "".join(typed.split())
    return code if _CODE.fullmatch(code) else None


def matching_step(seed: bytes, code: str, *, now: datetime) -> int | None:
    """The step that a code belongs to: the present one, or one beside it; the latest where it fits several.

    Every step is computed and compared in constant time, so that the time tells nothing.

    Arguments:
        code: six digits.
        now: aware.
    """
    present, found = step_at(now), None
    for step in range(present - DRIFT, present + DRIFT + 1):
        if hmac.compare_digest(code_at(seed, step), code):
            found = step
    return found


def key_text(seed: bytes) -> str:
    """The seed as people type it into an app that can't see the picture: base32 in groups of four."""
    text = base64.b32encode(seed).decode("ascii").rstrip("=")
    return " ".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def key_uri(seed: bytes, *, issuer: str, account: str) -> str:
    """The address that an authenticator app reads from the picture (`otpauth:`, as all apps know it).

    Arguments:
        issuer: whose code it is, as the app shows it.
        account: who it is for, as the app shows it.
    """
    whose, who = (_label(text) for text in (issuer, account))
    query = urlencode({"secret": key_text(seed).replace(" ", ""), "issuer": whose}, quote_via=quote)
    return f"otpauth://totp/{quote(whose, safe='')}:{quote(who, safe='')}?{query}"


def _label(text: str) -> str:
    """A name that can't be taken for two: the colon parts issuer and account."""
    return text.replace(":", " ")[:_MAX_LABEL]
