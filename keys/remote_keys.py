"""Private halves that a custodian keeps: they sign there, and every signature is held against the public key here."""

import math
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from keys.conf import periods
from keys.custodians import RemoteKey, custodian_named
from keys.errors import CustodianRefused
from keys.jose import SignsElsewhere, is_signature
from keys.jwk import to_public_key
from keys.models import KeyPair
from keys.remote_calls import RemoteCalls, remote_calls

# No token's signing input begins like this, so a signature over it is worth nothing to anybody.
_PROBE = b"\0signet probe\0"


class RemoteHalf(SignsElsewhere):
    """The private half of one key, as far as this provider has it.

    Arguments:
        kid: the key's id, for the log.
        custodian: the name of who keeps it.
        reference: how the custodian finds it.
        algorithm: the `alg` of its row.
        public_key: what its signatures are held against.
        calls: the process's lines to custodians.
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        *,
        kid: str,
        custodian: str,
        reference: str,
        algorithm: str,
        public_key: PublicKeyTypes,
        calls: RemoteCalls = remote_calls,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kid, self._custodian, self._reference = kid, custodian, reference
        self._algorithm, self._public_key = algorithm, public_key
        self._calls, self._monotonic = calls, monotonic
        self._signed_at = -math.inf

    def signature(self, message: bytes) -> bytes:
        """The custodian's signature over a message, in the form of a JWS; one remote call.

        Raises:
            CustodianUnreachable, CustodianNotConfigured: as the custodian says.
            CustodianRefused: it refuses, or what it answers is no signature of this key.
        """
        found = self._calls.ask(self._custodian, lambda: self._signed(message), kid=self._kid)
        self._signed_at = self._monotonic()
        return found

    def prove(self) -> None:
        """Make sure that the custodian signs with this key: by what it did within the signer's TTL, or by asking.

        Raises:
            CustodianUnreachable, CustodianNotConfigured, CustodianRefused: as `signature`.
        """
        if self._monotonic() - self._signed_at >= periods().signer_ttl.total_seconds():
            self.signature(_PROBE)

    def _signed(self, message: bytes) -> bytes:
        found = custodian_named(self._custodian).sign(message, reference=self._reference, algorithm=self._algorithm)
        if not is_signature(found, message=message, key=self._public_key, algorithm=self._algorithm):
            self._signed_at = -math.inf
            raise CustodianRefused(
                f"What the custodian {self._custodian!r} answered is no signature of the key {self._kid}: is its "
                f"reference that of another key?"
            )
        return found


def remote_half_of(key: KeyPair, *, monotonic: Callable[[], float] = time.monotonic) -> RemoteHalf:
    """The private half of a stored key that a custodian keeps; the row comes with its ring."""
    return RemoteHalf(
        kid=key.kid,
        custodian=key.custodian,
        reference=key.custodian_reference,
        algorithm=key.ring.algorithm,
        public_key=to_public_key(key.public_jwk or {}),
        monotonic=monotonic,
    )


def try_made_key(made: RemoteKey, *, kid: str, custodian: str, algorithm: str) -> None:
    """Have a custodian sign with a key that it just made, before anybody is told to trust that key.

    Raises:
        CustodianUnreachable, CustodianNotConfigured: as the custodian says.
        CustodianRefused: it refuses, or the signature is not that key's.
    """
    RemoteHalf(
        kid=kid, custodian=custodian, reference=made.reference, algorithm=algorithm, public_key=made.public_key
    ).signature(_PROBE)
