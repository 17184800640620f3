"""Whether something holds in a forked child."""

import os
import signal
import warnings
from collections.abc import Callable


def holds_in_child(check: Callable[[], object]) -> bool:
    """Fork, and have the child check; an exception or a minute's silence counts as no."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: a fork beside threads
        child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
