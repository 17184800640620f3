"""What token requests rest on (RFC 6749 §4). One module a grant type; discovery lists this registry."""

from datetime import datetime
from typing import Protocol

from realms.models import Realm
from tokens.authorization import Authorization
from tokens.grants.client_credentials import ClientCredentials
from tokens.models import Client
from tokens.parameters import ClientCredentialsRequest
from tokens.vocabulary import GrantType


class Grant(Protocol):
    """Decides about one kind of request; it never sees the raw form, and makes no tokens."""

    type: GrantType

    def authorize(
        self, request: ClientCredentialsRequest, *, client: Client, realm: Realm, now: datetime
    ) -> Authorization:
        """What is granted.

        Raises:
            OAuthError: nothing is.
        """
        ...


GRANTS: tuple[Grant, ...] = (ClientCredentials(),)
BY_TYPE = {grant.type: grant for grant in GRANTS}
