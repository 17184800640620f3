"""Whether every ring could sign or tag now, for the probes and the front page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from keys.algorithms import Purpose
from keys.errors import CustodianRefused, CustodianUnreachable, KeysError
from keys.selectors import rings
from keys.signer import RingName, signer


@dataclass(frozen=True, slots=True)
class RingReadiness:
    """Whether a ring can sign now.

    Attributes:
        detail: the name of what stands in the way.
        away: whether that is a custodian, of whom all workers ask alike: the others are no readier than this one.
    """

    realm: str
    purpose: str
    algorithm: str
    ready: bool
    detail: str
    away: bool = False


def readiness(now: datetime) -> Sequence[RingReadiness]:
    """For every ring that isn't retired, whether a worker could sign or tag with it at a moment.

    Arguments:
        now: the moment, aware.
    """
    return [_readiness(RingName(ring.realm_id, Purpose(ring.purpose), ring.algorithm, ring.bits), ring.realm.slug, now)
            for ring in rings() if ring.retired_at is None]  # fmt: skip


def _readiness(name: RingName, realm: str, now: datetime) -> RingReadiness:
    try:
        signer.proven_key(name, now)
    except KeysError as error:
        away = isinstance(error, CustodianUnreachable | CustodianRefused)
        return RingReadiness(realm, name.purpose, name.algorithm, ready=False, detail=type(error).__name__, away=away)
    return RingReadiness(realm, name.purpose, name.algorithm, ready=True, detail="")
