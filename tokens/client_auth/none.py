"""none: a public client only says who it is (RFC 6749 §2.1); its grants rest on PKCE."""

from datetime import datetime

from realms.models import Realm
from tokens.models import Client
from tokens.parameters import PresentedClient
from tokens.vocabulary import AuthMethod


class Public:
    """A client that can't keep a secret."""

    name = AuthMethod.NONE

    def claimed_id(self, presented: PresentedClient) -> str:
        """The client_id."""
        return presented.client_id

    def proves(self, client: Client | None, presented: PresentedClient, *, realm: Realm, now: datetime) -> bool:  # noqa: ARG002
        """There is nothing to prove."""
        return client is not None
