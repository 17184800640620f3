"""Proof Key for Code Exchange, S256 alone (RFC 7636, RFC 9700 §2.1.1)."""

import base64
import hashlib
import re

from tokens.errors import InvalidGrant, InvalidRequest

METHODS = ("S256",)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)  # base64url of a SHA-256
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


def check_challenge(challenge: str, method: str) -> None:
    """Refuse a challenge that no verifier could ever meet, and every method but S256.

    Arguments:
        challenge: the `code_challenge`.
        method: the `code_challenge_method`; left out it would mean `plain`, which is refused.

    Raises:
        InvalidRequest: another method, or no base64url of 32 bytes (RFC 7636 §4.4.1).
    """
    if method not in METHODS:
        raise InvalidRequest("The code_challenge_method must be S256.")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("The code_challenge is not the base64url of a SHA-256.")


def challenge_of(verifier: str) -> str:
    """The challenge that a verifier answers (§4.2); "" where none was sent.

    The database compares it with the grant's: a challenge is a hash and no secret, so there is nothing that
    the time of a comparison could give away.

    Arguments:
        verifier: the `code_verifier`; "" where none was sent. A challenge without a verifier, and a verifier
            without a challenge, never agree (RFC 9700 §4.8.2).

    Raises:
        InvalidGrant: it has another form than a verifier (§4.1).
    """
    if not verifier:
        return ""
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidGrant(detail="code_verifier")
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
