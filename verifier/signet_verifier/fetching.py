"""One HTTP GET or POST: bounded in size and time, without redirects, proxies or cookies."""

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from socket import SHUT_RDWR
from urllib.parse import SplitResult, urlsplit

from signet_verifier.errors import ConfigurationWrong

MAX_BYTES = 262_144
_PORTS = {"http": 80, "https": 443}


class FetchFailed(Exception):
    """No answer that could be used; the message says why, for the log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The names of headers are in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


# (address, headers, form or None) → Answer; raises FetchFailed. With a form it is a POST.
Fetch = Callable[[str, Mapping[str, str], bytes | None], Answer]


@dataclass(frozen=True, slots=True)
class HttpFetch:
    """The fetch of the standard library. Pass another one where a proxy stands between.

    Attributes:
        seconds: for connection and answer together.
        max_bytes: a longer answer is refused, and never read to its end.
        context: of TLS; the system's authorities if left out. The danger: a context that verifies nothing lets
            anybody on the way choose the keys.
    """

    seconds: float = 5.0
    max_bytes: int = MAX_BYTES
    context: ssl.SSLContext | None = None

    def __call__(self, address: str, headers: Mapping[str, str], form: bytes | None = None) -> Answer:
        """The answer, whatever its status: a redirect is an answer too, and nobody follows it.

        Raises:
            FetchFailed: no connection, no answer in time, or one that is too long.
        """
        parts = safe_address(address)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with closing(self._connection(parts)) as connection:
            try:
                connection.connect()
                with _ended_after(self.seconds, connection):
                    connection.request("GET" if form is None else "POST", path, body=form, headers=dict(headers))
                    return self._answer(connection.getresponse())
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise FetchFailed(f"{parts.hostname} doesn't answer properly ({type(error).__name__}).") from None

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self.seconds)
        context = self.context or ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=self.seconds, context=context)

    def _answer(self, response: http.client.HTTPResponse) -> Answer:
        body = response.read(self.max_bytes + 1)
        if len(body) > self.max_bytes:
            raise FetchFailed(f"The answer is longer than {self.max_bytes} bytes.")
        if response.length:
            raise FetchFailed("The answer broke off.")
        return Answer(response.status, body, {name.lower(): value for name, value in response.getheaders()})


def safe_address(address: str) -> SplitResult:
    """An address that may be fetched: HTTPS, or HTTP on this machine; without user, password or fragment.

    Raises:
        ConfigurationWrong: it is none.
    """
    try:
        parts = urlsplit(address)
        usual = bool(parts.hostname) and parts.username is None and parts.password is None and parts.port != 0
    except ValueError:
        raise ConfigurationWrong("This is no address.") from None
    strange = not address.isascii() or any(letter <= " " for letter in address) or "#" in address
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if strange or not usual or not safe:
        raise ConfigurationWrong("An address has to be HTTPS, or HTTP on this machine, without user or fragment.")
    return parts


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


@contextmanager
def _ended_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Ends an exchange that takes too long as a whole: a drop a second would hold each single timeout.

    Raises:
        TimeoutError: it was ended; what was read by then may look like a whole answer, and is none.
    """
    late = threading.Event()
    sock = connection.sock  # the connection forgets it once an answer says that it is the last

    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            sock.shutdown(SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late.is_set():
            raise TimeoutError
