"""Real processes for tests: forked, with database connections of their own, and killed where one wants."""

import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

from keys.published_set import published_sets
from keys.signer import signer

KILLED = -signal.SIGKILL
_FAILED = 70


def fork(work: Callable[[], object]) -> int:
    """Do some work in a child that leaves as a process does that is asked to exit.

    Returns:
        The child's process id; wait for it with `exit_code`.
    """
    connections.close_all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        child = os.fork()
    if child:
        return child
    code = _FAILED
    try:
        signer.forget()
        published_sets.forget()
        work()
        code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:  # noqa: BLE001  (the parent sees the exit code, a person the traceback)
        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    """Wait for a child; minus the signal if one ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(work: Callable[[], object]) -> int:
    """Do some work in a child and wait for its exit code."""
    return exit_code(fork(work))


def killed_before(step: int, work: Callable[[], object]) -> Callable[[], object]:
    """Some work that is killed with SIGKILL before its n-th statement or commit."""

    def doomed() -> object:
        seen = 0

        def count() -> None:
            nonlocal seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            count()
            return execute(sql, params, many, context)

        commit = connection.commit

        def counted_commit() -> None:
            count()
            commit()

        connection.commit = counted_commit  # type: ignore[method-assign]
        with connection.execute_wrapper(wrapper):
            return work()

    return doomed


def killed_at(owner: object, name: str, work: Callable[[], object]) -> Callable[[], object]:
    """Some work that is killed with SIGKILL where it would call a function, by its owner and name."""

    def doomed() -> object:
        setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        return work()

    return doomed


def at_once(moment: float, work: Callable[[], object]) -> Callable[[], object]:
    """Some work that begins at a moment of the monotonic clock, as cron would have it."""

    def punctual() -> object:
        while time.monotonic() < moment:
            pass
        return work()

    return punctual
