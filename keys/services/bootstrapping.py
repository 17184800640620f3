"""The rings that every realm starts with, each with its active key and its standby."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from keys.algorithms import Purpose
from keys.dead_keys_file import dead_keys_for_writing
from keys.models import KeyRing
from keys.selectors import keys_by_ring, rings
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Start:
    """A kind of ring that a realm starts with."""

    purpose: Purpose
    algorithm: str


_EVERY_REALM = (Start(Purpose.SIGN, "ES256"), Start(Purpose.MAC, "HMAC-SHA256"))
_EXPIRED_TOKENS = Start(Purpose.EXPIRED_TEST, "ES256")
_SLOW = Start(Purpose.SIGN, "RS256")  # the last one: the others don't wait for its keys


def missing_rings(there: Collection[tuple[str, str]], *, expired_tokens: bool) -> Iterator[Start]:
    """What a realm lacks of the rings that every realm has.

    Arguments:
        there: purpose and algorithm of each ring that it has.
        expired_tokens: with the ring that signs expired tokens for tests; its keys are never published.
    """
    for start in (*_EVERY_REALM, *((_EXPIRED_TOKENS,) if expired_tokens else ()), _SLOW):
        if (start.purpose, start.algorithm) not in there:
            yield start


def ensure_rings(realm: Realm, *, expired_tokens: bool, actor: str, now: datetime) -> None:
    """Add the rings that a realm lacks, without keys; what is there stays as it is.

    Arguments:
        realm: whose rings.
        expired_tokens: as in `missing_rings`.
        actor: who asks, an opaque id.
        now: aware time of the change.

    Raises:
        KeysError: a ring can't be added; the message says why.
    """
    there = {(ring.purpose, ring.algorithm) for ring in rings(realm=realm.slug)}
    for start in missing_rings(there, expired_tokens=expired_tokens):
        add_ring(realm=realm, algorithm=start.algorithm, purpose=start.purpose, actor=actor, now=now)


def ensure_keys(some: Iterable[KeyRing], *, actor: str, clock: Clock, say: Callable[[str], None]) -> None:
    """Make the first keys of rings that have none. Never call it in a transaction: RSA takes seconds.

    Arguments:
        some: rings with their realms.
        actor: who asks, an opaque id.
        clock: reads this machine's clock: it is asked for each ring, since an earlier one may have taken long.
        say: is told what is made.

    Raises:
        KeysError: a key can't be made; the message says why. Those of the rings before are there.
    """
    dead_keys_for_writing()  # makes the file, without which workers trust no key
    some = sorted(some, key=lambda ring: (ring.bits or 0, ring.pk))
    keys = keys_by_ring(some)
    for ring in some:
        if not keys[ring.pk]:
            say(f"Making the keys of ring {ring.realm.slug} {ring} …")
            rotate(ring, now=clock(), actor=actor)
