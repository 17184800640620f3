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
    assert metadata(ISSUER) == {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/.well-known/jwks.json"}


def test_the_directory_lists_every_address() -> None:
    assert directory(ISSUER)["endpoints"] == {
        "jwks": f"{ISSUER}/.well-known/jwks.json",
        "openid_configuration": f"{ISSUER}/.well-known/openid-configuration",
        "auth": f"{ISSUER}/auth",
        "refresh": f"{ISSUER}/auth/refresh",
        "logout": f"{ISSUER}/auth/logout",
        "connect": f"{ISSUER}/connect",
        "health": f"{ISSUER}/health",
    }
