"""Posting a logout token to a client (OpenID Connect Back-Channel Logout §2.5): one request, bounded in every way.

No redirect is followed, no proxy of the environment is used, certificates are verified, and of the answer
only the status line and the headers are read.
"""

import socket
import ssl
import threading
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from urllib.parse import urlencode, urlsplit, urlunsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from tokens.vocabulary import LogoutFailure

_PORTS = {"http": 80, "https": 443}
_ADDRESSES = 4  # of a name, to be tried


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client is waited for.

    Attributes:
        connect: seconds until one of its addresses answers, for all of them together.
        answer: seconds from there to the end of its headers, TLS included.
    """

    connect: float = 3.0
    answer: float = 5.0


PATIENCE = Patience()


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

    How many there are is the client's choice: with the whole time for each they might never end.
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


def post_logout_token(uri: str, token: str, *, patience: Patience = PATIENCE) -> str:
    """Send a logout token, and say what came of it.

    Arguments:
        uri: the client's `backchannel_logout_uri`.
        token: the compact token; it goes nowhere but into the body.
        patience: how long to wait.

    Returns:
        The HTTP status as a text, or a `LogoutFailure`; nothing is raised for what a client may do.
    """
    with closing(_Deadline(patience.answer)) as deadline:
        try:
            outcome = _status(uri, token, deadline=deadline, patience=patience)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            outcome = _failure(error)
        return LogoutFailure.TIMEOUT if deadline.passed else outcome  # headers that were cut read like whole ones


def _status(uri: str, token: str, *, deadline: _Deadline, patience: Patience) -> str:
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
            "POST",
            urlunsplit(("", "", parts.path or "/", parts.query, "")),
            body=urlencode({"logout_token": token}).encode("ascii"),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": "Signet",
                "Connection": "close",
            },
            preload_content=False,
        )
        return str(connection.getresponse().status)


def _failure(error: Exception) -> LogoutFailure:
    if isinstance(error, ssl.SSLError):
        return LogoutFailure.TLS
    if isinstance(error, TimeoutError):
        return LogoutFailure.TIMEOUT
    if isinstance(error, HTTPException | ValueError) and not isinstance(error, ConnectionError):
        return LogoutFailure.MALFORMED
    return LogoutFailure.UNREACHABLE


@cache
def _tls() -> ssl.SSLContext:
    """The system's certificate authorities, read once; `SSL_CERT_FILE` names others."""
    return ssl.create_default_context()
