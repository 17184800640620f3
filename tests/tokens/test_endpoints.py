"""One list from which URLs, discovery and `/connect` derive."""

import pytest
from django.urls import resolve

from tokens.endpoints import ENDPOINTS, Endpoint, directory, metadata

ISSUER = "https://id.example.org"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_what_is_listed_works(endpoint: Endpoint) -> None:
    for prefix in ("/", "/realms/other/"):
        allowed = vars(resolve(prefix + endpoint.path).func)["view_initkwargs"].get("http_method_names")
        if allowed is not None:
            assert set(allowed) == set(endpoint.http_method_names())


@pytest.mark.spec("OpenID Connect Discovery §3")
def test_discovery_lists_only_what_is_there() -> None:
    assert metadata(ISSUER, {"grant_types_supported": ["x"]}) == {
        "issuer": ISSUER,
        "grant_types_supported": ["x"],
        "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "userinfo_endpoint": f"{ISSUER}/userinfo",
        "end_session_endpoint": f"{ISSUER}/logout",
        "device_authorization_endpoint": f"{ISSUER}/device_authorization",
        "introspection_endpoint": f"{ISSUER}/introspect",
        "revocation_endpoint": f"{ISSUER}/revoke",
    }


def test_the_directory_lists_every_address() -> None:
    assert directory(ISSUER)["endpoints"] == {
        "jwks": f"{ISSUER}/.well-known/jwks.json",
        "openid_configuration": f"{ISSUER}/.well-known/openid-configuration",
        "oauth_authorization_server": f"{ISSUER}/.well-known/oauth-authorization-server",
        "authorize": f"{ISSUER}/authorize",
        "token": f"{ISSUER}/token",
        "userinfo": f"{ISSUER}/userinfo",
        "end_session": f"{ISSUER}/logout",
        "device_authorization": f"{ISSUER}/device_authorization",
        "device": f"{ISSUER}/device",
        "introspect": f"{ISSUER}/introspect",
        "revoke": f"{ISSUER}/revoke",
        "auth": f"{ISSUER}/auth",
        "mfa": f"{ISSUER}/auth/mfa",
        "refresh": f"{ISSUER}/auth/refresh",
        "logout": f"{ISSUER}/auth/logout",
        "connect": f"{ISSUER}/connect",
        "health": f"{ISSUER}/health",
    }
