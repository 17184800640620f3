"""Run a command with a database: `python -m idp_project.embedded_postgres -- COMMAND…`.

With `DATABASE_URL` set, the command simply takes our place. Without, a cluster for tests runs beside it and
`DATABASE_URL` names it; its data may be thrown away at any time.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from idp_project.embedded_postgres.children import start_child
from idp_project.embedded_postgres.cluster import running_cluster
from idp_project.embedded_postgres.folders import AlreadyRunningError, EmbeddedPostgresError

_CLUSTERS = 9  # test runs at once in one checkout; each has a cluster of its own
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Arguments:
        arguments: the command and its arguments, after an optional `--`.

    Returns:
        the command's exit code, 128 + the signal that ended it, 127 when there is no such command, 2 for a
        wrong call or a database that can't start.
    """
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        sys.stderr.write("usage: python -m idp_project.embedded_postgres -- COMMAND [ARGUMENT…]\n")
        return 2
    try:
        if os.environ.get("DATABASE_URL"):
            os.execvp(command[0], command)  # noqa: S606 - it is the caller's own command
        with _signals_ended_by_cleanup(), _free_cluster() as url:
            return _run(command, {**os.environ, "DATABASE_URL": url})
    except EmbeddedPostgresError as error:
        sys.stderr.write(f"signet: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"signet: {error.filename or command[0]}: {error.strerror}.\n")
        return 127 if error.filename == command[0] else 2


@contextmanager
def _free_cluster() -> Iterator[str]:
    """The first test cluster that no other run uses."""
    data_folder = Path(os.environ.get("IDP_DATA_DIR") or ".data").absolute()
    for number in range(1, _CLUSTERS + 1):
        with ExitStack() as stack:
            cluster = running_cluster(data_folder / f"test-{number}", durable=False, progress=_say)
            try:
                url = stack.enter_context(cluster)
            except AlreadyRunningError:
                continue
            yield url
            return
    raise AlreadyRunningError(f"{_CLUSTERS} runs use the test databases in {data_folder}: wait for one to end.")


def _say(line: str) -> None:
    sys.stderr.write(f"→ {line} …\n")


@contextmanager
def _signals_ended_by_cleanup() -> Iterator[None]:
    """Until the command runs, a signal ends us through our `finally` clauses: the server stops too."""

    def leave(signum: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signum)

    before = {signum: signal.signal(signum, leave) for signum in _FORWARDED}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run the command in its own session, hand on signals, and wait."""
    child = start_child(command, when_parent_dies=signal.SIGTERM, environment=environment)

    def hand_on(signum: int, _frame: FrameType | None) -> None:
        if child.poll() is None:
            child.send_signal(signum)

    for signum in _FORWARDED:
        signal.signal(signum, hand_on)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
