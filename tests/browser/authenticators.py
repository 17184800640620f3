"""What people prove more with: an authenticator app, and the browser's own virtual authenticator (WebAuthn §11)."""

import base64
import time

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.browser.person import Person

_STEP = 30  # seconds


class AuthenticatorApp:
    """An app that knows one key. Each code works once, so it shows one that is a step older or newer when asked.

    Arguments:
        key: as the page shows it.
    """

    def __init__(self, key: str) -> None:
        text = key.replace(" ", "").upper()
        secret = base64.b32decode(text + "=" * (-len(text) % 8))
        self._totp = TOTP(secret, 6, SHA1(), _STEP, enforce_key_length=False)  # noqa: S303 - RFC 6238's own

    def code(self, *, steps: int = 0) -> str:
        """What the app shows (RFC 6238).

        Arguments:
            steps: by how many its clock is ahead of ours.
        """
        return self._totp.generate(int(time.time()) + steps * _STEP).decode()


def give_passkeys(person: Person) -> None:
    """Let the person's browser make and use passkeys, without asking anybody for a finger."""
    session = person.page.context.new_cdp_session(person.page)
    session.send("WebAuthn.enable", {"enableUI": False})
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
