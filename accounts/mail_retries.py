"""When a mail that couldn't be handed over is tried again, and when nobody tries any more (RFC 5321 §4.5.4.1)."""

from datetime import datetime, timedelta

GIVEN_UP_AFTER = timedelta(days=1)  # longer than any link that is mailed for a sign-in lives
# From one attempt to the next; the last stands for all further ones.
PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
)
_JITTER = 0.2


def next_attempt(*, attempts: int, created_at: datetime, now: datetime, chance: float) -> datetime | None:
    """When to try again, or None where the mail is given up.

    Arguments:
        attempts: how many there were, at least one.
        created_at: when the mail was written.
        now: when the last attempt failed.
        chance: from 0 to 1; spreads the attempts, so that what failed together isn't tried again together.
    """
    if now >= created_at + GIVEN_UP_AFTER:
        return None
    pause = PAUSES[min(max(attempts, 1), len(PAUSES)) - 1]
    return now + pause * (1 - _JITTER + 2 * _JITTER * chance)
