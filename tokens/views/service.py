"""What the service says about itself: discovery (OpenID Connect Discovery §4), `/connect` and `/health`."""

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from realms.models import Realm
from realms.selectors import DEFAULT_SLUG
from tokens.endpoints import directory, metadata
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response
from tokens.services.discovery import offered
from tokens.views.base import ProtocolView, to_http

_OK = json_response({"status": "ok"})
_PUBLIC = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


class DiscoveryView(ProtocolView):
    """The discovery document of a realm."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:  # noqa: ARG002
        """Only what works, from the realm's row."""
        return json_response(metadata(realm.issuer, offered(realm, now=timezone.now())), headers=_PUBLIC)


class ConnectView(ProtocolView):
    """The directory of the service."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:  # noqa: ARG002
        """Where everything is."""
        return json_response(directory(realm.issuer))


class HealthView(ProtocolView):
    """Whether the process answers; at the root it asks neither the database nor the keys."""

    def answer(self, request: Request, slug: str) -> HttpResponse:
        """Ok; for a realm only where there is one."""
        return to_http(_OK) if slug == DEFAULT_SLUG else super().answer(request, slug)

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:  # noqa: ARG002
        """Ok."""
        return _OK
