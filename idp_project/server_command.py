"""How granian is started, by `manage.py serve` and by `make run`."""

import os
import sys
from pathlib import Path

from idp_project.environment import Environment

CHECKOUT = Path(__file__).resolve().parent.parent
MOST_THREADS = 8  # a worker: some hash passwords, the others wait for the database or answer at once
CONNECTIONS_PER_WORKER = 1024  # granian's backpressure counts open connections, idle ones included
# Requests under way may end. Often granian also waits, in vain, for idle connections to be closed by their
# other side: this bounds it, well below the 10 s after which container engines kill.
SECONDS_TO_STOP = 5


def server_command(
    environment: Environment, *, log_level: str = "info", seconds_to_stop: int = SECONDS_TO_STOP
) -> list[str]:
    """How granian is started.

    Arguments:
        environment: where PORT (8080), IDP_BIND (127.0.0.1) and IDP_WORKERS (one a core) are read.
        log_level: of granian itself, not of Signet.
        seconds_to_stop: how long requests under way may take when the server stops.

    Returns:
        program and arguments. HTTP/1 only: TLS and HTTP/2 end at the proxy in front.
    """
    return [
        *(sys.executable, "-P", "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
        *("--host", environment.str("IDP_BIND", default="127.0.0.1")),
        *("--port", str(environment.int("PORT", default=8080))),
        *("--workers", str(environment.int("IDP_WORKERS", default=usable_cores()))),
        *("--blocking-threads", str(min(MOST_THREADS, 2 * usable_cores() + 1))),
        *("--backpressure", str(CONNECTIONS_PER_WORKER)),
        *("--workers-kill-timeout", str(seconds_to_stop)),
        *("--respawn-failed-workers", "--log-level", log_level),
        *("--working-dir", str(CHECKOUT), "idp_project.wsgi:application"),
    ]


def usable_cores(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may really use: those it may run on, less what its container is denied.

    Arguments:
        quota_file: the control group's quota, microseconds of work and of period, such as `200000 100000`.

    Returns:
        at least 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
        return max(1, min(cores, -(-int(quota) // int(period))))
    except (OSError, ValueError):  # no control groups, or the quota reads "max"
        return max(1, cores)
