"""What a worker keeps in memory to sign and to tag: a ring's timetable and its unsealed keys.

The timetable is read anew after a TTL of at most 5 s, so every worker changes key at the same moment
without a query, and one that is cut off from the database stops: it must not go on signing with a key
that was declared compromised.
"""

import hashlib
import hmac
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.db import InterfaceError, OperationalError

from keys.algorithms import Purpose, algorithm_named, private_from_bytes
from keys.conf import periods
from keys.dead_keys_file import dead_keys
from keys.errors import DeadKeysUnreadable, LifetimeTooLong, NoSigningKey
from keys.models import KeyPair
from keys.remote_calls import remote_calls
from keys.remote_keys import RemoteHalf, remote_half_of
from keys.selectors import living_keys, timetable_of, unsealed_private
from keys.timetable import signing_key

_AWAY = "The database can't be asked whether the signing key is still trusted."
# After a failure nobody asks again for this long: while the database hangs, requests would queue behind
# each other's time-outs before they get their 503.
_RETRY_SECONDS = 1.0

# An unsealed key, or the line to the custodian who keeps it.
PrivateHalf = PrivateKeyTypes | bytes | RemoteHalf


@dataclass(frozen=True, slots=True)
class RingName:
    """Which ring is meant; `bits` None takes the longest of several."""

    realm_id: int
    purpose: Purpose
    algorithm: str
    bits: int | None = None


@dataclass(slots=True)
class _Memory:
    keys: Sequence[KeyPair]
    read_at: float
    private: dict[UUID, PrivateHalf] = field(default_factory=dict)


class Signer:
    """The memory of one process; safe to use from many threads.

    Arguments:
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._memories: dict[RingName, _Memory] = {}
        self._failed_at: dict[RingName, float] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drop everything, so that the next use reads the database."""
        with self._lock:
            self._memories.clear()
            self._failed_at.clear()

    def signing_key(self, name: RingName, now: datetime) -> tuple[KeyPair, PrivateHalf]:
        """The row that signs at a moment, and its private half: unsealed, or with its custodian.

        Raises:
            NoSigningKey: none may sign, or the database can't be asked whether one still may.
            UnknownRing: the realm has no such ring.
            MissingMasterSecret, SealBroken: the key can't be unsealed.
            CustodianUnreachable, CustodianRefused, CustodianNotConfigured: nor by its custodian.
        """
        memory = self._fresh(name, now)
        key = _signing(memory.keys, now)
        if key is None:
            raise NoSigningKey(f"No key of the ring {name.purpose} {name.algorithm} may sign now.")
        return key, self._private(memory, key)

    def proven_key(self, name: RingName, now: datetime) -> KeyPair:
        """The row that signs at a moment, once it is known that its private half can be used.

        A custodian that keeps the key and hasn't signed with it within the TTL is asked for a signature.

        Raises:
            NoSigningKey, UnknownRing, MissingMasterSecret, SealBroken: as `signing_key`.
            CustodianUnreachable, CustodianRefused, CustodianNotConfigured: it doesn't sign.
        """
        key, private = self.signing_key(name, now)
        if isinstance(private, RemoteHalf):
            private.prove()
        return key

    def tag(self, name: RingName, kid: str, message: bytes, now: datetime) -> bytes | None:
        """The HMAC-SHA256 of a message under one key of a mac ring; None where the key isn't trusted.

        Raises:
            NoSigningKey, UnknownRing, MissingMasterSecret, SealBroken: as `signing_key`.
        """
        memory = self._fresh(name, now)
        for key in memory.keys:
            if hmac.compare_digest(key.kid, kid) and (key.unpublishes_at is None or now < key.unpublishes_at):
                private = self._private(memory, key)
                return hmac.digest(private, message, hashlib.sha256) if isinstance(private, bytes) else None
        return None

    def _fresh(self, name: RingName, now: datetime) -> _Memory:
        memory = self._memories.get(name)
        if memory is not None and self._is_fresh(memory):
            return memory
        with self._lock:
            memory = self._memories.get(name)
            if memory is None or not self._is_fresh(memory):
                memory = self._read(name, memory, now)
                self._memories[name] = memory
            return memory

    def _is_fresh(self, memory: _Memory) -> bool:
        return self._monotonic() - memory.read_at < periods().signer_ttl.total_seconds()

    def _read(self, name: RingName, before: _Memory | None, now: datetime) -> _Memory:
        read_at = self._monotonic()
        if read_at - self._failed_at.get(name, -math.inf) < _RETRY_SECONDS:
            raise NoSigningKey(_AWAY)
        try:
            dead = dead_keys()
            keys = living_keys(
                realm_id=name.realm_id,
                purpose=name.purpose,
                algorithm=name.algorithm,
                bits=name.bits,
                now=now,
            )
        except (OperationalError, InterfaceError) as error:
            self._memories.pop(name, None)
            self._failed_at[name] = self._monotonic()
            raise NoSigningKey(_AWAY) from error
        except DeadKeysUnreadable as error:
            raise NoSigningKey(str(error)) from error
        keys = [key for key in keys if dead.fate_of(key.kid, key.public_jwk) is None]
        known = before.private if before is not None else {}
        return _Memory(keys, read_at, {key.pk: known[key.pk] for key in keys if key.pk in known})

    def _private(self, memory: _Memory, key: KeyPair) -> PrivateHalf:
        """Unsealed when it is first needed, so that a standby stays sealed until it takes over.

        The lock is not held: a custodian may take its time.
        """
        private = memory.private.get(key.pk)
        if private is None:
            private = self._remote(key) if key.custodian_reference else _unsealed(key)
            memory.private[key.pk] = private
        return private

    def _remote(self, key: KeyPair) -> RemoteHalf:
        return remote_half_of(key, monotonic=self._monotonic)


def _unsealed(key: KeyPair) -> PrivateKeyTypes | bytes:
    blob = remote_calls.ask(key.custodian, lambda: unsealed_private(key), kid=key.kid)
    return private_from_bytes(algorithm_named(key.ring.algorithm), blob)


def _signing(keys: Sequence[KeyPair], now: datetime) -> KeyPair | None:
    if not keys:
        return None
    by_kid = {key.kid: key for key in keys}
    kid = signing_key([(key.kid, timetable_of(key)) for key in keys], now, skew=keys[0].ring.clock_skew)
    return by_kid[kid] if kid is not None else None


def check_lifetime(key: KeyPair, *, expires_at: datetime, now: datetime) -> None:
    """Refuse what would be valid for longer than the key that vouches for it stays published.

    Arguments:
        key: the key; its ring comes with it.
        expires_at: when the token or handle ends.
        now: when it is made.

    Raises:
        LifetimeTooLong: it is past the key's own `max_lifetime`, or past its publication.
    """
    if expires_at - now > key.max_lifetime:
        raise LifetimeTooLong(
            f"A life of {expires_at - now} is longer than the {key.max_lifetime} for which the key {key.kid} may "
            f"sign: raise the ring's longest token lifetime, then run rotate_keys."
        )
    if key.unpublishes_at is not None and expires_at > key.unpublishes_at - key.ring.clock_skew:
        raise LifetimeTooLong(f"The key {key.kid} leaves the JWKS before that token would expire.")


signer = Signer()
