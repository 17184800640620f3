"""What becomes of a token after its making: introspection (RFC 7662) and revocation (RFC 7009)."""

from collections.abc import Mapping
from datetime import UTC, datetime

from realms.models import Realm
from tokens.errors import InvalidGrant, UnauthorizedClient
from tokens.models import Client
from tokens.parameters import parse_presented_token
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response
from tokens.selectors import grant_of, is_grant_of_another
from tokens.services.access_tokens import audience_in, has_the_form_of_one, is_alive, spent_name, trusted_claims
from tokens.services.client_authentication import authenticate
from tokens.services.revocation import end_grant
from tokens.services.spent_tokens import spend
from tokens.services.tagging import open_refresh_token
from tokens.vocabulary import ClientKind, RevocationReason, token_type

_ANOTHERS = "The token was issued to another client."
INACTIVE: Mapping[str, object] = {"active": False}
# What a resource server learns; all of it stands in the token already.
_MEMBERS = (
    "iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "auth_time", "acr", "amr", "sid", "roles",
    "device_trust", "cnf",
)  # fmt: skip


def introspect(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """Whether a token is good at this moment; for everything that is not, the answer is the same (RFC 7662 §2.2).

    Arguments:
        request: `POST /introspect`.
        realm: whose token and client.
        now: aware time of the request.

    Raises:
        InvalidClient, InvalidRequest: the client is not who it says, or the request is malformed.
        UnauthorizedClient: the client serves no audience.
        KeysError: the keys can't be read.
    """
    asked = parse_presented_token(request)
    client = authenticate(asked.client, realm=realm, now=now)
    if client.kind != ClientKind.CONFIDENTIAL or not client.introspects:
        raise UnauthorizedClient("This client may not introspect tokens.", detail="introspection")
    claims = trusted_claims(asked.token, realm=realm, now=now)
    if claims is None or not audience_in(claims) & set(client.introspects):
        return json_response(INACTIVE)
    if not is_alive(claims, realm=realm, now=now):
        return json_response(INACTIVE)
    members = {name: claims[name] for name in _MEMBERS if name in claims}
    return json_response({"active": True, "token_type": token_type(bound="cnf" in claims), **members})


def revoke(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """Revoke a client's own token: an access token by its id, a refresh token with its whole grant (RFC 7009 §2.1).

    A token that is unknown or no longer good changes nothing, and the answer is the same (§2.2). One that is good
    and somebody else's is an error, so that a client learns of its mistake and doesn't take it for revoked.

    Arguments and errors are those of `introspect`, but for the right to introspect.

    Raises:
        InvalidGrant: the token was issued to another client.
    """
    asked = parse_presented_token(request)
    client = authenticate(asked.client, realm=realm, now=now)
    if has_the_form_of_one(asked.token):
        _revoke_access_token(asked.token, client, realm=realm, now=now)
    else:
        _revoke_refresh_token(asked.token, client, realm=realm, now=now)
    return json_response({})


def _revoke_access_token(token: str, client: Client, *, realm: Realm, now: datetime) -> None:
    claims = trusted_claims(token, realm=realm, now=now)
    if claims is None:
        return
    if claims.get("client_id") != client.client_id:
        raise InvalidGrant(_ANOTHERS, detail="another_client")
    spend(spent_name(claims, realm), expires_at=datetime.fromtimestamp(claims["exp"], UTC))


def _revoke_refresh_token(token: str, client: Client, *, realm: Realm, now: datetime) -> None:
    try:
        grant_id, _generation = open_refresh_token(token, realm=realm, now=now)
    except InvalidGrant:
        return
    standing = grant_of(grant_id, realm_id=realm.pk, client_id=client.client_id)
    if standing is not None:
        end_grant(
            grant=standing.grant,
            realm=realm,
            reason=RevocationReason.REVOKED,
            actor=f"client:{client.client_id}",
            now=now,
        )
    elif is_grant_of_another(grant_id, realm_id=realm.pk, client_id=client.client_id, now=now):
        raise InvalidGrant(_ANOTHERS, detail="another_client")
