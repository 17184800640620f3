"""`/token`, `/introspect` and `/revoke`: what clients call on their own."""

from django.utils import timezone

from realms.models import Realm
from tokens.protocol import ProtocolRequest, ProtocolResponse
from tokens.services import introspection, token_endpoint, userinfo
from tokens.views.base import ProtocolView


class TokenView(ProtocolView):
    """The token endpoint."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `token_endpoint.exchange`."""
        return token_endpoint.exchange(request, realm=realm, now=timezone.now())


class UserinfoView(ProtocolView):
    """Who the person is."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `userinfo.userinfo`."""
        return userinfo.userinfo(request, realm=realm, now=timezone.now())


class IntrospectionView(ProtocolView):
    """Token introspection."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `introspection.introspect`."""
        return introspection.introspect(request, realm=realm, now=timezone.now())


class RevocationView(ProtocolView):
    """Token revocation."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `introspection.revoke`."""
        return introspection.revoke(request, realm=realm, now=timezone.now())
