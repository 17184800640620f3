"""Programs beside the tests: started, waited for, stopped; and a database of their own."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from environ import Env
from psycopg import sql

from idp_project.embedded_postgres.children import start_child

CHECKOUT = Path(__file__).resolve().parents[2]
_SECONDS_TO_RUN, _SECONDS_TO_START, _SECONDS_TO_STOP, _SECONDS_BETWEEN_LOOKS = 120, 60, 15, 0.05


def run_command(command: Sequence[str], environment: Mapping[str, str], *, typed: str = "") -> str:
    """Run a program to its end in the checkout.

    Returns:
        what it printed.
    """
    done = subprocess.run(
        list(command),
        cwd=CHECKOUT,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=_SECONDS_TO_RUN,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], *, log: Path, port: int) -> Iterator[None]:
    """A server in a process group of its own; it listens when the block begins, and is gone when it ends.

    Arguments:
        command: program and arguments; it stays in the foreground.
        environment: all that it gets.
        log: where its output goes.
        port: of 127.0.0.1, where it listens.
    """
    with log.open("wb") as output:
        server = start_child(
            command, when_parent_dies=signal.SIGKILL, environment=environment, output=output, folder=str(CHECKOUT)
        )
    try:
        wait_until(lambda: listens(port) or server.poll() is not None, seconds=_SECONDS_TO_START, what=f"{command}")
        assert server.poll() is None, f"{command} ended with {server.returncode}:\n{log.read_text(errors='replace')}"
        yield
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(_SECONDS_TO_STOP)
        with suppress(ProcessLookupError):  # workers that outlived it
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Look again and again; fail when it takes too long.

    Arguments:
        condition: true when the waiting is over.
        seconds: the most that may pass.
        what: is waited for, for the failure.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def listens(port: int) -> bool:
    """Whether somebody takes connections to a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def fresh_database() -> Iterator[str]:
    """An empty database on the server that `DATABASE_URL` names; dropped when the block ends.

    Returns:
        its `DATABASE_URL`.
    """
    url, _, options = os.environ["DATABASE_URL"].partition("?")
    server = Env.db_url_config(os.environ["DATABASE_URL"])
    name = f"signet_interop_{secrets.token_hex(4)}"
    with psycopg.connect(
        host=server["HOST"] or None,
        port=server["PORT"] or None,
        user=server["USER"] or None,
        password=server["PASSWORD"] or None,
        dbname=server["NAME"],
        autocommit=True,
    ) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"{url.rpartition('/')[0]}/{name}" + (f"?{options}" if options else "")
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
