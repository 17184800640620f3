"""Reading the limits on attempts that are in force."""

from dataclasses import dataclass
from datetime import datetime

from accounts.buckets import Limit, Whose, buckets_of
from accounts.budget import attempts_left, retry_after
from accounts.models import AttemptBudget


@dataclass(frozen=True, slots=True)
class LimitState:
    """Where a limit stands for somebody.

    Attributes:
        limit: which.
        left: how many attempts there are now.
        next_at: when there is one more; None where none was used.
        full_at: when all are back; None likewise.
    """

    limit: Limit
    left: int
    next_at: datetime | None
    full_at: datetime | None

    @property
    def reached(self) -> bool:
        """Whether the next attempt is refused."""
        return self.left == 0


def limits_on(whose: Whose, *, now: datetime) -> list[LimitState]:
    """Every limit that counts somebody's attempts, in the order of `LIMITS`. One query.

    Arguments:
        whose: as much as is known.
        now: aware.
    """
    buckets = buckets_of(whose)
    rows = AttemptBudget.objects.filter(key__in=list(buckets)).values_list("key", "full_at")
    used = {bytes(key): full_at for key, full_at in rows if full_at > now}
    return [_state(limit, used.get(key), now) for key, limit in buckets.items()]


def _state(limit: Limit, full_at: datetime | None, now: datetime) -> LimitState:
    left = attempts_left(limit.budget, full_at, now)
    if full_at is None:
        return LimitState(limit, left, None, None)
    until_next = (full_at - now) % limit.budget.interval if left else retry_after(limit.budget, full_at, now)
    return LimitState(limit, left, now + until_next, full_at)
