"""What this provider answers below an issuer: the one list from which URLs, discovery and `/connect` derive."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address.

    Attributes:
        name: in `/connect` and in the URL configuration.
        path: below the issuer, without a leading slash.
        methods: which HTTP methods it has; HEAD goes with GET.
        metadata: its member in the discovery document, where a specification names one.
    """

    name: str
    path: str
    methods: tuple[str, ...]
    metadata: str | None = None

    def http_method_names(self) -> tuple[str, ...]:
        """The methods as a view names them."""
        head = ("head",) if "GET" in self.methods else ()
        return (*(method.lower() for method in self.methods), *head)


JWKS = Endpoint("jwks", ".well-known/jwks.json", ("GET",), metadata="jwks_uri")
DISCOVERY = Endpoint("openid_configuration", ".well-known/openid-configuration", ("GET",))
SIGN_IN = Endpoint("auth", "auth", ("POST",))
REFRESH = Endpoint("refresh", "auth/refresh", ("POST",))
LOGOUT = Endpoint("logout", "auth/logout", ("POST",))
METADATA = Endpoint("oauth_authorization_server", ".well-known/oauth-authorization-server", ("GET",))
AUTHORIZATION = Endpoint("authorize", "authorize", ("GET", "POST"), metadata="authorization_endpoint")
USERINFO = Endpoint("userinfo", "userinfo", ("GET", "POST"), metadata="userinfo_endpoint")
TOKEN = Endpoint("token", "token", ("POST",), metadata="token_endpoint")
INTROSPECTION = Endpoint("introspect", "introspect", ("POST",), metadata="introspection_endpoint")
REVOCATION = Endpoint("revoke", "revoke", ("POST",), metadata="revocation_endpoint")
END_SESSION = Endpoint("end_session", "logout", ("GET", "POST"), metadata="end_session_endpoint")
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
    SIGN_IN,
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
