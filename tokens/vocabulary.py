"""The protocol's and this provider's own registered words."""

from enum import StrEnum


class ClientKind(StrEnum):
    """What a client is able to keep (RFC 6749 §2.1)."""

    BUILT_IN = "built_in"  # the provider itself: direct sign-in
    CONFIDENTIAL = "confidential"  # keeps a secret
    PUBLIC = "public"  # can't


class AuthMethod(StrEnum):
    """How a client proves who it is (RFC 7591 §2, OpenID Connect Core §9)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"


class GrantType(StrEnum):
    """What a token request rests on (RFC 6749 §4)."""

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105


class ResponseMode(StrEnum):
    """How an answer of the authorization endpoint travels (OAuth 2.0 Multiple Response Types, Form Post)."""

    QUERY = "query"
    FRAGMENT = "fragment"
    FORM_POST = "form_post"


class Prompt(StrEnum):
    """What the person has to be asked again (OpenID Connect Core §3.1.2.1)."""

    NONE = "none"
    LOGIN = "login"
    CONSENT = "consent"
    SELECT_ACCOUNT = "select_account"


class RevocationReason(StrEnum):
    """Why a grant was ended before its time."""

    LOGOUT = "logout"
    REVOKED = "revoked"
    CODE_REPLAY = "code_replay"
    REUSE = "reuse"
    AHEAD_OF_DATABASE = "ahead_of_database"


DIRECT_CLIENT_ID = "signet-direct"
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  (RFC 9068 §2.1)
DIRECT_SCOPES = ("openid", "profile")
