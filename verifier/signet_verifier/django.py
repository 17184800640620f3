"""Django: a middleware that verifies, and decorators that say what a view needs.

Settings: `SIGNET_GUARD`, a `signet_verifier.Guard`. Making one fetches nothing, so settings may.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from signet_verifier.claims import Claims
from signet_verifier.errors import NoCredentials, ProviderUnavailable, Refused
from signet_verifier.guard import Guard
from signet_verifier.requirement import requirement

_ATTRIBUTE = "signet_claims"
View = Callable[..., Any]


def guard() -> Guard:
    """The service's guard.

    Raises:
        ImproperlyConfigured: there is none in the settings.
    """
    found = getattr(settings, "SIGNET_GUARD", None)
    if not isinstance(found, Guard):
        raise ImproperlyConfigured("SIGNET_GUARD has to be a signet_verifier.Guard.")
    return found


def admit(request: HttpRequest) -> Claims:
    """The claims of a request that may go on.

    Raises:
        Refused: with its answer.
        ProviderUnavailable: nobody can say now.
    """
    header = request.META.get("HTTP_AUTHORIZATION")
    return guard().admit([] if header is None else [header], request.META.get("QUERY_STRING", ""))


def claims_of(request: HttpRequest) -> Claims:
    """The claims that the middleware or a decorator verified.

    Raises:
        NoCredentials: the request has none.
    """
    claims = getattr(request, _ATTRIBUTE, None)
    if not isinstance(claims, Claims):
        raise NoCredentials("An access token is needed.")
    return claims


def answer_to(refusal: Refused | ProviderUnavailable) -> HttpResponse:
    """What the client is answered."""
    reply = guard().reply(refusal)
    return HttpResponse(status=reply.status, headers=dict(reply.headers))


class SignetMiddleware:
    """Verifies the token of every request that brings one; a bad one is answered here.

    A request without credentials goes on without claims, and a view with `requires` refuses it.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """The view's answer, or the refusal."""
        if self._is_async:
            return self._async(request)
        return _let_in_or_refuse(request) or self._get_response(request)

    async def _async(self, request: HttpRequest) -> HttpResponseBase:
        refused = await sync_to_async(_let_in_or_refuse, thread_sensitive=False)(request)
        return refused or await cast("Awaitable[HttpResponseBase]", self._get_response(request))


def _let_in_or_refuse(request: HttpRequest) -> HttpResponse | None:
    try:
        setattr(request, _ATTRIBUTE, admit(request))
    except NoCredentials:
        setattr(request, _ATTRIBUTE, None)
    except (Refused, ProviderUnavailable) as refusal:
        return answer_to(refusal)
    return None


def requires(
    *,
    scopes: str | Iterable[str] = (),
    roles: str | Iterable[str] = (),
    acr: str | Iterable[str] = (),
    device_trust: int = 0,
    max_age: int | None = None,
) -> Callable[[View], View]:
    """A decorator of a view, sync or async: a good token, and what it has to say.

    It verifies by itself where the middleware isn't there. Arguments: see `signet_verifier.Requirement`.
    """
    wanted = requirement(scopes=scopes, roles=roles, acr=acr, device_trust=device_trust, max_age=max_age)

    def refused(request: HttpRequest) -> HttpResponse | None:
        try:
            if not hasattr(request, _ATTRIBUTE):
                setattr(request, _ATTRIBUTE, admit(request))
            guard().check(claims_of(request), wanted)
        except (Refused, ProviderUnavailable) as refusal:
            return answer_to(refusal)
        return None

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return refused(request) or view(request, *args, **kwargs)

        @wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            answer = await sync_to_async(refused, thread_sensitive=False)(request)
            return answer or await view(request, *args, **kwargs)

        return guarded_async if iscoroutinefunction(view) else guarded

    return decorate


def requires_scopes(*scopes: str) -> Callable[[View], View]:
    """All of these scopes."""
    return requires(scopes=scopes)


def requires_roles(*roles: str) -> Callable[[View], View]:
    """One of these roles."""
    return requires(roles=roles)


def requires_acr(*acr: str, max_age: int | None = None) -> Callable[[View], View]:
    """One of these classes of sign-in, or a surer one; at most so many seconds ago (RFC 9470)."""
    return requires(acr=acr, max_age=max_age)


def requires_device_trust(least: int) -> Callable[[View], View]:
    """A device that is trusted at least so far, 0 to 100."""
    return requires(device_trust=least)
