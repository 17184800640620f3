"""The JWK Set endpoint (RFC 7517 §5, RFC 9110 §13): ready bytes, a strong ETag, 304, HEAD."""

from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from keys import api
from keys.conf import periods
from keys.errors import HistoryUnavailable, PublishedSetUnavailable
from keys.history import MEMORY, histories
from keys.published_set import PublishedSet
from keys.services.noting import scribe
from realms.errors import UnknownRealm
from realms.selectors import DEFAULT_SLUG


class JwksView(APIView):
    """The public keys of a realm."""

    http_method_names = ["get", "head"]

    def perform_content_negotiation(
        self,
        request: Request,
        force: bool = True,  # noqa: ARG002, FBT001, FBT002  (the framework's signature)
    ) -> tuple[BaseRenderer, str]:
        """There is one form, whatever `Accept` and `?format` ask for: verifiers ask for all sorts of things."""
        return super().perform_content_negotiation(request, force=True)

    def get(self, request: Request, realm: str = DEFAULT_SLUG) -> HttpResponse:
        """The JWK Set; 304 where the caller has it, 503 where it can't be vouched for."""
        now = timezone.now()
        try:
            published = api.public_jwks(realm, now=now)
        except UnknownRealm as error:
            return JsonResponse({"error": "not_found", "error_description": str(error)}, status=404)
        except PublishedSetUnavailable as error:
            away = JsonResponse({"error": "temporarily_unavailable", "error_description": str(error)}, status=503)
            away["Retry-After"] = "5"
            return away
        response = HttpResponse(published.body, content_type="application/jwk-set+json")
        response["ETag"] = published.etag
        response["Cache-Control"] = f"public, max-age={int(periods().jwks_max_age.total_seconds())}"
        answer = _conditional(request._request, published.etag, response)
        answer["Access-Control-Allow-Origin"] = "*"  # public keys, for scripts of any site; on a 304 too
        if request.method == "GET":  # who asks for the head alone holds nothing afterwards
            _note(request._request, realm, published, now)
        return answer


def _note(request: HttpRequest, realm: str, published: PublishedSet, now: datetime) -> None:
    """Note who holds the set now. It is memory alone, and nothing here fails or waits."""
    scribe.fetched(
        realm,
        published,
        address=str(request.META.get("REMOTE_ADDR", "")),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
        if_none_match=request.META.get("HTTP_IF_NONE_MATCH", ""),
        at=now,
    )


class HistoryView(JwksView):
    """`/.well-known/jwks-history.json`: what became of the keys that the realm published, signed (off by default)."""

    def get(self, request: Request, realm: str = DEFAULT_SLUG) -> HttpResponse:
        """The compact JWS; 404 where it is off, 503 where it can't be made."""
        if not settings.IDP_JWKS_HISTORY:
            return JsonResponse({"error": "not_found", "error_description": "There is no such page."}, status=404)
        try:
            history = histories.at(realm, timezone.now())
        except UnknownRealm as error:
            return JsonResponse({"error": "not_found", "error_description": str(error)}, status=404)
        except HistoryUnavailable as error:
            away = JsonResponse({"error": "temporarily_unavailable", "error_description": str(error)}, status=503)
            away["Retry-After"] = "5"
            return away
        response = HttpResponse(history.body, content_type="application/jwt")
        response["ETag"] = history.etag
        response["Cache-Control"] = f"public, max-age={int(MEMORY.total_seconds())}"
        answer = _conditional(request._request, history.etag, response)
        answer["Access-Control-Allow-Origin"] = "*"
        return answer


def _conditional(request: HttpRequest, etag: str, response: HttpResponse) -> HttpResponse:
    answer = get_conditional_response(request, etag=etag, response=response)
    return answer if isinstance(answer, HttpResponse) else response
