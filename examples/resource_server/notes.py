"""A service that keeps notes for whoever brings an access token; with the standard library alone.

ISSUER=http://localhost:8080 AUDIENCE=http://localhost:8080 PORT=9000 python notes.py
"""

import json
import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

from signet_verifier import Guard, Verifier, requirement
from signet_verifier.wsgi import SignetMiddleware, claims_of, requires

MOST_BYTES = 1_000
Answer = Callable[..., Any]


def application(guard: Guard) -> SignetMiddleware:
    """The service.

    Arguments:
        guard: verifies who comes.
    """
    notes: dict[str, list[str]] = {}

    @requires(guard, requirement(scopes="notes:write"))
    def write(environ: dict[str, Any], answer: Answer) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not 0 < length <= MOST_BYTES:
            return told(answer, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {})
        notes.setdefault(claims_of(environ).subject, []).append(environ["wsgi.input"].read(length).decode())
        return told(answer, HTTPStatus.CREATED, {})

    @requires(guard, requirement(scopes="notes:read"))
    def read(environ: dict[str, Any], answer: Answer) -> Iterable[bytes]:
        claims = claims_of(environ)
        return told(answer, HTTPStatus.OK, {"client": claims.client_id, "notes": notes.get(claims.subject, [])})

    # Whoever wants to delete everything has proved who they are within the last five minutes (RFC 9470).
    @requires(guard, requirement(scopes="notes:write", max_age=300))
    def clear(environ: dict[str, Any], answer: Answer) -> Iterable[bytes]:
        notes.pop(claims_of(environ).subject, None)
        return told(answer, HTTPStatus.OK, {})

    def health(_environ: dict[str, Any], answer: Answer) -> Iterable[bytes]:
        return told(answer, HTTPStatus.OK, {"status": "up"})

    routes = {
        ("GET", "/notes"): read,
        ("POST", "/notes"): write,
        ("DELETE", "/notes"): clear,
        ("GET", "/health"): health,
    }

    def route(environ: dict[str, Any], answer: Answer) -> Iterable[bytes]:
        found = routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return found(environ, answer) if found else told(answer, HTTPStatus.NOT_FOUND, {})

    return SignetMiddleware(route, guard, open_paths=["/health"])


def told(answer: Answer, status: HTTPStatus, members: dict[str, Any]) -> Iterable[bytes]:
    """An answer of JSON."""
    answer(f"{status.value} {status.phrase}", [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
    return [json.dumps(members).encode()]


class Server(ThreadingMixIn, WSGIServer):
    """A thread a request: enough for an example."""

    daemon_threads = True


def main() -> None:
    """Serve on this machine until it is stopped."""
    verifier = Verifier(os.environ["ISSUER"], os.environ["AUDIENCE"])
    guard = Guard(verifier, realm="notes")
    with make_server("127.0.0.1", int(os.environ["PORT"]), application(guard), server_class=Server) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
