"""A client's server on loopback, which takes logout tokens by the rules of Back-Channel Logout §2.6."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from jwt.algorithms import ECAlgorithm

EVENT = "http://schemas.openid.net/event/backchannel-logout"
EVERYBODY = "127.0.0.1"


@dataclass(frozen=True)
class Taken:
    """One request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def logout_token(self) -> str:
        """The one parameter that there may be."""
        found = parse_qs(self.body.decode("ascii"), strict_parsing=True)
        assert list(found) == ["logout_token"]
        [token] = found["logout_token"]
        return token


@dataclass
class RelyingParty:
    """What the server got, and what it answers.

    Attributes:
        statuses: what it answers, in this order; the last one from then on.
        answer: called instead, where a test wants something else than a status.
    """

    base: str = ""
    taken: list[Taken] = field(default_factory=list)
    statuses: list[int] = field(default_factory=lambda: [200])
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def uri(self) -> str:
        """Its backchannel_logout_uri."""
        return f"{self.base}/backchannel?tenant=a"

    @property
    def tokens(self) -> list[str]:
        """The tokens that came, oldest first."""
        return [request.logout_token for request in self.taken]

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        """Read a request and answer it."""
        length = int(handler.headers.get("Content-Length", "0"))
        with self.lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.taken.append(Taken(handler.command, handler.path, headers, handler.rfile.read(length)))
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if self.answer is not None:
            self.answer(handler)
            return
        handler.send_response(status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(self.body)


@contextmanager
def relying_party() -> Iterator[RelyingParty]:
    """A server for as long as the block lasts."""
    party = RelyingParty()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            party.take(self)

        def do_GET(self) -> None:
            party.take(self)

        def log_message(self, *_args: Any) -> None:
            """Nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: Any) -> None:
            """Whoever hung up knows why."""

    with Quiet((EVERYBODY, 0), Handler) as server:
        party.base = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield party
        finally:
            server.shutdown()
            thread.join(10)


def verified(token: str, *, jwks: dict[str, Any], issuer: str, client_id: str, now: datetime) -> dict[str, Any]:
    """The claims, after a client's checks by §2.6, with an unmodified library.

    Arguments:
        token: as it came.
        jwks: what the provider publishes.
        issuer, client_id: what the client was configured with.
        now: the client's clock.
    """
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "ES256", "the algorithm that was registered for ID tokens"
    assert header["typ"] == "logout+jwt"
    [jwk] = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    key = ECAlgorithm.from_jwk(jwk)
    claims: dict[str, Any] = jwt.decode(
        token,
        key,  # type: ignore[arg-type]
        algorithms=["ES256"],
        issuer=issuer,
        audience=client_id,
        options={"require": ["iss", "aud", "iat", "exp", "jti", "events"], "verify_exp": False, "verify_iat": False},
    )
    assert abs(now.timestamp() - claims["iat"]) <= 60
    assert claims["iat"] < claims["exp"] <= claims["iat"] + 120
    assert claims["exp"] > now.timestamp()
    assert claims["events"] == {EVENT: {}}
    assert claims.get("sub") or claims.get("sid")
    assert "nonce" not in claims
    return claims
