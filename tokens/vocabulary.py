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
    """What a token request rests on (RFC 6749 §4, RFC 8628 §3.4)."""

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


class ResponseType(StrEnum):
    """What the authorization endpoint answers with (OAuth 2.0 Multiple Response Types §3, §5); words in this order."""

    CODE = "code"
    CODE_ID_TOKEN = "code id_token"  # noqa: S105
    ID_TOKEN = "id_token"  # noqa: S105
    CODE_TOKEN = "code token"  # noqa: S105
    CODE_ID_TOKEN_TOKEN = "code id_token token"  # noqa: S105
    ID_TOKEN_TOKEN = "id_token token"  # noqa: S105

    @property
    def has_code(self) -> bool:
        """Whether a code comes back."""
        return "code" in self.split(" ")

    @property
    def has_id_token(self) -> bool:
        """Whether an ID token comes back through the browser."""
        return "id_token" in self.split(" ")

    @property
    def has_token(self) -> bool:
        """Whether an access token comes back through the browser."""
        return "token" in self.split(" ")


class TokenKind(StrEnum):
    """What is signed for a client, by who reads it."""

    ACCESS = "access"  # services
    ID = "id"  # the client: ID tokens, logout tokens, userinfo


class SubjectType(StrEnum):
    """What a client gets to know as `sub` (OpenID Connect Core §8)."""

    PUBLIC = "public"  # the same for all clients
    PAIRWISE = "pairwise"  # another for each sector


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
    CREATE = "create"  # Initiating User Registration §4.1


class RevocationReason(StrEnum):
    """Why a grant was ended before its time."""

    LOGOUT = "logout"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"  # with the consent
    OPERATOR = "operator"  # by whoever runs the realm
    DEVICE_REMOVED = "device_removed"  # the device that it was granted on
    CODE_REPLAY = "code_replay"
    REUSE = "reuse"
    AHEAD_OF_DATABASE = "ahead_of_database"


class DeliveryState(StrEnum):
    """How far it is with telling a client of a logout."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class LogoutFailure(StrEnum):
    """Why a client could not be told of a logout, where it gave no HTTP status."""

    TIMEOUT = "timeout"  # it didn't answer in time
    UNREACHABLE = "unreachable"  # no such host, nobody listens, or they hung up
    TLS = "tls"  # its certificate isn't trusted, or there is no TLS
    MALFORMED = "malformed"  # what came back is no HTTP
    NO_KEY = "no_key"  # none of ours may sign
    NO_ADDRESS = "no_address"  # its logout URI was taken away
    CLIENT_DISABLED = "client_disabled"
    REALM_DISABLED = "realm_disabled"


DIRECT_CLIENT_ID = "signet-direct"
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  (RFC 9068 §2.1)
ID_TOKEN_TYPE = "JWT"  # noqa: S105  (OpenID Connect Core §2 names none)
USERINFO_TYPE = "userinfo+jwt"  # so that it is never taken for an ID token (RFC 8725 §3.11)
DIRECT_SCOPES = ("openid", "profile")


def token_type(*, bound: bool) -> str:
    """How an access token is to be shown: alone, or with a proof of the key that it is bound to (RFC 9449 §5, §6.2)."""
    return "DPoP" if bound else "Bearer"
