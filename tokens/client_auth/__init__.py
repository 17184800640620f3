"""How clients prove who they are (RFC 6749 §2.3). One module a method; discovery lists this registry."""

from datetime import datetime
from typing import Protocol

from realms.models import Realm
from tokens.client_auth.none import Public
from tokens.client_auth.private_key_jwt import PrivateKeyJwt
from tokens.client_auth.secret import Secret
from tokens.models import Client
from tokens.parameters import PresentedClient
from tokens.vocabulary import AuthMethod


class Method(Protocol):
    """One way of proving."""

    @property
    def name(self) -> AuthMethod:
        """By which it is registered."""
        ...

    def claimed_id(self, presented: PresentedClient) -> str:
        """The client_id that is claimed; "" where there is none."""
        ...

    def proves(self, client: Client | None, presented: PresentedClient, *, realm: Realm, now: datetime) -> bool:
        """Whether the client is who it says; for an unknown client as much work, and False."""
        ...


METHODS: tuple[Method, ...] = (Secret(AuthMethod.BASIC), Secret(AuthMethod.POST), PrivateKeyJwt(), Public())
BY_NAME = {method.name: method for method in METHODS}
