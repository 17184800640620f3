"""An OpenID provider on loopback that somebody else runs: it keeps the rules, or breaks the one that a test names."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from tests.tokens.clients import jwk, key, signed

CLIENT_ID, SECRET = "signet-here", "upstream/secret: 1"


@dataclass
class Upstream:
    """The provider, what it was asked, and how it misbehaves.

    Attributes:
        person: the claims of whoever is signed in there.
        metadata, claims, tokens: what differs from what is right, by name; None leaves a member out.
        answers: by path, what is done instead of the right answer.
        sign: makes the ID token of its claims.
        asked: method and path of each request, in order.
    """

    base: str = ""
    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "u-1", "email": "ana@example.org", "email_verified": True}
    )
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    kid: str = "k1"
    algorithm: str = "ES256"
    published: dict[str, Any] | None = None
    sign: Callable[[str], str] | None = None
    tells_auth_time: bool = True
    signed_in_at: float | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.base

    @property
    def private(self) -> Any:
        """The key that signs."""
        return key(self.algorithm, f"upstream {self.kid}")

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(found == path for _method, found in self.asked)

    def authorize(self, address: str) -> str:
        """What the browser does there: the person signs in, and is sent back to this address."""
        asked = dict(parse_qsl(urlsplit(address).query, strict_parsing=True))
        assert address.startswith(f"{self.base}/authorize?"), address
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert asked["code_challenge_method"] == "S256"
        if asked.get("prompt") == "login" or self.signed_in_at is None:
            self.signed_in_at = time()
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def document(self) -> dict[str, Any]:
        """The metadata."""
        right = {
            "issuer": self.base,
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "jwks_uri": f"{self.base}/jwks",
            "userinfo_endpoint": f"{self.base}/userinfo",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }
        return _changed(right, self.metadata)

    def jwks(self) -> dict[str, Any]:
        """The keys that are published."""
        return self.published or {"keys": [jwk(self.private, self.algorithm, self.kid, alg=self.algorithm, use="sig")]}

    def id_token(self, asked: dict[str, str], access_token: str) -> str:
        """The ID token for one sign-in."""
        now = int(time())
        digest = hashlib.sha256(access_token.encode()).digest()[:16]
        right = {
            "iss": self.issuer,
            "aud": asked["client_id"],
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            **self.person,
            **({"auth_time": int(self.signed_in_at or now)} if self.tells_auth_time else {}),
        }
        text = json.dumps(_changed(right, self.claims))
        if self.sign is not None:
            return self.sign(text)
        return signed(text, self.private, self.algorithm, kid=self.kid)

    def redeem(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """The token endpoint: client, code, redirect URI and PKCE are checked as they should be."""
        form = dict(parse_qsl(body.decode("ascii"), strict_parsing=True))
        scheme, _, pair = handler.headers.get("Authorization", "").partition(" ")
        given = tuple(unquote_plus(part) for part in base64.b64decode(pair).decode().split(":"))
        if scheme != "Basic":
            given = (form.get("client_id", ""), form.get("client_secret", ""))
        methods = self.document()["token_endpoint_auth_methods_supported"]
        if given != (CLIENT_ID, "" if methods == ["none"] else SECRET):
            return reply(handler, {"error": "invalid_client"}, status=401)
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            asked is None
            or form["redirect_uri"] != asked["redirect_uri"]
            or challenge.decode() != asked["code_challenge"]
        ):
            return reply(handler, {"error": "invalid_grant", "error_description": "<b>no</b>"}, status=400)
        access_token = "upstream-access-token"
        right = {"access_token": access_token, "token_type": "Bearer", "id_token": self.id_token(asked, access_token)}
        return reply(handler, _changed(right, self.tokens))

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path = urlsplit(handler.path).path
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        self.asked.append((handler.command, path))
        if path in self.answers:
            self.answers[path](handler)
        elif path == "/.well-known/openid-configuration":
            reply(handler, self.document())
        elif path == "/jwks":
            reply(handler, self.jwks())
        elif path == "/token":
            self.redeem(handler, body)
        elif path == "/userinfo":
            assert handler.headers["Authorization"] == "Bearer upstream-access-token"
            reply(handler, self.person)
        else:
            reply(handler, {}, status=404)


def _changed(right: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**right, **changes}.items() if value is not None}


def reply(
    handler: BaseHTTPRequestHandler,
    document: Any,
    *,
    status: int = 200,
    media_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> None:
    """Send JSON, or text as it is."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", media_type)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def upstream_provider() -> Iterator[Upstream]:
    """A provider for as long as the block lasts."""
    found = Upstream()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.handle(self)

        def do_POST(self) -> None:
            found.handle(self)

        def log_message(self, *_args: Any) -> None:
            """Nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: Any) -> None:
            """Whoever hung up knows why."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        found.base = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join(10)
