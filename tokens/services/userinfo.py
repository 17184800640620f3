"""What an access token lets a client know of a person (OpenID Connect Core §5.3, RFC 6750 §2)."""

from datetime import datetime

from accounts.claims import standard_claims
from accounts.selectors import person_facts
from realms.models import Realm
from tokens.claims_request import USERINFO
from tokens.errors import InsufficientScope, InvalidToken
from tokens.models import Grant
from tokens.parameters import parse_bearer_token
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response, jwt_response
from tokens.scopes import OPENID
from tokens.services.access_tokens import audience_in, standing_of, trusted_claims
from tokens.services.issuance import userinfo_token
from tokens.services.live_grants import subject_for


def userinfo(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """The claims of the person that the token's scopes name, and those that were asked for one by one.

    Arguments:
        request: `/userinfo`, with the token in the header or in a posted form.
        realm: whose token it has to be.
        now: aware time of the request.

    Returns:
        JSON; a signed JWT for a client that registered an algorithm for it (§5.3.2).

    Raises:
        MissingToken: there is none.
        InvalidToken: expired, revoked, for another audience, or of a client alone.
        InsufficientScope: it lacks `openid`.
        InvalidBearerRequest, BodyTooLarge, UnsupportedMediaType: the token is there twice, or in the address.
        KeysError: the keys can't be read, or none may sign now.
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
    told = _told_of(standing.grant, scopes, realm)
    client = standing.grant.client
    if not client.userinfo_alg:
        return json_response(told)
    return jwt_response(userinfo_token(told, client=client, realm=realm, now=now))


def _told_of(grant: Grant, scopes: frozenset[str], realm: Realm) -> dict[str, object]:
    """The person's claims, and what this client knows them by (§5.3.2, §8)."""
    requested = frozenset(grant.claims.get(USERINFO, ()))
    found = standard_claims(person_facts(grant.user), scopes=scopes, requested=requested)
    return {"sub": subject_for(grant.user.subject, client=grant.client, realm=realm), **found}
