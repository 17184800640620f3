"""The challenges that a browser holds for passkeys (Web Authentication Level 3 §13.4.3), in its cookie's session.

One a realm and purpose: the latest. That it is answered once is up to `accounts/services/attempts.py::spend_challenge`,
which several at once ask as well: each would find the challenge in the session still.
"""

import secrets
from base64 import b64decode, b64encode
from datetime import datetime
from enum import StrEnum

from django.http import HttpRequest

from accounts.passkeys import CHALLENGE_BYTES, CHALLENGE_LIFETIME
from realms.models import Realm

_CEREMONIES = "signet.ceremonies"  # {realm slug and purpose: [challenge, its end, whose it is]}
_Held = tuple[str, float, str]  # JSON makes a list of it


class Purpose(StrEnum):
    """What a challenge is for; an answer to another one's is none."""

    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    ADD = "add"


def begin_ceremony(
    request: HttpRequest, purpose: Purpose, *, realm: Realm | None, subject: str, now: datetime
) -> bytes:
    """A new challenge, which takes the place of the one that the browser held for the same.

    Arguments:
        purpose: what it is for.
        realm: whose page it is; None for the operators' admin.
        subject: of the person who is to answer; "" where nobody knows yet.
        now: aware time.
    """
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    until = (now + CHALLENGE_LIFETIME).timestamp()
    held = (b64encode(challenge).decode(), until, subject)
    request.session[_CEREMONIES] = {**_ceremonies(request), _key(purpose, realm): held}
    return challenge


def held_challenge(
    request: HttpRequest, purpose: Purpose, *, realm: Realm | None, subject: str, now: datetime
) -> bytes | None:
    """The challenge that the browser holds. It stays where it is: whether it was answered before isn't known here.

    Arguments are those of `begin_ceremony`.

    Returns:
        None where there is none, or it has ended, or it was somebody else's.
    """
    held = _ceremonies(request).get(_key(purpose, realm))
    if held is None:
        return None
    challenge, until, whose = held
    return b64decode(challenge) if until > now.timestamp() and whose == subject else None


def _key(purpose: Purpose, realm: Realm | None) -> str:
    return f"{purpose} {realm.slug if realm else ''}"


def _ceremonies(request: HttpRequest) -> dict[str, _Held]:
    found: dict[str, _Held] = request.session.get(_CEREMONIES, {})
    return found
