"""Delivers logouts soon after the commit: one thread a process, which ends when nothing waits.

A request only wakes it: no client is waited for there, and none can make a sign-out fail.
"""

import logging
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.utils import timezone

from tokens.selectors import next_logout_attempt
from tokens.services.logout_delivery import deliver_due

logger = logging.getLogger("signet.logout")

_SHORTEST, _LONGEST = timedelta(seconds=0.5), timedelta(minutes=1)  # between two looks
_AFTER_AN_OUTAGE = timedelta(seconds=30)
_ROUND = timedelta(seconds=15)  # then it looks for what came meanwhile, however much is left


class Courier:
    """A thread that makes rounds for as long as there is something to do.

    Arguments:
        rounds: makes one round and says how long to wait for the next; None for the end.
    """

    def __init__(self, rounds: Callable[[], timedelta | None]) -> None:
        self._rounds = rounds
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def forget(self) -> None:
        """In a process that was forked: threads stay behind in the parent, and locks may be held for ever."""
        self._begin()

    def wake(self) -> None:
        """Have a round made at once. Costs its caller nothing and waits for nobody."""
        with self._lock:
            self._woken.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="signet-courier", daemon=True)
                self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end, and say whether it came."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        while True:
            self._woken.clear()
            pause = self._rounds()
            if pause is not None:
                self._woken.wait(pause.total_seconds())
                continue
            with self._lock:
                if not self._woken.is_set():  # else somebody counts on this thread
                    self._thread = None
                    return


def make_round() -> timedelta | None:
    """Deliver what is due, with a connection that is closed again, and say when to come back."""
    try:
        close_old_connections()
        deliver_due(clock=timezone.now, until=timezone.now() + _ROUND)
        following = next_logout_attempt()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("logout.round_failed error=%s", type(error).__name__)
        return _AFTER_AN_OUTAGE
    except Exception:  # what ends the thread ends all further attempts, until somebody else signs out
        logger.exception("logout.round_failed")
        return _AFTER_AN_OUTAGE
    finally:
        connections.close_all()
    return None if following is None else _pause(following, now=timezone.now())


def _pause(following: datetime, *, now: datetime) -> timedelta:
    return min(max(following - now, _SHORTEST), _LONGEST)


courier = Courier(make_round)
os.register_at_fork(after_in_child=courier.forget)


def resume() -> None:
    """Look after what other processes have left, when this one starts."""
    try:
        if next_logout_attempt() is not None:
            courier.wake()
    except (DatabaseError, InterfaceError):
        logger.warning("logout.not_resumed")
