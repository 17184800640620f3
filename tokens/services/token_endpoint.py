"""The token endpoint (RFC 6749 §3.2): who asks, on what it rests, what is made; in this order, for all grant types."""

import logging
from dataclasses import replace
from datetime import datetime

from accounts.device_cookie import visit_from
from realms.models import Realm
from tokens import resources
from tokens.endpoints import TOKEN
from tokens.errors import UnauthorizedClient
from tokens.grants import BY_TYPE
from tokens.models import Client
from tokens.parameters import RefreshGrantRequest, TokenRequest, parse_token_request
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response
from tokens.scopes import OPENID
from tokens.services.client_authentication import authenticate
from tokens.services.issuance import check_keys, issue
from tokens.services.possession import proof_in, refuse_unproved, take
from tokens.vocabulary import GrantType

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
    proof = proof_in(request, endpoint=TOKEN, realm=realm, now=now)
    client = authenticate(asked.client, realm=realm, now=now)
    refuse_unproved(proof, client)
    if asked.grant_type not in client.grant_types:
        raise UnauthorizedClient("This client may not use this grant type.", detail="grant_type")
    # What the client may never have is refused before a code or a refresh token is spent on it, and so is what no key
    # could sign: whoever came again later than a moment would be taken for a thief.
    resources.within(asked.resources, (*client.resources, realm.issuer))
    check_keys(*_algorithms(asked, client), realm=realm, now=now)
    visit = visit_from(request.headers, address=request.peer, thumbprint=take(proof, realm=realm))
    handler = BY_TYPE[asked.grant_type]
    authorization = handler.authorize(asked.grant, client=client, realm=realm, now=now, visit=visit)
    audience = resources.narrowed(asked.resources, authorization.audience, issuer=realm.issuer)
    tokens = issue(replace(authorization, audience=audience), realm=realm, now=now)
    logger.info("token.issued realm=%s client=%s grant_type=%s", realm.slug, client.client_id, asked.grant_type)
    return json_response(tokens.members())


def _algorithms(asked: TokenRequest, client: Client) -> list[str]:
    """How the tokens of a request may have to be signed; an ID token is about a person who can be asked for."""
    found = [] if client.opaque_access_tokens else [client.access_token_alg]
    scopes = asked.grant.scopes if isinstance(asked.grant, RefreshGrantRequest) else client.scopes
    about_a_person = asked.grant_type is not GrantType.CLIENT_CREDENTIALS and OPENID in scopes
    return [*found, client.id_token_alg] if about_a_person else found
