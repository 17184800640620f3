"""ASGI middleware (ASGI 3): the application sees only requests with a good token."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from signet_verifier.claims import Claims
from signet_verifier.errors import NoCredentials, ProviderUnavailable, Refused
from signet_verifier.guard import Guard
from signet_verifier.requirement import Requirement

CLAIMS = "signet.claims"
_POLICY_VIOLATION = 1008
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class SignetMiddleware:
    """Verifies before the application is called, which finds the claims in `scope["signet.claims"]`.

    Arguments:
        application: what is protected.
        guard: what is asked of every request and every WebSocket.
        open_paths: paths that need no token, letter by letter. Their requests have no claims, whatever they bring.
    """

    def __init__(self, application: Application, guard: Guard, *, open_paths: Iterable[str] = ()) -> None:
        self._application, self._guard, self._open_paths = application, guard, frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application's answer, or the refusal."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        inner = {name: value for name, value in scope.items() if name != CLAIMS}
        if scope["path"] not in self._open_paths:
            headers = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"authorization"]
            query = scope.get("query_string", b"").decode("latin-1")
            try:
                # In a thread: the first token, and one with a new key, wait for the provider.
                inner[CLAIMS] = await asyncio.to_thread(self._guard.admit, headers, query)
            except (Refused, ProviderUnavailable) as refusal:
                await _refuse(self._guard, refusal, scope, receive, send)
                return
        await self._application(inner, receive, send)


def requires(guard: Guard, requirement: Requirement) -> Callable[[Application], Application]:
    """A decorator for an application behind the middleware: what it needs beside.

    Arguments:
        guard: the one of the middleware.
        requirement: what is needed here.
    """

    def decorate(application: Application) -> Application:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                guard.check(claims_of(scope), requirement)
            except Refused as refusal:
                await _refuse(guard, refusal, scope, receive, send)
                return
            await application(scope, receive, send)

        return guarded

    return decorate


def claims_of(scope: Scope) -> Claims:
    """The claims of a request.

    Raises:
        NoCredentials: it has none: the middleware isn't there, or the path is an open one.
    """
    claims = scope.get(CLAIMS)
    if not isinstance(claims, Claims):
        raise NoCredentials("An access token is needed.")
    return claims


async def _refuse(
    guard: Guard, refusal: Refused | ProviderUnavailable, scope: Scope, receive: Receive, send: Send
) -> None:
    """The answer; a WebSocket that is closed before it was accepted is answered with 403 by the server."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    reply = guard.reply(refusal)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
