"""What a client registers, by the names of RFC 7591 §2, and what is wrong with it.

The command and the admin both come through here, so both refuse the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tokens import redirect_uris, resources, scopes
from tokens.errors import InvalidScope
from tokens.vocabulary import AuthMethod, ClientKind, GrantType

MAX_ITEMS = 50
MAX_ITEM = 500
MAX_TEXT = 2_000  # of a list that may come to stand in a token whole, and a token in a header
SHORTEST_LIFETIME = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """A client as it is registered.

    Attributes:
        auth_method: `token_endpoint_auth_method`, how it proves who it is; none makes it a public client.
        redirect_uris: where codes may go; compared letter by letter.
        post_logout_redirect_uris: where people may be sent after they signed out.
        first_party: whether people are spared the consent page.
        require_pkce: may be false for confidential clients alone.
        id_token_alg: `id_token_signed_response_alg`.
        jwks: its public keys; for private_key_jwt, and only for that.
        grant_types: what its token requests may rest on.
        scopes: the most that it may ask for.
        resources: audiences that it may ask for (RFC 8707).
        introspects: audiences that it is; tokens for these it may introspect.
        access_token_lifetime: None for the realm's own.
    """

    auth_method: AuthMethod = AuthMethod.BASIC
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    first_party: bool = False
    require_pkce: bool = True
    id_token_alg: str = "RS256"  # noqa: S105
    jwks: Mapping[str, Any] | None = field(default=None, repr=False)
    grant_types: tuple[GrantType, ...] = ()
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    introspects: tuple[str, ...] = ()
    access_token_lifetime: timedelta | None = None

    @property
    def kind(self) -> ClientKind:
        """Whether it keeps a secret or a key."""
        return ClientKind.PUBLIC if self.auth_method is AuthMethod.NONE else ClientKind.CONFIDENTIAL

    @property
    def has_secret(self) -> bool:
        """Whether this provider makes a secret for it."""
        return self.auth_method in (AuthMethod.BASIC, AuthMethod.POST)


def faults(metadata: ClientMetadata, *, longest_access_token: timedelta) -> Iterator[str]:
    """Why a client can't be registered like this, a sentence each; nothing for a sound one.

    Arguments:
        metadata: as asked for.
        longest_access_token: the realm's.
    """
    if (metadata.auth_method is AuthMethod.PRIVATE_KEY_JWT) != (metadata.jwks is not None):
        yield "A client has a JWK Set exactly when it authenticates by private_key_jwt."
    if metadata.kind is ClientKind.PUBLIC and GrantType.CLIENT_CREDENTIALS in metadata.grant_types:
        yield "A public client can't use client_credentials: it has nothing to show (RFC 6749 §4.4)."
    if metadata.kind is ClientKind.PUBLIC and not metadata.require_pkce:
        yield "A public client can't do without PKCE (RFC 9700 §2.1.1)."
    if (GrantType.AUTHORIZATION_CODE in metadata.grant_types) != bool(metadata.redirect_uris):
        yield "A client has redirect URIs exactly when it may use authorization_code."
    if GrantType.REFRESH_TOKEN in metadata.grant_types and GrantType.AUTHORIZATION_CODE not in metadata.grant_types:
        yield "Without authorization_code there is nothing to refresh."
    if metadata.kind is ClientKind.PUBLIC and metadata.introspects:
        yield "A public client can't introspect tokens (RFC 7662 §2.1)."
    yield from _redirect_uri_faults(metadata)
    yield from _list_faults(metadata)
    lifetime = metadata.access_token_lifetime
    if lifetime is not None and not SHORTEST_LIFETIME <= lifetime <= longest_access_token:
        yield f"The access-token lifetime must be at least a second and at most the realm's {longest_access_token}."


def _redirect_uri_faults(metadata: ClientMetadata) -> Iterator[str]:
    for uris in (metadata.redirect_uris, metadata.post_logout_redirect_uris):
        if len(uris) > MAX_ITEMS or len(set(uris)) != len(uris):
            yield f"There are at most {MAX_ITEMS} redirect URIs of a kind, each once."
        for uri in uris:
            if why := redirect_uris.fault(uri):
                yield f"The redirect URI {uri[:MAX_ITEM]!r} {why}."


def _list_faults(metadata: ClientMetadata) -> Iterator[str]:
    for scope in metadata.scopes:
        if not _is_scope(scope):
            yield f"{scope[:MAX_ITEM]!r} is no scope."
    for resource in (*metadata.resources, *metadata.introspects):
        if not resources.is_resource(resource):
            yield f"{resource[:MAX_ITEM]!r} is no absolute URI without a fragment (RFC 8707 §2)."
    lists = (metadata.grant_types, metadata.scopes, metadata.resources, metadata.introspects)
    if any(len(items) > MAX_ITEMS or any(len(item) > MAX_ITEM for item in items) for items in lists):
        yield f"A list holds at most {MAX_ITEMS} items, each of at most {MAX_ITEM} characters."
    if any(sum(map(len, items)) > MAX_TEXT for items in (metadata.scopes, metadata.resources)):
        yield f"All scopes together, and all resources together, have at most {MAX_TEXT} characters."
    if any(len(set(items)) != len(items) for items in lists):
        yield "A list holds an item twice."


def _is_scope(text: str) -> bool:
    try:
        return scopes.parse(text) == (text,)
    except InvalidScope:
        return False
