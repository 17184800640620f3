"""When a mail that couldn't be handed over is tried again, and when nobody tries any more (RFC 5321 §4.5.4.1)."""

from datetime import datetime, timedelta

from accounts.retries import PAUSES, spread

GIVEN_UP_AFTER = timedelta(days=1)  # longer than any link that is mailed for a sign-in lives


def next_attempt(*, attempts: int, created_at: datetime, now: datetime, chance: float) -> datetime | None:
    """When to try again, or None where the mail is given up.

    Arguments:
        attempts: how many there were, at least one.
        created_at: when the mail was written.
        now: when the last attempt failed.
        chance: from 0 to 1, for `spread`.
    """
    if now >= created_at + GIVEN_UP_AFTER:
        return None
    pause = PAUSES[min(max(attempts, 1), len(PAUSES)) - 1]
    return now + spread(pause, chance=chance)
