"""What this provider answers below an issuer: the one list from which URLs, discovery and `/connect` derive."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Scripts(StrEnum):
    """Whose scripts a browser lets read the answers (Fetch §3.2)."""

    NOBODY = "nobody"  # of other origins: a browser's own rule
    REGISTERED = "registered"  # those of origins that a client of the realm registered
    ANYBODY = "anybody"  # a public document


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address.

    Attributes:
        name: in `/connect` and in the URL configuration.
        path: below the issuer, without a leading slash.
        methods: which HTTP methods it has; HEAD goes with GET.
        metadata: its member in the discovery document, where a specification names one.
        scripts: whose scripts may read its answers.
    """

    name: str
    path: str
    methods: tuple[str, ...]
    metadata: str | None = None
    scripts: Scripts = Scripts.NOBODY

    def http_method_names(self) -> tuple[str, ...]:
        """The methods as a view names them."""
        head = ("head",) if "GET" in self.methods else ()
        return (*(method.lower() for method in self.methods), *head)


JWKS = Endpoint("jwks", ".well-known/jwks.json", ("GET",), metadata="jwks_uri", scripts=Scripts.ANYBODY)
DISCOVERY = Endpoint("openid_configuration", ".well-known/openid-configuration", ("GET",), scripts=Scripts.ANYBODY)
SIGN_IN = Endpoint("auth", "auth", ("POST",))
SECOND_FACTOR = Endpoint("mfa", "auth/mfa", ("POST",))
REFRESH = Endpoint("refresh", "auth/refresh", ("POST",))
LOGOUT = Endpoint("logout", "auth/logout", ("POST",))
METADATA = Endpoint(
    "oauth_authorization_server", ".well-known/oauth-authorization-server", ("GET",), scripts=Scripts.ANYBODY
)
AUTHORIZATION = Endpoint("authorize", "authorize", ("GET", "POST"), metadata="authorization_endpoint")
USERINFO = Endpoint("userinfo", "userinfo", ("GET", "POST"), metadata="userinfo_endpoint", scripts=Scripts.REGISTERED)
TOKEN = Endpoint("token", "token", ("POST",), metadata="token_endpoint", scripts=Scripts.REGISTERED)
INTROSPECTION = Endpoint("introspect", "introspect", ("POST",), metadata="introspection_endpoint")
REVOCATION = Endpoint("revoke", "revoke", ("POST",), metadata="revocation_endpoint", scripts=Scripts.REGISTERED)
END_SESSION = Endpoint("end_session", "logout", ("GET", "POST"), metadata="end_session_endpoint")
DEVICE_AUTHORIZATION = Endpoint(
    "device_authorization",
    "device_authorization",
    ("POST",),
    metadata="device_authorization_endpoint",
    scripts=Scripts.REGISTERED,
)
DEVICE = Endpoint("device", "device", ("GET", "POST"))
CONNECT = Endpoint("connect", "connect", ("GET", "POST"))
HEALTH = Endpoint("health", "health", ("GET", "POST"))

ENDPOINTS = (
    JWKS,
    DISCOVERY,
    METADATA,
    AUTHORIZATION,
    TOKEN,
    USERINFO,
    INTROSPECTION,
    REVOCATION,
    END_SESSION,
    DEVICE_AUTHORIZATION,
    DEVICE,
    SIGN_IN,
    SECOND_FACTOR,
    REFRESH,
    LOGOUT,
    CONNECT,
    HEALTH,
)


def metadata(issuer: str, lists: Mapping[str, object]) -> dict[str, object]:
    """The discovery document (OpenID Connect Discovery §3, RFC 8414 §2); it lists only what works.

    Arguments:
        issuer: the realm's, from its row; nothing comes from the request.
        lists: what the registries offer, by the names of RFC 8414; an empty one is left out (§3.2).
    """
    found: dict[str, object] = {"issuer": issuer, **{name: offer for name, offer in lists.items() if offer != []}}
    for endpoint in ENDPOINTS:
        if endpoint.metadata is not None:
            found[endpoint.metadata] = f"{issuer}/{endpoint.path}"
    return found


def directory(issuer: str) -> dict[str, object]:
    """What `/connect` says: the service, its state and its addresses.

    Arguments:
        issuer: the realm's, from its row.
    """
    addresses = {endpoint.name: f"{issuer}/{endpoint.path}" for endpoint in ENDPOINTS}
    return {"service": "Signet", "status": "ok", "issuer": issuer, "endpoints": addresses}
