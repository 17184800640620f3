"""What stands above the realms: the front page, and the probes of whoever runs the server."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.views.defaults import page_not_found, server_error
from rest_framework.request import Request

from accounts.views.page import language_of
from idp_project import audit_seals, metrics
from keys import api
from keys.errors import DeadKeysUnreadable
from keys.overview import what_is_overdue
from keys.services.restore_marks import restored
from tokens.endpoints import directory
from tokens.errors import NotFound
from tokens.protocol import json_response
from tokens.views.base import JsonView, to_http


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for an address that there isn't, in the person's language (`handler404`)."""
    return _in_their_language(request, lambda: page_not_found(request, exception))


def broken(request: HttpRequest) -> HttpResponse:
    """The page for a fault of ours, in the person's language (`handler500`)."""
    return _in_their_language(request, lambda: server_error(request))


def _in_their_language(request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
    _chosen, language = language_of(request)
    with translation.override(language):
        response = answer()
    response["Content-Language"] = language
    patch_vary_headers(response, ["Accept-Language"])
    return response


class FrontView(JsonView):
    """`/`: a small page for a browser, JSON for a program."""

    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:
        """Answer what the Accept header prefers; JSON where it has no preference."""
        plain: HttpRequest = request._request
        said = directory(settings.IDP_ISSUER)
        if plain.get_preferred_type(["application/json", "text/html"]) == "text/html":
            response = render(plain, "signet/index.html", {"directory": said})
        else:
            response = to_http(json_response(said))
        patch_vary_headers(response, ["Accept"])
        return response


class LiveView(JsonView):
    """`/livez`: the process answers; restart it when it doesn't."""

    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002
        """Ok."""
        return to_http(json_response({"status": "ok"}))


class ReadyView(JsonView):
    """`/readyz`: the database answers and every ring has a key that can be used; send no requests when not.

    Degraded is still 200: somebody has to look why a step of a timetable wasn't done, or why a custodian doesn't
    answer. To take a worker away for that would take the JWKS away too, and every other ring.
    """

    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002
        """Ok; degraded, with what is overdue and who is away; or 503 with the names of what is missing."""
        now = timezone.now()
        missing, away = _missing(now)
        if missing:
            return to_http(json_response({"status": "unavailable", "missing": [*missing, *away]}, status=503))
        found = {"overdue": _overdue(now), "away": away}
        wrong = {name: said for name, said in found.items() if said}
        return to_http(json_response({"status": "degraded", **wrong} if wrong else {"status": "ok"}))


class MetricsView(JsonView):
    """`/metrics`: numbers for Prometheus, for whoever has the token; without one the address isn't there."""

    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:
        """The numbers of this moment, or 404."""
        if not metrics.may_read(request.headers.get("Authorization", "")):
            raise NotFound
        return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE, headers=_NOT_STORED)


_NOT_STORED = {"Cache-Control": "no-store"}


def _overdue(now: datetime) -> list[str]:
    try:
        late, further = what_is_overdue(now), [_gone_back(), audit_seals.overdue(now)]
    except (DatabaseError, InterfaceError):  # it was there a moment ago, and the next probe says so
        return []
    steps = [f"{ring.realm.slug} {ring}: {due.sentence()}" for ring, found in late.items() for due in found]
    return [*steps, *filter(None, further)]


def _gone_back() -> str:
    """Whether a dump was restored and the epoch not raised; "" where all is well."""
    try:
        return restored()
    except DeadKeysUnreadable as error:
        return str(error)


def _missing(now: datetime) -> tuple[list[str], list[str]]:
    """What is missing in this worker; and the rings that can't sign because a custodian doesn't."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found = api.readiness(now)
    except (DatabaseError, InterfaceError):
        return ["database"], []
    if not found:
        return ["key rings"], []
    named = [(ring, f"{ring.realm} {ring.purpose} {ring.algorithm}: {ring.detail}") for ring in found if not ring.ready]
    return [name for ring, name in named if not ring.away], [name for ring, name in named if ring.away]
