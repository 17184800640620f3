"""What has to hold between an authorization request and the client that makes it: small rules, in this order."""

from collections.abc import Callable

from tokens import resources
from tokens.authorization_request import AuthorizationRequest
from tokens.errors import AuthorizationRefused, InvalidTarget
from tokens.models import Client
from tokens.scopes import OFFLINE_ACCESS
from tokens.vocabulary import ClientKind, GrantType

Check = Callable[[AuthorizationRequest, Client], None]


def may_use_codes(request: AuthorizationRequest, client: Client) -> None:  # noqa: ARG001
    """The client is registered for the grant type (RFC 6749 §4.1.2.1, unauthorized_client)."""
    if GrantType.AUTHORIZATION_CODE not in client.grant_types:
        raise AuthorizationRefused("unauthorized_client", "This client may not use authorization codes.")


def scopes_are_registered(request: AuthorizationRequest, client: Client) -> None:
    """The client asks for no more than it may have (RFC 6749 §3.3)."""
    if not set(request.scopes) <= set(client.scopes):
        raise AuthorizationRefused("invalid_scope", "The scope goes beyond what this client may have.")


def resources_are_registered(request: AuthorizationRequest, client: Client) -> None:
    """The client asks for audiences that it may have (RFC 8707 §2.1)."""
    try:
        resources.within(request.resources, tuple(client.resources))
    except InvalidTarget as error:
        raise AuthorizationRefused("invalid_target", error.public) from error


def proves_possession(request: AuthorizationRequest, client: Client) -> None:
    """PKCE for public clients, and for all others unless they are registered otherwise (RFC 9700 §2.1.1)."""
    if not request.code_challenge and (client.require_pkce or client.kind == ClientKind.PUBLIC):
        raise AuthorizationRefused("invalid_request", "The parameter code_challenge is missing (RFC 7636, S256).")


CHECKS: tuple[Check, ...] = (may_use_codes, scopes_are_registered, resources_are_registered, proves_possession)


def granted_scopes(request: AuthorizationRequest, client: Client) -> tuple[str, ...]:
    """What can be granted of what was asked for: nothing to refresh for a client that can't refresh."""
    asked = request.scopes or tuple(scope for scope in client.scopes if scope != OFFLINE_ACCESS)
    if GrantType.REFRESH_TOKEN in client.grant_types:
        return asked
    return tuple(scope for scope in asked if scope != OFFLINE_ACCESS)
