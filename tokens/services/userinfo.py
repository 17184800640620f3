"""What an access token lets a client know of a person (OpenID Connect Core §5.3, RFC 6750 §2)."""

from datetime import datetime

from accounts.claims import standard_claims
from accounts.selectors import person_facts
from realms.models import Realm
from tokens.errors import InsufficientScope, InvalidToken
from tokens.parameters import parse_bearer_token
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response
from tokens.scopes import OPENID
from tokens.services.access_tokens import audience_in, standing_of, trusted_claims


def userinfo(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """The claims of the person that the token's scopes name.

    Arguments:
        request: `/userinfo`, with the token in the header or in the form.
        realm: whose token it has to be.
        now: aware time of the request.

    Raises:
        InvalidToken: missing, expired, revoked, for another audience, or of a client alone.
        InsufficientScope: it lacks `openid`.
        InvalidRequest: the token is there twice, or in the address.
        KeysError: the keys can't be read.
    """
    claims = trusted_claims(parse_bearer_token(request), realm=realm, now=now)
    if claims is None or realm.issuer not in audience_in(claims):
        raise InvalidToken(detail="untrusted")
    scopes = frozenset(str(claims.get("scope", "")).split(" "))
    if OPENID not in scopes:
        raise InsufficientScope
    standing = standing_of(claims, realm=realm, now=now)
    if standing is None:
        raise InvalidToken(detail="ended")
    person = standing.grant.user
    found = standard_claims(person_facts(person), scopes=scopes, requested=frozenset())
    return json_response({"sub": person.subject, **found})
