"""The history of a realm's public keys as a signed document: which were used when, and what became of them.

A JWS of a kind of its own, signed by the realm's active key and kept in a worker's memory for a minute. A realm has
a key a quarter for each of its few rings, so the whole history is some hundred keys after decades: it isn't paged.
"""

import contextlib
import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError

from keys import api
from keys.errors import HistoryUnavailable, KeysError, NoSigningKey
from keys.jwk import thumbprint_uri
from keys.models import KeyPair
from keys.selectors import public_keys_ever, signing_rings, timetable_of
from keys.timetable import state_at
from realms.errors import UnknownRealm
from realms.models import Realm
from realms.selectors import realm_by_slug

TYPE = "jwks-history+jwt"
MEMORY = timedelta(minutes=1)  # for so long a compromise may not stand in it yet
_WINDOW = timedelta(minutes=5)
_LIFETIME = timedelta(hours=1)
_PREFERRED = "ES256"


@dataclass(frozen=True, slots=True)
class SignedHistory:
    """The compact JWS, and a weak ETag: signatures differ from worker to worker, what they say doesn't."""

    body: bytes
    etag: str


class Histories:
    """The memory of one process; safe to use from many threads.

    Arguments:
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._memories: dict[str, tuple[float, SignedHistory]] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drop everything, so that the next use reads the database."""
        with self._lock:
            self._memories.clear()

    def at(self, slug: str, now: datetime) -> SignedHistory:
        """The history of a realm's keys at a moment.

        Raises:
            UnknownRealm: there is no such realm.
            HistoryUnavailable: the database can't be read, or nothing may sign.
        """
        with self._lock:
            read_at, found = self._memories.get(slug, (-math.inf, None))
        if found is None or self._monotonic() - read_at >= MEMORY.total_seconds():
            # No lock is held: a custodian that hangs would have every thread wait here, for other realms too.
            read_at, found = self._monotonic(), _made(slug, now)
            with self._lock:
                self._memories[slug] = (read_at, found)
        return found


def _made(slug: str, now: datetime) -> SignedHistory:
    try:
        realm = realm_by_slug(slug)
        if realm is None:
            raise UnknownRealm(f"There is no realm {slug!r}.")
        keys = public_keys_ever(realm, now)
        return _signed(realm, keys, now)
    except (OperationalError, InterfaceError) as error:
        raise HistoryUnavailable("The history of the keys can't be read.") from error
    except KeysError as error:
        raise HistoryUnavailable("The history of the keys can't be signed.") from error


def _signed(realm: Realm, keys: Sequence[KeyPair], now: datetime) -> SignedHistory:
    """Signed by the first ring that can: after a compromise of all keys of one, another still tells of it."""
    offered = sorted(api.ring_algorithms(realm), key=lambda name: (name != _PREFERRED, name))
    for algorithm in offered:
        with contextlib.suppress(NoSigningKey):
            return _signed_with(algorithm, realm, keys, now)
    raise HistoryUnavailable("The realm has no ring that signs.")


def _signed_with(algorithm: str, realm: Realm, keys: Sequence[KeyPair], now: datetime) -> SignedHistory:
    lifetime = min(_LIFETIME, *(ring.max_token_lifetime for ring in signing_rings(realm, algorithm)))
    # All workers begin anew at the same moments, so that the same says the same.
    issued_at = int(now.timestamp()) // int(_WINDOW.total_seconds()) * int(_WINDOW.total_seconds())
    claims = {
        "iss": realm.issuer,
        "iat": issued_at,
        "exp": issued_at + int(lifetime.total_seconds()),
        "keys": [_told(key, now) for key in keys],
    }
    canonical = json.dumps(claims, sort_keys=True, separators=(",", ":")).encode("ascii")
    signed = api.sign_jwt(claims, realm=realm, typ=TYPE, algorithm=algorithm, now=now)
    return SignedHistory(signed.token.encode("ascii"), f'W/"{hashlib.sha256(canonical).hexdigest()[:32]}"')


def _told(key: KeyPair, now: datetime) -> dict[str, Any]:
    """One key: its public half, what names it, and its timetable; what is not decided is left out."""
    moments = {
        "published_at": key.published_at,
        "activates_at": key.activates_at,
        "deactivates_at": key.deactivates_at,
        "unpublishes_at": key.unpublishes_at,
        "compromised_at": key.compromised_at,
        "withdrawn_at": key.withdrawn_at,
    }
    public_jwk = key.public_jwk or {}
    return {
        "kid": key.kid,
        "alg": key.ring.algorithm,
        "jwk": public_jwk,
        "thumbprint": thumbprint_uri(public_jwk),
        "status": state_at(timetable_of(key), now).value,
        **{name: int(moment.timestamp()) for name, moment in moments.items() if moment is not None},
    }


histories = Histories()
