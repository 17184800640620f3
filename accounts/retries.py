"""When what was not taken is tried again: soon at first, then ever later, and never all at once."""

from datetime import timedelta

# From one attempt to the next.
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


def spread(pause: timedelta, *, chance: float) -> timedelta:
    """A pause a fifth shorter or longer, so that what failed together isn't tried again together.

    Arguments:
        chance: from 0 to 1.
    """
    return pause * (1 - _JITTER + 2 * _JITTER * chance)
