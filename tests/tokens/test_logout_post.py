"""Posting a logout token: whatever a client's server does, it takes a bounded time and ends in a word."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from accounts import outbound_http
from accounts.outbound_http import Patience
from tests.relying_party import RelyingParty, relying_party
from tokens.logout_post import post_logout_token
from tokens.vocabulary import LogoutFailure

pytestmark = pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5")
TOKEN = "aaa.bbb-_.ccc"
QUICK = Patience(connect=0.5, answer=0.3)
SOON = 3.0  # seconds; far below what a server that never ends would take


@pytest.fixture
def party() -> Iterator[RelyingParty]:
    with relying_party() as found:
        yield found


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with its connections what a test likes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            try:
                while True:
                    connection, _peer = listening.accept()
                    with connection:
                        talk(connection)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/logout"
        listening.shutdown(socket.SHUT_RDWR)


def test_it_is_a_form_by_post_with_one_parameter(party: RelyingParty) -> None:
    assert post_logout_token(party.uri, TOKEN) == "200"
    [request] = party.taken
    assert (request.method, request.path) == ("POST", "/backchannel?tenant=a")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["host"] == party.base.removeprefix("http://")
    assert request.body == f"logout_token={TOKEN}".encode()
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


@pytest.mark.parametrize("status", [200, 204, 400, 404, 500, 503])
def test_the_status_is_handed_on(party: RelyingParty, status: int) -> None:
    party.statuses = [status]
    assert post_logout_token(party.uri, TOKEN) == str(status)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(party: RelyingParty, status: int) -> None:
    with relying_party() as elsewhere:
        party.statuses, party.headers = [status], {"Location": elsewhere.uri}
        assert post_logout_token(party.uri, TOKEN) == str(status)
        assert len(party.taken) == 1
        assert elsewhere.taken == []


def test_no_proxy_of_the_environment_is_used(party: RelyingParty, monkeypatch: pytest.MonkeyPatch) -> None:
    with relying_party() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.base)
        monkeypatch.delenv("no_proxy", raising=False)
        assert post_logout_token(party.uri, TOKEN) == "200"
        assert proxy.taken == []


def test_a_body_without_an_end_is_not_read(party: RelyingParty) -> None:
    written = 0

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal written
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(10_000):
                written += handler.wfile.write(bytes(65_536))
        except OSError:
            return

    party.answer = flood
    began = time.monotonic()
    assert post_logout_token(party.uri, TOKEN) == "200"
    assert time.monotonic() - began < SOON
    assert written < 50_000_000, "what fits into the sockets' buffers at most"


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    def listen(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass

    with raw_server(listen) as uri:
        began = time.monotonic()
        assert post_logout_token(uri, TOKEN, patience=QUICK) == LogoutFailure.TIMEOUT
        assert time.monotonic() - began < SOON


def test_a_server_that_trickles_is_not_waited_for_either() -> None:
    """Each byte would begin a socket's own timeout anew."""
    ended = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not ended.wait(0.02):
            connection.sendall(b"x")

    with raw_server(trickle) as uri:
        began = time.monotonic()
        assert post_logout_token(uri, TOKEN, patience=QUICK) == LogoutFailure.TIMEOUT
        assert time.monotonic() - began < SOON
    ended.set()


def test_a_handshake_that_never_ends_is_not_waited_for() -> None:
    ended = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # a ServerHello of 16 kB begins
        while not ended.wait(0.02):
            connection.sendall(b"\x03")

    with raw_server(trickle) as uri:
        began = time.monotonic()
        found = post_logout_token(uri.replace("http:", "https:"), TOKEN, patience=QUICK)
        assert found == LogoutFailure.TIMEOUT
        assert time.monotonic() - began < SOON
    ended.set()


@contextmanager
def silent_address() -> Iterator[tuple[str, int]]:
    """Where a connection is neither taken nor refused: so many wait already that none may queue."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as stack:
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()


def test_a_name_with_many_addresses_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has a say over the name chooses how many there are; each on its own would get all of the time."""
    with silent_address() as address:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)] * 200
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: found)
        began = time.monotonic()
        outcome = post_logout_token("http://many.example.org/", TOKEN, patience=QUICK)
        assert time.monotonic() - began < SOON
    assert outcome == LogoutFailure.TIMEOUT


def test_of_several_addresses_one_that_answers_is_enough(party: RelyingParty, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(party.base.rpartition(":")[2])
    with silent_address() as address:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in (address, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: found)
        assert post_logout_token(f"http://two.example.org:{port}/", TOKEN, patience=QUICK) == "200"
    assert party.taken[0].headers["host"] == f"two.example.org:{port}"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\0" * 4_096,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(500)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_is_malformed(answer: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    with raw_server(talk) as uri:
        assert post_logout_token(uri, TOKEN, patience=QUICK) in (LogoutFailure.MALFORMED, LogoutFailure.UNREACHABLE)


def test_a_server_that_hangs_up_or_is_not_there_is_unreachable() -> None:
    with raw_server(lambda connection: None) as uri:
        assert post_logout_token(uri, TOKEN, patience=QUICK) == LogoutFailure.UNREACHABLE
    assert post_logout_token(uri, TOKEN, patience=QUICK) == LogoutFailure.UNREACHABLE
    assert post_logout_token("http://no-such-host.invalid/", TOKEN, patience=QUICK) == LogoutFailure.UNREACHABLE


@pytest.mark.parametrize("uri", ["", "ftp://127.0.0.1/", "https://", "http://[::1/", "http://127.0.0.1:99999/", "x"])
def test_an_address_that_none_may_register_reaches_nobody(uri: str) -> None:
    assert post_logout_token(uri, TOKEN, patience=QUICK) in (LogoutFailure.MALFORMED, LogoutFailure.UNREACHABLE)


def certificate(folder: Path, *, name: str | None) -> Path:
    """A certificate that vouches for itself, with its key, for 127.0.0.1 or for another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "party")])
    names: x509.GeneralName = x509.IPAddress(ip_address("127.0.0.1")) if name is None else x509.DNSName(name)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "party.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@contextmanager
def secured_server(file: Path) -> Iterator[tuple[str, list[bytes]]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    bodies: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            received = b""
            while TOKEN.encode() not in received:
                if not (more := secured.recv(65_536)):
                    return
                received += more
            bodies.append(received)
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with raw_server(talk) as uri:
        yield uri.replace("http:", "https:"), bodies


def test_a_certificate_has_to_be_trusted_and_for_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = certificate(tmp_path, name=None)
    with secured_server(file) as (uri, bodies):
        assert post_logout_token(uri, TOKEN) == LogoutFailure.TLS
        assert bodies == []
    trusting = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(outbound_http, "_tls", lambda: trusting)
    with secured_server(file) as (uri, bodies):
        assert post_logout_token(uri, TOKEN) == "200"
        assert len(bodies) == 1
    other = certificate(tmp_path, name="other.example.org")
    also_trusting = ssl.create_default_context(cafile=str(other))
    monkeypatch.setattr(outbound_http, "_tls", lambda: also_trusting)
    with secured_server(other) as (uri, bodies):
        assert post_logout_token(uri, TOKEN) == LogoutFailure.TLS
        assert bodies == []


def test_a_server_without_tls_gets_no_token_that_was_meant_for_https(party: RelyingParty) -> None:
    assert post_logout_token(party.uri.replace("http:", "https:"), TOKEN, patience=QUICK) == LogoutFailure.TLS
    assert party.taken == []


def test_verification_is_the_systems_with_host_names() -> None:
    context = outbound_http._tls()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_the_token_is_in_no_log(party: RelyingParty, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    post_logout_token(party.uri, TOKEN)
    post_logout_token("http://127.0.0.1:1/", TOKEN, patience=QUICK)
    assert TOKEN not in caplog.text
