"""WSGI middleware (PEP 3333): the application sees only requests with a good token."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from signet_verifier.claims import Claims
from signet_verifier.errors import NoCredentials, ProviderUnavailable, Refused
from signet_verifier.guard import Guard
from signet_verifier.requirement import Requirement

CLAIMS = "signet.claims"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class SignetMiddleware:
    """Verifies before the application is called, which finds the claims in `environ["signet.claims"]`.

    Arguments:
        application: what is protected.
        guard: what is asked of every request.
        open_paths: paths that need no token, letter by letter. Their requests have no claims, whatever they bring.
    """

    def __init__(self, application: Application, guard: Guard, *, open_paths: Iterable[str] = ()) -> None:
        self._application, self._guard, self._open_paths = application, guard, frozenset(open_paths)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The application's answer, or the refusal."""
        environ.pop(CLAIMS, None)
        if environ.get("PATH_INFO", "") in self._open_paths:
            return self._application(environ, start_response)
        header = environ.get("HTTP_AUTHORIZATION")
        try:
            environ[CLAIMS] = self._guard.admit([] if header is None else [header], environ.get("QUERY_STRING", ""))
        except (Refused, ProviderUnavailable) as refusal:
            return _refused(self._guard, refusal, start_response)
        return self._application(environ, start_response)


def requires(guard: Guard, requirement: Requirement) -> Callable[[Application], Application]:
    """A decorator for an application behind the middleware: what it needs beside.

    Arguments:
        guard: the one of the middleware.
        requirement: what is needed here.
    """

    def decorate(application: Application) -> Application:
        def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            try:
                guard.check(claims_of(environ), requirement)
            except Refused as refusal:
                return _refused(guard, refusal, start_response)
            return application(environ, start_response)

        return guarded

    return decorate


def claims_of(environ: dict[str, Any]) -> Claims:
    """The claims of a request.

    Raises:
        NoCredentials: it has none: the middleware isn't there, or the path is an open one.
    """
    claims = environ.get(CLAIMS)
    if not isinstance(claims, Claims):
        raise NoCredentials("An access token is needed.")
    return claims


def _refused(
    guard: Guard, refusal: Refused | ProviderUnavailable, start_response: Callable[..., Any]
) -> Iterable[bytes]:
    reply = guard.reply(refusal)
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(reply.headers))
    return []
