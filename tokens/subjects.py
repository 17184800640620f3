"""Subjects: what a client gets to know a person by (OpenID Connect Core §8)."""

import base64
import hashlib
import hmac


def pairwise(subject: str, *, sector: str, salt: bytes) -> str:
    """What the clients of a sector know a person by; from it nobody learns what others do (§8.1).

    Arguments:
        subject: the person's own, which never changes; or the own `sid` of a session.
        sector: the sector identifier, a host.
        salt: the realm's, which never changes.

    Returns:
        43 characters; always the same for the same arguments.
    """
    digest = hmac.new(salt, f"{sector}\0{subject}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
