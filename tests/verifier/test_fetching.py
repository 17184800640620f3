"""One request over a real socket: bounded, and never sent elsewhere."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from signet_verifier import ConfigurationWrong, FetchFailed, HttpFetch
from signet_verifier.fetching import is_loopback, safe_address


@contextmanager
def server(*pieces: bytes, pause: float = 0.0, hang: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """Answers each connection with these bytes, piece by piece."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65_536))
                try:
                    for piece in pieces:
                        connection.sendall(piece)
                        over.wait(pause)
                    if hang:
                        over.wait(20)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/keys?a=b", asked
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(20)


def said(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.mark.spec("RFC 9110 §9.3.1, §9.3.3")
def test_it_tells_status_body_and_headers() -> None:
    with server(said(b"{}", b'ETag: "x"')) as (address, asked):
        answer = HttpFetch()(address, {"If-None-Match": '"y"'})
        posted = HttpFetch()(address, {}, b"token=x")
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"{}", '"x"')
    assert posted.status == 200
    assert asked[0].startswith(b"GET /keys?a=b HTTP/1.1\r\n")
    assert b'If-None-Match: "y"' in asked[0]
    assert asked[1].startswith(b"POST ")


@pytest.mark.spec("5 of 6, verifier: no redirects to elsewhere")
@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
def test_a_redirect_is_an_answer_that_nobody_follows(status: bytes) -> None:
    with (
        server(said(b"{}")) as (elsewhere, never),
        server(said(b"", b"Location: " + elsewhere.encode(), status=status)) as (address, asked),
    ):
        assert HttpFetch()(address, {}).status == int(status[:3])
        assert (len(asked), never) == (1, [])


@pytest.mark.spec("5 of 6, verifier: response size limit")
@pytest.mark.parametrize(
    "answer",
    [
        (said(b"x" * 101),),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 101,),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nx",),
        (b"hello\r\n",),
        (b"",),
    ],
)
def test_an_answer_that_is_too_long_or_breaks_off_is_none(answer: tuple[bytes, ...]) -> None:
    with server(*answer) as (address, _), pytest.raises(FetchFailed):
        HttpFetch(max_bytes=100)(address, {})


@pytest.mark.spec("5 of 6, verifier: timeouts")
@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\n",), (said(b"x")[:-1],)])
def test_a_server_that_hangs_is_left(pieces: tuple[bytes, ...]) -> None:
    with server(*pieces, hang=True) as (address, _):
        began = time.monotonic()
        with pytest.raises(FetchFailed):
            HttpFetch(seconds=0.2)(address, {})
        assert time.monotonic() - began < 10


@pytest.mark.spec("5 of 6, verifier: timeouts")
@pytest.mark.parametrize(
    "drops",
    [
        [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 90],
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", *[b"x"] * 90],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n", *[b"x"] * 90],
    ],
)
def test_a_drop_now_and_then_is_no_answer_in_time(drops: list[bytes]) -> None:
    with server(*drops, pause=0.1) as (address, _):
        began = time.monotonic()
        with pytest.raises(FetchFailed):
            HttpFetch(seconds=0.3)(address, {})
        assert time.monotonic() - began < 5


@pytest.mark.spec("5 of 6, verifier")
def test_nobody_there_is_no_answer() -> None:
    with server() as (address, _):
        pass
    with pytest.raises(FetchFailed):
        HttpFetch()(address, {})


@pytest.mark.spec("5 of 6, verifier: TLS")
def test_https_that_is_none_is_no_answer() -> None:
    with server(said(b"{}")) as (address, _), pytest.raises(FetchFailed):
        HttpFetch(seconds=1)(address.replace("http:", "https:"), {})


@pytest.mark.spec("5 of 6, verifier: https except loopback")
@pytest.mark.parametrize(
    "address",
    [
        "http://id.example.org", "ftp://localhost/", "//localhost", "https://", "https://a:b@localhost/", "https://a/#",
        "https://a b/", "https://a/\r\nX: y", "https://a:0/", "https://a:99999/", "https://ä.example/", "", "http://[",
        "http://localhost.evil.example/", "http://127.0.0.1.evil.example/", "http://10.0.0.1/",
    ],
)  # fmt: skip
def test_only_safe_addresses_are_fetched(address: str) -> None:
    with pytest.raises(ConfigurationWrong):
        safe_address(address)


@pytest.mark.spec("RFC 8252 §7.3")
def test_what_this_machine_is() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("example.org", "10.0.0.1", "", "::2")))
