"""`/auth`, `/auth/mfa`, `/auth/refresh` and `/auth/logout`: first-party direct sign-in."""

from django.utils import timezone

from realms.models import Realm
from tokens.protocol import ProtocolRequest, ProtocolResponse
from tokens.services import direct
from tokens.views.base import ProtocolView


class SignInView(ProtocolView):
    """Tokens for a name and a password."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `direct.sign_in`."""
        return direct.sign_in(request, realm=realm, now=timezone.now())


class SecondFactorView(ProtocolView):
    """Tokens for a challenge and a code."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `direct.complete`."""
        return direct.complete(request, realm=realm, now=timezone.now())


class RefreshView(ProtocolView):
    """The next tokens for a refresh token."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `direct.refresh`."""
        return direct.refresh(request, realm=realm, now=timezone.now())


class LogoutView(ProtocolView):
    """The end of a grant."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `direct.logout`."""
        return direct.logout(request, realm=realm, now=timezone.now())
