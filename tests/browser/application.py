"""An application that people sign in to: a callback on this machine's loopback, and what a client keeps."""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from tests.interop.processes import free_port

_SECONDS = 20
_PAGE = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Notes</title><link rel='icon' href='data:,'>"
    "</head><body><main><h1>Notes</h1><p>You are back.</p></main></body></html>"
)


class Application:
    """A confidential client, and the site where it is registered.

    Arguments:
        issuer: where people sign in.
        client_id: its own.
        secret: its own.
        address: where its callback listens, such as http://127.0.0.1:4711.
    """

    def __init__(self, *, issuer: str, client_id: str, secret: str, address: str) -> None:
        self.address = address
        self._issuer, self._client = issuer, (client_id, secret)
        self._state, self._verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)

    def sign_in_address(self, **changes: str) -> str:
        """Where it sends people (OpenID Connect Core §3.1.2.1)."""
        challenge = hashlib.sha256(self._verifier.encode()).digest()
        return f"{self._issuer}/authorize?" + urlencode(
            {
                "response_type": "code",
                "client_id": self._client[0],
                "redirect_uri": f"{self.address}/callback",
                "scope": "openid profile email",
                "state": self._state,
                "nonce": "n1",
                "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
                **changes,
            }
        )

    def sign_out_address(self, id_token: str) -> str:
        """Where it sends people to sign out (RP-Initiated Logout §2)."""
        asked = {"id_token_hint": id_token, "post_logout_redirect_uri": f"{self.address}/signed-out"}
        return f"{self._issuer}/logout?{urlencode(asked)}"

    def answer_in(self, url: str) -> dict[str, str]:
        """What the provider told it, from the address at which somebody came back."""
        assert url.startswith(f"{self.address}/callback?"), url
        told = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert told.pop("state") == self._state
        assert told.pop("iss") == self._issuer
        return told

    def tokens(self, code: str) -> dict[str, Any]:
        """What a code is worth."""
        answer = requests.post(
            f"{self._issuer}/token",
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": f"{self.address}/callback",
                "code_verifier": self._verifier,
            },
            auth=self._client,
            timeout=_SECONDS,
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


class Television:
    """A public client without a keyboard (RFC 8628)."""

    def __init__(self, *, issuer: str, client_id: str) -> None:
        self._issuer, self._client_id = issuer, client_id

    def codes(self) -> dict[str, Any]:
        """What it shows, and what it polls with."""
        answer = self._post("device_authorization", {"scope": "openid profile"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def poll(self, device_code: str) -> dict[str, Any]:
        """The tokens, or why there are none."""
        grant_type = "urn:ietf:params:oauth:grant-type:device_code"
        found: dict[str, Any] = self._post("token", {"grant_type": grant_type, "device_code": device_code}).json()
        return found

    def _post(self, path: str, fields: dict[str, str]) -> requests.Response:
        return requests.post(f"{self._issuer}/{path}", data=fields | {"client_id": self._client_id}, timeout=_SECONDS)


class _Callback(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a code is nobody's business."""


@contextmanager
def running_callback(port: int = 0) -> Iterator[str]:
    """A page for those who come back; gives its address.

    Arguments:
        port: where it listens; one that is free, if left out.
    """
    port = port or free_port()
    server = ThreadingHTTPServer(("127.0.0.1", port), _Callback)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
