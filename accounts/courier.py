"""The thread that delivers an outbox soon after the commit: one a process and outbox, which ends when nothing waits.

A request only wakes it: nobody is waited for there, and nothing that is delivered can make a request fail.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.utils import timezone

_SHORTEST, _LONGEST = timedelta(seconds=0.5), timedelta(minutes=1)  # between two looks
_AFTER_AN_OUTAGE = timedelta(seconds=30)
_ROUND = timedelta(seconds=15)  # then it looks for what came meanwhile, however much is left


class Courier:
    """A thread that makes rounds for as long as there is something to do.

    Arguments:
        rounds: makes one round and says how long to wait for the next; None for the end.
        name: of the thread.
    """

    def __init__(self, rounds: Callable[[], timedelta | None], *, name: str = "signet-courier") -> None:
        self._rounds = rounds
        self._name = name
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
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
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


def one_round(
    deliver: Callable[[datetime], object], following: Callable[[], datetime | None], *, log: logging.Logger
) -> timedelta | None:
    """Deliver what is due, with a connection that is closed again, and say when to come back.

    Arguments:
        deliver: makes an attempt at all that is due, and begins none from the given moment on.
        following: when the next attempt is due; None where nothing waits.
        log: where failures go; its name says which outbox it was.

    Returns:
        How long to wait for the next round; None where nothing waits.
    """
    try:
        close_old_connections()
        deliver(timezone.now() + _ROUND)
        due = following()
    except (DatabaseError, InterfaceError) as error:
        log.warning("%s.round_failed error=%s", _outbox(log), type(error).__name__)
        return _AFTER_AN_OUTAGE
    except Exception:  # what ends the thread ends all further attempts, until somebody else wakes it
        log.exception("%s.round_failed", _outbox(log))
        return _AFTER_AN_OUTAGE
    finally:
        connections.close_all()
    return None if due is None else _pause(due, now=timezone.now())


def wake_if_waiting(courier: Courier, following: Callable[[], datetime | None], *, log: logging.Logger) -> None:
    """Look after what other processes have left, when this one starts.

    Arguments:
        courier: of the outbox.
        following, log: as `one_round`.
    """
    try:
        if following() is not None:
            courier.wake()
    except (DatabaseError, InterfaceError):
        log.warning("%s.not_resumed", _outbox(log))


def _pause(following: datetime, *, now: datetime) -> timedelta:
    return min(max(following - now, _SHORTEST), _LONGEST)


def _outbox(log: logging.Logger) -> str:
    return log.name.rpartition(".")[2]
