"""Every endpoint has its methods and no others (RFC 9110 §15.5.6)."""

import pytest

from realms.models import Realm
from tests.provider import Browser
from tokens.endpoints import ENDPOINTS

EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
READ = ("get", "head")
PATHS = {
    "token": ("post",),
    "userinfo": (*READ, "post"),
    "authorize": (*READ, "post"),
    "logout": (*READ, "post"),
    "device_authorization": ("post",),
    "device": (*READ, "post"),
    "introspect": ("post",),
    "revoke": ("post",),
    "auth": ("post",),
    "auth/mfa": ("post",),
    "auth/refresh": ("post",),
    "auth/logout": ("post",),
    "connect": (*READ, "post"),
    "health": (*READ, "post"),
    ".well-known/openid-configuration": READ,
    ".well-known/oauth-authorization-server": READ,
    ".well-known/jwks.json": READ,
    "": READ,
    "livez": READ,
    "readyz": READ,
    "metrics": READ,
}
PAIRS = [
    (method, f"{prefix}{path}", methods)
    for path, methods in PATHS.items()
    for prefix in (("/", "/realms/default/") if path not in {"", "livez", "readyz", "metrics"} else ("/",))
    for method in EVERY_METHOD
    if method.lower() not in methods
]


@pytest.mark.parametrize(("method", "path", "methods"), PAIRS)
@pytest.mark.spec("RFC 9110 §15.5.6, RFC 6749 §3.2 post")
def test_another_method_is_not_allowed(method: str, path: str, methods: tuple[str, ...], browser: Browser) -> None:
    answer = browser.generic(method, path, b"{}", "application/json")
    assert answer.status_code == 405
    assert {name.strip().lower() for name in answer["Allow"].split(",")} == set(methods)
    if not path.endswith(("/authorize", "/device", "default/logout")) and path != "/logout":  # a person's page
        assert answer["Content-Type"] == "application/json"


def test_every_endpoint_is_among_these() -> None:
    assert {endpoint.path for endpoint in ENDPOINTS} <= set(PATHS)


@pytest.mark.parametrize("path", ["/connect", "/health", "/livez", "/", "/.well-known/openid-configuration"])
def test_head_goes_with_get(path: str, browser: Browser, realm: Realm) -> None:
    answer = browser.head(path)
    assert answer.status_code == 200
    assert answer.content == b""
