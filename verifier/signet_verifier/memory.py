"""Tokens whose signature was verified before, a bounded number of them."""

import threading
from dataclasses import dataclass
from hashlib import sha256

from signet_verifier.claims import Claims


@dataclass(frozen=True, slots=True)
class Verified:
    """What a signature vouched for, and which key's it was.

    Attributes:
        kid: of the token.
        fingerprint: of the key and its algorithm; a set that has another under this kid vouches for nothing.
        claims: of the token.
    """

    kid: str
    fingerprint: bytes
    claims: Claims


class Memory:
    """Remembers, under a hash of the whole token, what was verified; the oldest goes first.

    It saves the mathematics alone: that the key is still published, and every date, issuer and audience, is for
    the caller to check at each use. Only good tokens come in, so nobody without one can push others out.

    Arguments:
        most: how many are remembered; 0 for none.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[bytes, Verified] = {}
        self._lock = threading.Lock()

    def recall(self, token: str) -> Verified | None:
        """What is known of exactly this token."""
        return self._known.get(_digest(token)) if self._known else None

    def remember(self, token: str, verified: Verified) -> None:
        """Keep what was verified just now."""
        if not self._most:
            return
        with self._lock:
            self._known[_digest(token)] = verified
            while len(self._known) > self._most:
                del self._known[next(iter(self._known))]


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
