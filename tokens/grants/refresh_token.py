"""refresh_token: the next tokens of a grant (RFC 6749 §6); the scope may shrink, never grow."""

from dataclasses import replace
from datetime import datetime

from accounts.visit import Visit
from realms.models import Realm
from tokens import scopes
from tokens.authorization import Authorization
from tokens.models import Client
from tokens.parameters import RefreshGrantRequest
from tokens.services.refresh import redeem
from tokens.services.tagging import open_refresh_token
from tokens.vocabulary import GrantType


class RefreshToken:
    """A handle to a grant's newest generation."""

    type = GrantType.REFRESH_TOKEN

    def authorize(
        self, request: RefreshGrantRequest, *, client: Client, realm: Realm, now: datetime, visit: Visit
    ) -> Authorization:
        """What the grant says, for the scopes that are asked for this time.

        An ID token comes along only where the request names `openid`: an RS256 signature with 4096 bits
        costs more than all the rest. It has no nonce, which was for the answer to the authorization request
        (OpenID Connect Core §12.2).

        Raises:
            InvalidGrant: the refresh token is not honoured.
            InvalidScope: the request asks for more than was granted; the grant was turned all the same.
        """
        grant_id, generation = open_refresh_token(request.refresh_token, realm=realm, now=now)
        wanted = scopes.OPENID in request.scopes
        granted = redeem(grant_id, generation, realm=realm, client=client, now=now, visit=visit, with_id_token=wanted)
        return replace(granted, scopes=scopes.within(request.scopes, granted.scopes), nonce="")
