"""A client as its registration is told of: by the names of RFC 7591 §2, §3.2.1."""

from dataclasses import fields

from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.vocabulary import AuthMethod, GrantType, ResponseType, SubjectType

# Each member with the column that it tells.
MEMBERS = {
    "client_id": "client_id",
    "client_name": "name",
    "token_endpoint_auth_method": "auth_method",
    "redirect_uris": "redirect_uris",
    "post_logout_redirect_uris": "post_logout_redirect_uris",
    "grant_types": "grant_types",
    "response_types": "response_types",
    "resources": "resources",
    "introspects": "introspects",
    "subject_type": "subject_type",
    "sector_identifier": "sector_identifier",
    "id_token_signed_response_alg": "id_token_alg",
    "id_token_encrypted_response_alg": "id_token_encryption_alg",
    "id_token_encrypted_response_enc": "id_token_encryption_enc",
    "userinfo_signed_response_alg": "userinfo_alg",
    "userinfo_encrypted_response_alg": "userinfo_encryption_alg",
    "userinfo_encrypted_response_enc": "userinfo_encryption_enc",
    "access_token_signed_response_alg": "access_token_alg",
    "dpop_bound_access_tokens": "require_dpop",
    "opaque_access_tokens": "opaque_access_tokens",
    "backchannel_logout_uri": "backchannel_logout_uri",
    "backchannel_logout_session_required": "backchannel_logout_session_required",
    "cors_origins": "cors_origins",
    "client_uri": "client_uri",
    "logo_uri": "logo_uri",
    "policy_uri": "policy_uri",
    "tos_uri": "tos_uri",
    "contacts": "contacts",
    "jwks": "jwks",
}


def registration_of(client: Client) -> dict[str, object]:
    """The client's metadata; what is not set is left out, and no secret is in it."""
    told = {member: getattr(client, column) for member, column in MEMBERS.items()}
    told["scope"] = " ".join(client.scopes)
    return {name: value for name, value in told.items() if value not in ("", None, False)}


def metadata_of(client: Client) -> ClientMetadata:
    """What a client is registered with, as it would be asked for again."""
    columns = {column.name: getattr(client, column.name) for column in fields(ClientMetadata)}
    lists = {name: tuple(value) for name, value in columns.items() if isinstance(value, list)}
    words = {
        "auth_method": AuthMethod(client.auth_method),
        "subject_type": SubjectType(client.subject_type),
        "grant_types": tuple(GrantType(name) for name in client.grant_types),
        "response_types": tuple(ResponseType(name) for name in client.response_types),
    }
    return ClientMetadata(**{**columns, **lists, **words})
