"""client_credentials: a client asks for itself (RFC 6749 §4.4). It writes no row, and gets nothing to refresh."""

from datetime import datetime

from accounts.visit import Visit
from realms.models import Realm
from tokens import resources, scopes
from tokens.authorization import Authorization
from tokens.claims import shorter
from tokens.errors import UnauthorizedClient
from tokens.models import Client
from tokens.parameters import ClientCredentialsRequest
from tokens.vocabulary import ClientKind, GrantType


class ClientCredentials:
    """A confidential client's own authority."""

    type = GrantType.CLIENT_CREDENTIALS

    def authorize(
        self, request: ClientCredentialsRequest, *, client: Client, realm: Realm, now: datetime, visit: Visit
    ) -> Authorization:
        """What the client may have of what it asked for; a scope about people is nothing for it.

        Raises:
            InvalidScope, InvalidTarget: it may not have that.
            UnauthorizedClient: it has proved nothing (RFC 6749 §4.4).
        """
        if client.kind != ClientKind.CONFIDENTIAL:
            raise UnauthorizedClient(detail="public")
        return Authorization(
            grant_id=None,
            issuer=realm.issuer,
            client_id=client.client_id,
            subject=client.client_id,
            audience=resources.within(request.resources, tuple(client.resources)) or (realm.issuer,),
            scopes=scopes.within(request.scopes, scopes.without_people(tuple(client.scopes))),
            auth_time=None,
            methods=(),
            roles=(),
            generation=0,
            rotated_at=now,
            expires_at=now + shorter(client.access_token_lifetime, realm.access_token_lifetime),
            access_token_alg=client.access_token_alg,
            opaque=client.opaque_access_tokens,
            jkt=visit.thumbprint,
        )
