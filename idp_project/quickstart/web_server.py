"""Starting granian beside the database, and stopping it before the database."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from idp_project.embedded_postgres.children import start_child
from idp_project.quickstart.data_folder import QuickstartError

_SECONDS_TO_ANSWER, _SECONDS_TO_STOP, _SECONDS_BETWEEN_LOOKS = 60.0, 15.0, 0.05


def refuse_taken_port(host: str, port: int) -> None:
    """Find out before any work is done whether the port can be served.

    Arguments:
        host: address to bind, such as 127.0.0.1.
        port: TCP port.

    Raises:
        QuickstartError: something else listens there, or we may not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: closed ones may linger
        try:
            probe.bind((host, port))
        except OSError as error:
            raise QuickstartError(
                f"Port {port} on {host} can't be served ({os.strerror(error.errno or 0)}): stop what uses it, "
                "or choose another with PORT and its data with IDP_DATA_DIR."
            ) from error


def serve(command: Sequence[str], *, host: str, port: int, announce: Callable[[], None]) -> None:
    """Run the web server until a signal raises `KeyboardInterrupt` here; stop it then, and return.

    Arguments:
        command: granian with its arguments.
        host: address that it binds.
        port: port that it binds.
        announce: called once, when it answers.

    Raises:
        QuickstartError: the server ended by itself or never answered.
        KeyboardInterrupt: a signal asked for the end before it answered.
    """
    server = start_child(command, when_parent_dies=signal.SIGTERM)
    try:
        _wait_until_it_answers(server, host, port)
        announce()
        with suppress(KeyboardInterrupt):
            raise QuickstartError(f"The web server ended by itself with exit code {server.wait()}.")
    finally:
        _stop(server)


def _wait_until_it_answers(server: subprocess.Popen[bytes], host: str, port: int) -> None:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - the user's own choice
    deadline = time.monotonic() + _SECONDS_TO_ANSWER
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise QuickstartError(f"The web server ended with exit code {server.returncode}: the lines above say why.")
        if _answers(reachable, port):
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    raise QuickstartError(f"The web server did not answer within {_SECONDS_TO_ANSWER:.0f} s.")


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS_TO_ANSWER)
    try:
        connection.request("GET", "/livez", headers={"Host": f"localhost:{port}"})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(_SECONDS_TO_STOP)
    with suppress(ProcessLookupError):  # workers that outlived it; it led a process group of its own
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
