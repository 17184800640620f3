"""The skin over the flows: HTTP in, `ProtocolRequest`; `ProtocolResponse`, HTTP out (RFC 9110)."""

import logging
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed as WrongMethod
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from keys.errors import KeysError
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG, realm_by_slug
from tokens.errors import (
    InvalidRequest,
    LengthRequired,
    MethodNotAllowed,
    NotFound,
    OAuthError,
    TemporarilyUnavailable,
    error_response,
)
from tokens.protocol import ProtocolRequest, ProtocolResponse
from tokens.reading import MAX_BODY

logger = logging.getLogger("signet.http")
_RETRY_SECONDS = 5


class FixedNegotiation(BaseContentNegotiation):
    """JSON, whatever the Accept header says: there is nothing else, and an error must be readable too."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> None:
        """None: flows parse their own body."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002  (DRF's)
    ) -> tuple[BaseRenderer, str]:
        """The first and only one."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type or ""


class JsonView(APIView):
    """A view whose every answer is JSON, refusals and outages included."""

    content_negotiation_class = FixedNegotiation
    http_method_names = []

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """A refusal or an outage as JSON; anything else is a fault of ours and goes on."""
        if isinstance(exc, OAuthError):
            if exc.detail:
                logger.info("request.refused error=%s detail=%s", type(exc).__name__, exc.detail)
            return to_http(error_response(exc))
        if isinstance(exc, WrongMethod):
            response = to_http(error_response(MethodNotAllowed()))
            response["Allow"] = ", ".join(self.allowed_methods)
            return response
        if isinstance(exc, UnreadablePostError):
            return to_http(error_response(InvalidRequest("The body broke off.")))
        if isinstance(exc, KeysError | OperationalError | InterfaceError):
            logger.error("request.unavailable cause=%s", type(exc).__name__)
            return to_http(error_response(TemporarilyUnavailable(retry_after=_RETRY_SECONDS)))
        raise exc


class ProtocolView(JsonView):
    """One endpoint below an issuer; its methods come from `tokens.endpoints`, its answer from `respond`."""

    @abstractmethod
    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """The answer to a request.

        Raises:
            OAuthError, KeysError, OperationalError: turned into an answer by `handle_exception`.
        """

    def get(self, request: Request, realm: str = DEFAULT_SLUG) -> HttpResponse:
        """Answer."""
        return self.answer(request, realm)

    def post(self, request: Request, realm: str = DEFAULT_SLUG) -> HttpResponse:
        """Answer."""
        return self.answer(request, realm)

    def answer(self, request: Request, slug: str) -> HttpResponse:
        """Find the realm and respond.

        Raises:
            NotFound: there is no such realm, or it is disabled.
        """
        found = realm_by_slug(slug)
        if found is None or not found.enabled:
            raise NotFound
        return to_http(self.respond(protocol_request(request), found))


def protocol_request(request: Request) -> ProtocolRequest:
    """What came in, as flows see it.

    Reads at most one byte more than any flow takes, so that a long body costs neither memory nor time.

    Raises:
        LengthRequired: the body comes in chunks.
    """
    return plain_request(request._request)


def plain_request(plain: HttpRequest) -> ProtocolRequest:
    """The same, of Django's own request.

    Raises:
        LengthRequired: the body comes in chunks.
    """
    if "Transfer-Encoding" in plain.headers:
        raise LengthRequired
    meta = plain.META
    return ProtocolRequest(
        method=plain.method or "",
        path=plain.path,
        query=str(meta.get("QUERY_STRING", "")),
        headers={name.lower(): value for name, value in plain.headers.items()},
        body=plain.read(MAX_BODY + 1),
        peer=str(meta.get("REMOTE_ADDR", "")),
    )


def to_http(response: ProtocolResponse) -> HttpResponse:
    """An answer, as Django sends it."""
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))
