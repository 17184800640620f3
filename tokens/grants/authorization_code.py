"""authorization_code: what a person allowed, fetched once (RFC 6749 §4.1.3)."""

from datetime import datetime

from accounts.visit import Visit
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.models import Client
from tokens.parameters import CodeRequest
from tokens.services.codes import redeem_code
from tokens.vocabulary import GrantType


class AuthorizationCode:
    """A code from the authorization endpoint."""

    type = GrantType.AUTHORIZATION_CODE

    def authorize(
        self, request: CodeRequest, *, client: Client, realm: Realm, now: datetime, visit: Visit
    ) -> Authorization:
        """What the code's grant says.

        Raises:
            InvalidGrant: the code is not honoured.
        """
        return redeem_code(
            request.code,
            redirect_uri=request.redirect_uri,
            code_verifier=request.code_verifier,
            realm=realm,
            client=client,
            now=now,
            visit=visit,
        )
