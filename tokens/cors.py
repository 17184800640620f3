"""Whose scripts may read which answers (Fetch §3.2): the rows of `tokens.endpoints` and the origins of clients decide.

The library's middleware asks `may_be_read` by its signal and writes the headers; cookies play no part in it.
"""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from realms.selectors import DEFAULT_SLUG
from tokens.client_rules import is_origin
from tokens.endpoints import ENDPOINTS, Endpoint, Scripts
from tokens.selectors import origin_is_registered

logger = logging.getLogger("signet.http")
_BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
_NAMESPACES: tuple[list[str], ...] = ([], ["realm"])
_PREFLIGHT_SECONDS = "86400"  # of documents that anybody may read, which stay so


def may_be_read(sender: object, request: HttpRequest, **_named: object) -> bool:  # noqa: ARG001  (the signal's)
    """Whether the scripts of the request's origin may read its answer, because a client registered that origin.

    The library asks more than once; the database is asked at most once a request, and only for an origin
    that somebody could have registered. While the database is away nobody's scripts may read anything.
    """
    found: bool | None = getattr(request, "_may_be_read", None)
    if found is None:
        found = _is_registered(request)
        request._may_be_read = found  # type: ignore[attr-defined]
    return found


def _is_registered(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin")
    if origin is None or not is_origin(origin):
        return False
    endpoint, realm = _addressed(request)
    if endpoint is None or endpoint.scripts is not Scripts.REGISTERED:
        return False
    try:
        return origin_is_registered(realm=realm, origin=origin)
    except (OperationalError, InterfaceError) as error:
        logger.warning("cors.unavailable cause=%s", type(error).__name__)
        return False


class Preflights:
    """Around the library's middleware: what it can't say of each endpoint by itself.

    A document that anybody may read takes every preflight; it stays free of `Vary`, so that caches keep
    one answer for all. Elsewhere a preflight names the methods of the endpoint.

    Arguments:
        get_response: the rest of the chain.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the preflight of a public document, or go on."""
        if request.method != "OPTIONS" or "Origin" not in request.headers:
            return self._get_response(request)
        endpoint, _realm = _addressed(request)
        if endpoint is None:
            return self._get_response(request)
        methods = ", ".join(endpoint.methods)
        if endpoint.scripts is Scripts.ANYBODY and "Access-Control-Request-Method" in request.headers:
            return _for_anybody(methods)
        response = self._get_response(request)
        if "Access-Control-Allow-Methods" in response:
            response["Access-Control-Allow-Methods"] = methods
        return response


def _for_anybody(methods: str) -> HttpResponse:
    return HttpResponse(
        status=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": "*",
            "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        },
    )


def _addressed(request: HttpRequest) -> tuple[Endpoint | None, str]:
    """The endpoint that a request is for, None for any other page; and the slug of its realm."""
    try:
        match = resolve(request.path_info)
    except Resolver404:
        return None, ""
    endpoint = _BY_NAME.get(match.url_name or "") if match.namespaces in _NAMESPACES else None
    return endpoint, str(match.kwargs.get("realm", DEFAULT_SLUG))
