"""One request to a server of somebody else, bounded in every way: time, size, and where it leads.

No redirect is followed, no proxy of the environment is used, and certificates are verified.
"""

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from http.client import HTTPException
from urllib.parse import urlsplit, urlunsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

_PORTS = {"http": 80, "https": 443}
_ADDRESSES = 4  # of a name, to be tried


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        connect: seconds until one of its addresses answers, for all of them together. How long its name may take to
            resolve is the system's to say (resolv.conf: `timeout`, `attempts`); nothing here can cut that.
        answer: seconds from there to the end of what is read of its answer, TLS included.
    """

    connect: float = 3.0
    answer: float = 5.0


PATIENCE = Patience()


class Failure(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    MALFORMED = "malformed"
    TOO_LONG = "too_long"


class Unanswered(Exception):
    """There is no answer that can be used.

    Attributes:
        failure: why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Received:
    """An answer: its status, its media type without parameters in small letters, and its body."""

    status: int
    media_type: str
    body: bytes


class _Deadline:
    """Cuts a connection once its time is up, whatever trickles in: a socket's own timeout begins anew at each byte."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._twin: socket.socket | None = None
        self.passed = False

    def watch(self, connected: socket.socket) -> socket.socket:
        """Begin to count. A twin of the socket is kept: TLS takes the socket itself away from whoever holds it."""
        self._twin = connected.dup()
        self._timer.start()
        return connected

    def _cut(self) -> None:
        self.passed = True
        if self._twin is not None:
            with suppress(OSError):
                self._twin.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop to count."""
        self._timer.cancel()
        if self._twin is not None:
            self._twin.close()


def _connected(host: str, port: int, *, patience: Patience) -> socket.socket:
    """A connection to one of the host's first addresses; each gets its share of the time.

    How many there are is the server's choice: with the whole time for each they might never end.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:_ADDRESSES]
    failed = OSError("The name has no address.")
    for family, kind, protocol, _name, address in addresses:
        try:
            with ExitStack() as stack:
                connecting = stack.enter_context(socket.socket(family, kind, protocol))
                connecting.settimeout(patience.connect / len(addresses))
                connecting.connect(address)
                connecting.settimeout(patience.answer)
                stack.pop_all()
                return connecting
        except OSError as error:
            failed = error
    raise failed


class _Plain(HTTPConnection):
    deadline: _Deadline
    patience: Patience

    def _new_conn(self) -> socket.socket:
        return self.deadline.watch(_connected(self.host, self.port, patience=self.patience))


class _Secured(HTTPSConnection):
    deadline: _Deadline
    patience: Patience

    def _new_conn(self) -> socket.socket:
        return self.deadline.watch(_connected(self.host, self.port, patience=self.patience))


def exchange(
    method: str,
    uri: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    most: int = 0,
    patience: Patience = PATIENCE,
) -> Received:
    """Send one request, and read its answer.

    Arguments:
        uri: https, or http; who may be asked at all is the caller's to decide.
        headers: beside those that every request has.
        body: what is posted.
        most: bytes of the answer's body that are read; with 0 it is left alone.
        patience: how long to wait.

    Raises:
        Unanswered: whatever a server may do; nothing else is raised for it.
    """
    with closing(_Deadline(patience.answer)) as deadline:
        try:
            received = _exchange(method, uri, headers, body, most, deadline=deadline, patience=patience)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise Unanswered(Failure.TIMEOUT if deadline.passed else _failure(error)) from error
        if deadline.passed:  # what was cut reads like what is whole
            raise Unanswered(Failure.TIMEOUT)
    if most and len(received.body) > most:
        raise Unanswered(Failure.TOO_LONG)
    return received


def _exchange(
    method: str,
    uri: str,
    headers: Mapping[str, str],
    body: bytes | None,
    most: int,
    *,
    deadline: _Deadline,
    patience: Patience,
) -> Received:
    parts = urlsplit(uri)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("No address of the web.")
    host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    connection: _Plain | _Secured = (
        _Secured(host, port, timeout=patience.answer, ssl_context=_tls())
        if parts.scheme == "https"
        else _Plain(host, port, timeout=patience.answer)
    )
    connection.deadline, connection.patience = deadline, patience
    with closing(connection):
        connection.connect()
        connection.request(
            method,
            urlunsplit(("", "", parts.path or "/", parts.query, "")),
            body=body,
            headers={"User-Agent": "Signet", "Connection": "close", **headers},
            preload_content=False,
            decode_content=False,
        )
        with closing(connection.getresponse()) as answer:
            media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return Received(answer.status, media_type, answer.read(most + 1, decode_content=False) if most else b"")


def _failure(error: Exception) -> Failure:
    if isinstance(error, ssl.SSLError):
        return Failure.TLS
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT
    if isinstance(error, HTTPException | ValueError) and not isinstance(error, ConnectionError):
        return Failure.MALFORMED
    return Failure.UNREACHABLE


@cache
def _tls() -> ssl.SSLContext:
    """The system's certificate authorities, read once; `SSL_CERT_FILE` names others."""
    return ssl.create_default_context()
