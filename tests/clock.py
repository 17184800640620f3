"""A clock for tests, which only moves when it is told to: nothing in the suite sleeps."""

from datetime import datetime, timedelta


class FakeClock:
    """Wall clock and monotonic clock in one; call it for the time."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._start = start

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return (self.now - self._start).total_seconds()

    def advance(self, length: timedelta) -> datetime:
        """Move on, and say what the time is then."""
        self.now += length
        return self.now
