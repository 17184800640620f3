"""What has to hold between an authorization request and the client that makes it: small rules, in this order."""

from collections.abc import Callable

from tokens import resources, scopes
from tokens.authorization_request import AuthorizationRequest
from tokens.errors import AuthorizationRefused, InvalidScope, InvalidTarget
from tokens.models import Client
from tokens.scopes import OPENID
from tokens.vocabulary import ClientKind, GrantType

Check = Callable[[AuthorizationRequest, Client], None]


def may_use_the_response_type(request: AuthorizationRequest, client: Client) -> None:
    """The client is registered for what it asks for (RFC 6749 §4.1.2.1, unauthorized_client)."""
    if request.response_type not in client.response_types:
        raise AuthorizationRefused("unauthorized_client", "This client may not use this response_type.")


def binds_the_id_token(request: AuthorizationRequest, client: Client) -> None:  # noqa: ARG001
    """An ID token through the browser needs `openid` and a nonce (OpenID Connect Core §3.2.2.1, §3.3.2.11)."""
    if not request.response_type.has_id_token:
        return
    if OPENID not in request.scopes:
        raise AuthorizationRefused("invalid_request", "An ID token needs the scope openid.")
    if not request.nonce:
        raise AuthorizationRefused("invalid_request", "An ID token through the browser needs a nonce.")


def scopes_are_registered(request: AuthorizationRequest, client: Client) -> None:
    """The client asks for no more than it may have (RFC 6749 §3.3)."""
    granted_scopes(request, client)


def resources_are_registered(request: AuthorizationRequest, client: Client) -> None:
    """The client asks for audiences that it may have (RFC 8707 §2.1)."""
    try:
        resources.within(request.resources, tuple(client.resources))
    except InvalidTarget as error:
        raise AuthorizationRefused("invalid_target", error.public) from error


def proves_possession(request: AuthorizationRequest, client: Client) -> None:
    """PKCE for public clients, and for all others unless they are registered otherwise (RFC 9700 §2.1.1)."""
    if not request.response_type.has_code or request.code_challenge:
        return
    if client.require_pkce or client.kind == ClientKind.PUBLIC:
        raise AuthorizationRefused("invalid_request", "The parameter code_challenge is missing (RFC 7636, S256).")


CHECKS: tuple[Check, ...] = (
    may_use_the_response_type,
    binds_the_id_token,
    scopes_are_registered,
    resources_are_registered,
    proves_possession,
)


def granted_scopes(request: AuthorizationRequest, client: Client) -> tuple[str, ...]:
    """What can be granted of what was asked for: nothing to refresh without a code, or for a client that can't.

    So says OpenID Connect Core §11.

    Raises:
        AuthorizationRefused: something goes beyond what the client may have, or nothing is left.
    """
    refreshes = request.response_type.has_code and GrantType.REFRESH_TOKEN in client.grant_types
    try:
        return scopes.grantable(request.scopes, tuple(client.scopes), refreshes=refreshes)
    except InvalidScope as error:
        raise AuthorizationRefused("invalid_scope", error.public) from error
