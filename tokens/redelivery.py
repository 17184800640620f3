"""What follows from an attempt to tell a client of a logout (OpenID Connect Back-Channel Logout §2.5, §2.8)."""

from dataclasses import dataclass
from datetime import timedelta

from accounts import retries
from tokens.vocabulary import LogoutFailure

# From one attempt to the next; after the last of them nobody waits any longer: about a day.
PAUSES = (*retries.PAUSES, timedelta(hours=4), timedelta(hours=8), timedelta(hours=8))
# A client that says no (§2.8: 400) seldom thinks better of it; but its clock may have been at fault.
_REFUSED = "400"
_PAUSES_AFTER_REFUSAL = 4
_DELIVERED = frozenset({"200", "204"})  # §2.8: some frameworks make 204 of an empty 200


@dataclass(frozen=True, slots=True)
class Delivered:
    """The client took it."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Not yet; the next attempt comes after `pause`."""

    pause: timedelta


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The client will not be told any more, unless an operator asks for it."""


Verdict = Delivered | TryAgain | GivenUp


def verdict(outcome: str, *, attempts: int, chance: float) -> Verdict:
    """What follows from an attempt.

    Arguments:
        outcome: the HTTP status, or a `LogoutFailure`.
        attempts: how many there were, this one included.
        chance: from 0 to 1, for `spread`.
    """
    if outcome in _DELIVERED:
        return Delivered()
    most = _PAUSES_AFTER_REFUSAL if outcome == _REFUSED else len(PAUSES)
    if attempts > most or outcome == LogoutFailure.NO_ADDRESS:
        return GivenUp()
    pause = PAUSES[max(attempts, 1) - 1]
    return TryAgain(retries.spread(pause, chance=chance))
