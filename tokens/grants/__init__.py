"""What token requests rest on (RFC 6749 §4). One module a grant type; discovery lists this registry."""

from datetime import datetime
from typing import Any, Protocol

from accounts.visit import Visit
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.grants.authorization_code import AuthorizationCode
from tokens.grants.client_credentials import ClientCredentials
from tokens.grants.device_code import DeviceCode
from tokens.grants.refresh_token import RefreshToken
from tokens.models import Client
from tokens.vocabulary import GrantType


class Grant(Protocol):
    """Decides about one kind of request; it never sees the raw form, and makes no tokens."""

    type: GrantType

    # The request is the one that `parameters` makes for this type, and each module says which that is.
    def authorize(self, request: Any, *, client: Client, realm: Realm, now: datetime, visit: Visit) -> Authorization:
        """What is granted.

        Arguments:
            visit: how the client shows itself: the key that it proved, and whence it came.

        Raises:
            OAuthError: nothing is.
        """
        ...


GRANTS: tuple[Grant, ...] = (AuthorizationCode(), RefreshToken(), ClientCredentials(), DeviceCode())
BY_TYPE = {grant.type: grant for grant in GRANTS}
