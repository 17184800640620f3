"""What a client registers, by the names of RFC 7591 §2 and OpenID Connect Dynamic Client Registration §2.

The command and the admin both come through here and `tokens.client_rules`, so both refuse the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from tokens.vocabulary import AuthMethod, ClientKind, GrantType, ResponseType, SubjectType


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """A client as it is registered. Each attribute is a column of the same name.

    Attributes:
        auth_method: `token_endpoint_auth_method`, how it proves who it is; none makes it a public client.
        redirect_uris: where codes and tokens may go; compared letter by letter.
        post_logout_redirect_uris: where people may be sent after they signed out.
        first_party: whether people are spared the consent page.
        require_second_factor: whether people have to prove a second factor for it.
        require_dpop: `dpop_bound_access_tokens`, whether it has to prove a key wherever it gets tokens.
        require_pkce: may be false for confidential clients alone.
        jwks: its public keys; for private_key_jwt and for encryption, and only for these.
        id_token_alg: `id_token_signed_response_alg`.
        id_token_encryption_alg, id_token_encryption_enc: `id_token_encrypted_response_alg`, `…_enc`; "" for none.
        userinfo_alg: `userinfo_signed_response_alg`; "" for plain JSON.
        userinfo_encryption_alg, userinfo_encryption_enc: `userinfo_encrypted_response_alg`, `…_enc`; "" for none.
        access_token_alg: how its access tokens are signed.
        opaque_access_tokens: whether nobody but this provider can read its access tokens.
        subject_type: whether it knows people by the same `sub` as others do.
        sector_identifier: the host of its sector, for pairwise subjects; "" for the one host of its redirect URIs.
        grant_types: what its token requests may rest on.
        response_types: what it may ask the authorization endpoint for; () for what follows from the grant types.
        scopes: the most that it may ask for.
        resources: audiences that it may ask for (RFC 8707).
        introspects: audiences that it is; tokens for these it may introspect.
        access_token_lifetime, refresh_idle_lifetime, refresh_absolute_lifetime: None for the realm's own.
        backchannel_logout_uri: where it is told that a session ended; "" for nowhere.
        backchannel_logout_session_required: whether it needs to be told which session.
        cors_origins: origins of its pages, whose scripts may call the endpoints of clients.
        client_uri, logo_uri, policy_uri, tos_uri: what people are shown of it; "" for nothing.
        contacts: addresses of those who answer for it.
    """

    auth_method: AuthMethod = AuthMethod.BASIC
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    first_party: bool = False
    require_second_factor: bool = False
    require_pkce: bool = True
    require_dpop: bool = False
    jwks: Mapping[str, Any] | None = field(default=None, repr=False)
    id_token_alg: str = "RS256"  # noqa: S105
    id_token_encryption_alg: str = ""
    id_token_encryption_enc: str = ""
    userinfo_alg: str = ""
    userinfo_encryption_alg: str = ""
    userinfo_encryption_enc: str = ""
    access_token_alg: str = "ES256"  # noqa: S105
    opaque_access_tokens: bool = False
    subject_type: SubjectType = SubjectType.PUBLIC
    sector_identifier: str = ""
    grant_types: tuple[GrantType, ...] = ()
    response_types: tuple[ResponseType, ...] = ()
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    introspects: tuple[str, ...] = ()
    access_token_lifetime: timedelta | None = None
    refresh_idle_lifetime: timedelta | None = None
    refresh_absolute_lifetime: timedelta | None = None
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    cors_origins: tuple[str, ...] = ()
    client_uri: str = ""
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    contacts: tuple[str, ...] = ()

    @property
    def kind(self) -> ClientKind:
        """Whether it keeps a secret or a key."""
        return ClientKind.PUBLIC if self.auth_method is AuthMethod.NONE else ClientKind.CONFIDENTIAL

    @property
    def has_secret(self) -> bool:
        """Whether this provider makes a secret for it."""
        return self.auth_method in (AuthMethod.BASIC, AuthMethod.POST)

    @property
    def uses_its_keys(self) -> bool:
        """Whether anything needs its JWK Set."""
        return self.auth_method is AuthMethod.PRIVATE_KEY_JWT or bool(self.encryption_algs)

    @property
    def encryption_algs(self) -> frozenset[str]:
        """Every `alg` with which something is encrypted for it."""
        return frozenset({self.id_token_encryption_alg, self.userinfo_encryption_alg} - {""})


def completed(metadata: ClientMetadata) -> ClientMetadata:
    """The metadata with what follows from the rest where it was left out.

    Whoever may use codes may ask for them (RFC 7591 §2); a sector is the host of the redirect URIs where
    they have just one (OpenID Connect Core §8.1).
    """
    codes = GrantType.AUTHORIZATION_CODE in metadata.grant_types and not metadata.response_types
    hosts = {urlsplit(uri).hostname or "" for uri in metadata.redirect_uris}
    pairwise = metadata.subject_type is SubjectType.PAIRWISE and not metadata.sector_identifier
    return replace(
        metadata,
        response_types=(ResponseType.CODE,) if codes else metadata.response_types,
        sector_identifier=hosts.pop() if pairwise and len(hosts) == 1 else metadata.sector_identifier,
    )
