"""The rings that every realm starts with, each with its active key and its standby."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from keys.algorithms import Purpose
from keys.models import KeyRing
from keys.selectors import keys_of
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm


@dataclass(frozen=True, slots=True)
class _Start:
    purpose: Purpose
    algorithm: str


_EVERY_REALM = (_Start(Purpose.SIGN, "ES256"), _Start(Purpose.MAC, "HMAC-SHA256"))
_EXPIRED_TOKENS = _Start(Purpose.EXPIRED_TEST, "ES256")
_SLOW = _Start(Purpose.SIGN, "RS256")  # the last one: while its keys are made, `now` grows old


def ensure_rings(realm: Realm, *, expired_tokens: bool, actor: str, now: datetime, say: Callable[[str], None]) -> None:
    """Make the rings and first keys that a realm lacks; what is there stays as it is.

    Arguments:
        realm: whose rings.
        expired_tokens: with the ring that signs expired tokens for tests; its keys are never published.
        actor: who asks, an opaque id.
        now: this machine's time, aware.
        say: is told what is made, since an RSA key takes seconds.

    Raises:
        KeysError: a ring or a key can't be made; the message says why.
    """
    for start in (*_EVERY_REALM, *((_EXPIRED_TOKENS,) if expired_tokens else ()), _SLOW):
        existing = KeyRing.objects.filter(realm=realm, purpose=start.purpose, algorithm=start.algorithm).first()
        ring = existing or add_ring(
            realm=realm,
            algorithm=start.algorithm,
            purpose=start.purpose,
            actor=actor,
            now=now,
        )
        if not keys_of(ring.pk):
            say(f"Making the keys of ring {realm.slug} {ring} …")
            rotate(ring, now=now, actor=actor)
