"""Django REST framework: an authentication class, and permissions that say what a view needs.

Settings: `SIGNET_GUARD`, as in `signet_verifier.django`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from signet_verifier.claims import Claims
from signet_verifier.django import admit, guard
from signet_verifier.errors import NoCredentials, ProviderUnavailable, Refused
from signet_verifier.requirement import requirement


@dataclass(frozen=True, slots=True)
class TokenUser:
    """Who a request comes from: `request.user`. There is no row behind it.

    Attributes:
        claims: of the token.
    """

    claims: Claims
    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def pk(self) -> str:
        """The subject, by which throttles tell people apart."""
        return self.claims.subject

    def __str__(self) -> str:
        """The subject."""
        return self.claims.subject


class Challenge(APIException):
    """A refusal with its challenge, whatever its status."""

    def __init__(self, refusal: Refused | ProviderUnavailable) -> None:
        super().__init__(detail=str(refusal), code=getattr(refusal, "error", "") or "unavailable")
        self.status_code = refusal.status
        if isinstance(refusal, Refused):
            self.auth_header = refusal.challenge(guard().realm)
        else:
            self.wait = refusal.retry_after


class SignetAuthentication(BaseAuthentication):
    """`request.user` is a `TokenUser`, `request.auth` the claims."""

    def authenticate(self, request: Request) -> tuple[TokenUser, Claims] | None:
        """Who it is; None where no access token came, so that another class may look.

        Raises:
            Challenge: the token is not good.
        """
        try:
            claims = admit(request._request)
        except NoCredentials:
            return None
        except (Refused, ProviderUnavailable) as refusal:
            raise Challenge(refusal) from None
        return TokenUser(claims), claims

    def authenticate_header(self, _request: Request) -> str:
        """The challenge where nobody came."""
        return NoCredentials().challenge(guard().realm)


def requires(
    *,
    scopes: str | Iterable[str] = (),
    roles: str | Iterable[str] = (),
    acr: str | Iterable[str] = (),
    device_trust: int = 0,
    max_age: int | None = None,
) -> type[BasePermission]:
    """A permission class: a good token, and what it has to say. Arguments: see `signet_verifier.Requirement`."""
    wanted = requirement(scopes=scopes, roles=roles, acr=acr, device_trust=device_trust, max_age=max_age)

    class Required(BasePermission):
        """Holds the claims against the requirement."""

        def has_permission(self, request: Request, _view: APIView) -> bool:
            """Whether there are claims.

            Raises:
                Challenge: they are not enough.
            """
            claims: Any = request.auth
            if not isinstance(claims, Claims):
                return False
            try:
                guard().check(claims, wanted)
            except Refused as refusal:
                raise Challenge(refusal) from None
            return True

    return Required
