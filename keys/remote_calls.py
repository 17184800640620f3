"""Calls to custodians out of a request: bounded, so that one that hangs doesn't take every thread of a worker.

A custodian that didn't answer is left alone for a second; after that one thread asks it again, and the
others are told at once that it is away until that one got an answer. And while somebody has waited for an
answer for a second, nobody else begins to wait. In that second two threads wait for an answer at most: the
smallest worker has three, and the others are for the JWKS and for other rings.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from keys.errors import CustodianNotConfigured, CustodianRefused, CustodianUnreachable

Answer = TypeVar("Answer")
logger = logging.getLogger("signet.keys")

RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
MOST_AT_ONCE = 2
TURN_SECONDS = 0.25  # for so long one more call waits for its turn


@dataclass(slots=True)
class _Line:
    """What is known of one custodian; `waiting` holds since when each call under way waits."""

    answered_at: float = -math.inf
    failed_at: float | None = None
    waiting: dict[object, float] = field(default_factory=dict)

    def is_open(self, moment: float) -> bool:
        if self.failed_at is not None and (moment - self.failed_at < RETRY_SECONDS or self.waiting):
            return False
        longest = min(self.waiting.values(), default=moment)
        return moment - longest < PATIENCE_SECONDS or self.answered_at >= longest


class RemoteCalls:
    """The lines of one process to its custodians; safe to use from many threads.

    Arguments:
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()
        self._turn = threading.Condition(self._lock)

    def forget(self) -> None:
        """Forget every failure, so that the next call is made."""
        with self._lock:
            self._lines.clear()

    def ask(self, custodian: str, call: Callable[[], Answer], *, kid: str) -> Answer:
        """Make a call to a custodian, unless it is known not to answer. No lock is held meanwhile.

        Arguments:
            custodian: its name.
            call: what to ask of it.
            kid: for which key, for the log.

        Raises:
            CustodianUnreachable: it doesn't answer, or didn't a moment ago.
            CustodianRefused, CustodianNotConfigured, SealBroken: as the call.
        """
        ticket = object()
        line = self._enter(custodian, ticket)
        answered = True
        try:
            return call()
        except CustodianUnreachable as error:
            answered = False
            logger.error("custodian.unreachable custodian=%s kid=%s cause=%s", custodian, kid, error)  # noqa: TRY400
            raise
        except (CustodianRefused, CustodianNotConfigured) as error:
            logger.error(  # noqa: TRY400
                "custodian.refused custodian=%s kid=%s error=%s cause=%s", custodian, kid, type(error).__name__, error
            )
            raise
        finally:
            self._leave(line, ticket, answered=answered)

    def _enter(self, custodian: str, ticket: object) -> _Line:
        with self._turn:
            line = self._lines.setdefault(custodian, _Line())
            self._turn.wait_for(lambda: len(line.waiting) < MOST_AT_ONCE or self._is_closed(line), TURN_SECONDS)
            if self._is_closed(line):
                raise CustodianUnreachable(f"The custodian {custodian!r} doesn't answer at the moment.")
            if len(line.waiting) >= MOST_AT_ONCE:
                raise CustodianUnreachable(f"The custodian {custodian!r} is busy: {MOST_AT_ONCE} calls wait for it.")
            line.waiting[ticket] = self._monotonic()
            return line

    def _is_closed(self, line: _Line) -> bool:
        return not line.is_open(self._monotonic())

    def _leave(self, line: _Line, ticket: object, *, answered: bool) -> None:
        with self._turn:
            line.waiting.pop(ticket, None)
            if answered:
                line.answered_at, line.failed_at = self._monotonic(), None
            else:
                line.failed_at = self._monotonic()
            self._turn.notify_all()


remote_calls = RemoteCalls()
