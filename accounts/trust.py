"""How far a device is trusted, from 0 to 100: decided purely, by the rules that stand in docs/people.md."""

from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_TRUST = 100
_FROM_THE_START = 10
_AGES = (  # known for at least so long
    (timedelta(days=90), 40),
    (timedelta(days=30), 30),
    (timedelta(days=7), 20),
    (timedelta(days=1), 10),
)
_PROOFS = (  # a second factor was proved on it at most so long ago
    (timedelta(hours=12), 50),
    (timedelta(days=30), 40),
    (timedelta(days=180), 25),
)
_ONCE_PROVED = 10  # longer ago
_MOVES = (  # its address changed at most so long ago
    (timedelta(days=1), -15),
    (timedelta(days=7), -5),
)
_RESTLESS = -10  # more than one change a day, on average since it is known
_BETWEEN_MOVES = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the rules have to know of a device.

    Attributes:
        created_at: when it was recognised first, aware.
        last_used_at: when it was used last, as far as that is written down; no rule asks for it.
        second_factor_at: when a second factor was proved on it last; None for never.
        address_changed_at: when it came from another address last; None for never.
        address_changes: how often it did.
        operator_trust: an operator's word, in the place of the rules'; None where they said nothing.
        removed: whether it counts no more.
    """

    created_at: datetime
    last_used_at: datetime
    second_factor_at: datetime | None = None
    address_changed_at: datetime | None = None
    address_changes: int = 0
    operator_trust: int | None = None
    removed: bool = False


def trust_in(device: DeviceFacts, now: datetime) -> int:
    """How far a device is trusted at a moment: 0 for not at all, 100 at most.

    Arguments:
        now: aware.
    """
    if device.removed:
        return 0
    if device.operator_trust is not None:
        return device.operator_trust
    earned = _FROM_THE_START + _for_age(device, now) + _for_second_factor(device, now) + _for_moves(device, now)
    return min(max(earned, 0), MOST_TRUST)


def _for_age(device: DeviceFacts, now: datetime) -> int:
    known_for = now - device.created_at
    return next((points for age, points in _AGES if known_for >= age), 0)


def _for_second_factor(device: DeviceFacts, now: datetime) -> int:
    if device.second_factor_at is None:
        return 0
    since = now - device.second_factor_at
    return next((points for span, points in _PROOFS if since <= span), _ONCE_PROVED)


def _for_moves(device: DeviceFacts, now: datetime) -> int:
    if device.address_changed_at is None:
        return 0
    since = now - device.address_changed_at
    lately = next((points for span, points in _MOVES if since <= span), 0)
    restless = device.address_changes * _BETWEEN_MOVES > max(now - device.created_at, _BETWEEN_MOVES)
    return lately + (_RESTLESS if restless else 0)
