"""The token endpoint (RFC 6749 §3.2): who asks, on what it rests, what is made; in this order, for all grant types."""

import logging
from dataclasses import replace
from datetime import datetime

from realms.models import Realm
from tokens import resources
from tokens.errors import UnauthorizedClient
from tokens.grants import BY_TYPE
from tokens.parameters import parse_token_request
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response
from tokens.services.client_authentication import authenticate
from tokens.services.issuance import issue

logger = logging.getLogger("signet.tokens")


def exchange(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """Tokens for a client.

    Arguments:
        request: `POST /token`.
        realm: whose client asks.
        now: aware time of the request.

    Raises:
        OAuthError: the request is refused.
        KeysError: no key may sign now.
    """
    asked = parse_token_request(request)
    client = authenticate(asked.client, realm=realm, now=now)
    if asked.grant_type not in client.grant_types:
        raise UnauthorizedClient("This client may not use this grant type.", detail="grant_type")
    # What the client may never have is refused before a code or a refresh token is spent on it.
    resources.within(asked.resources, (*client.resources, realm.issuer))
    authorization = BY_TYPE[asked.grant_type].authorize(asked.grant, client=client, realm=realm, now=now)
    audience = resources.narrowed(asked.resources, authorization.audience, issuer=realm.issuer)
    tokens = issue(replace(authorization, audience=audience), realm=realm, now=now)
    logger.info("token.issued realm=%s client=%s grant_type=%s", realm.slug, client.client_id, asked.grant_type)
    return json_response(tokens.members())
