"""What a client may be registered with."""

from datetime import timedelta
from typing import Any

import pytest

from tests.tokens.clients import API, CLIENT_CREDENTIALS
from tokens.client_metadata import ClientMetadata, completed
from tokens.client_rules import MAX_ITEM, MAX_ITEMS, Bounds, faults
from tokens.vocabulary import AuthMethod, ClientKind, GrantType

LONGEST = timedelta(minutes=10)
BOUNDS = Bounds(LONGEST, refresh_idle=timedelta(days=7), refresh_absolute=timedelta(days=30))
KEYS = {"keys": [{"kty": "EC"}]}  # what is in them is for keys.foreign_keys to say


def found(**metadata: Any) -> str:
    """The faults, as one text."""
    return " ".join(faults(completed(ClientMetadata(**metadata)), bounds=BOUNDS))


@pytest.mark.spec("RFC 7591 §2")
@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"grant_types": CLIENT_CREDENTIALS, "scopes": ("read", "write"), "resources": (API,), "introspects": (API,)},
        {"auth_method": AuthMethod.POST, "access_token_lifetime": LONGEST},
        {"auth_method": AuthMethod.PRIVATE_KEY_JWT, "jwks": KEYS, "access_token_lifetime": timedelta(seconds=1)},
        {"auth_method": AuthMethod.NONE, "scopes": ("openid",)},
        {
            "scopes": tuple(f"scope{number}" for number in range(MAX_ITEMS)),
            "introspects": ("u:" + "x" * (MAX_ITEM - 2),),
        },
    ],
)
def test_a_sound_client_has_no_faults(metadata: dict[str, Any]) -> None:
    assert found(**metadata) == ""


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"auth_method": AuthMethod.PRIVATE_KEY_JWT}, "exactly when"),
        ({"auth_method": AuthMethod.BASIC, "jwks": KEYS}, "exactly when"),
        ({"auth_method": AuthMethod.NONE, "grant_types": CLIENT_CREDENTIALS}, "RFC 6749 §4.4"),
        ({"auth_method": AuthMethod.NONE, "introspects": (API,)}, "RFC 7662 §2.1"),
        ({"access_token_lifetime": timedelta(0)}, "at least a second"),
        ({"access_token_lifetime": timedelta(microseconds=999_999)}, "at least a second"),
        ({"access_token_lifetime": timedelta(seconds=-1)}, "at least a second"),
        ({"access_token_lifetime": LONGEST + timedelta(seconds=1)}, "at most the realm's"),
        ({"scopes": ("",)}, "'' is no scope"),
        ({"scopes": ("a b",)}, "'a b' is no scope"),
        ({"scopes": ("é",)}, "is no scope"),
        ({"resources": ("api",)}, "'api' is no absolute URI"),
        ({"resources": (API + "#x",)}, "without a fragment"),
        ({"introspects": ("\ud800",)}, r"'\ud800' is no absolute URI"),
        ({"scopes": ("a", "a")}, "twice"),
        ({"grant_types": CLIENT_CREDENTIALS * 2}, "twice"),
        ({"scopes": ("x" * (MAX_ITEM + 1),)}, "at most 500 characters"),
        ({"introspects": tuple(f"urn:x:{number}" for number in range(MAX_ITEMS + 1))}, "at most 50 items"),
    ],
)
def test_a_fault_is_named(metadata: dict[str, Any], fault: str) -> None:
    assert fault in found(**metadata)


CALLBACK = "https://app.example.test/cb"
CODES = {"grant_types": (GrantType.AUTHORIZATION_CODE,), "redirect_uris": (CALLBACK,)}


@pytest.mark.spec("RFC 7591 §2, RFC 9700 §2.1")
@pytest.mark.parametrize(
    "metadata",
    [
        CODES,
        {**CODES, "auth_method": AuthMethod.NONE},
        {**CODES, "require_pkce": False},
        {**CODES, "grant_types": (GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN)},
        {**CODES, "redirect_uris": tuple(f"{CALLBACK}{number}" for number in range(MAX_ITEMS))},
    ],
)
def test_a_client_of_people_has_no_faults(metadata: dict[str, Any]) -> None:
    assert found(**metadata) == ""


@pytest.mark.spec("RFC 6749 §3.1.2, RFC 9700 §2.1.1")
@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"grant_types": (GrantType.AUTHORIZATION_CODE,)}, "exactly when it may use the authorization endpoint"),
        ({"redirect_uris": (CALLBACK,)}, "exactly when it may use the authorization endpoint"),
        ({"grant_types": (GrantType.REFRESH_TOKEN,)}, "nothing to refresh"),
        ({**CODES, "auth_method": AuthMethod.NONE, "require_pkce": False}, "RFC 9700"),
        ({**CODES, "redirect_uris": ("http://app.example.test/cb",)}, "isn't this machine"),
        ({**CODES, "redirect_uris": (CALLBACK, CALLBACK)}, "each once"),
        ({**CODES, "redirect_uris": tuple(f"{CALLBACK}{number}" for number in range(MAX_ITEMS + 1))}, "at most 50"),
    ],
)
def test_a_fault_of_a_client_of_people_is_named(metadata: dict[str, Any], fault: str) -> None:
    assert fault in found(**metadata)


@pytest.mark.spec("design: product.md, a token fits into a header")
@pytest.mark.parametrize("name", ["scopes", "resources"])
def test_what_stands_in_a_token_whole_is_bounded_together(name: str) -> None:
    items = tuple(f"urn:x:{number:02}{'x' * 480}" for number in range(5))
    assert "at most 2000 characters" in found(**{name: items})
    assert found(introspects=items) == ""


def test_every_fault_is_told_at_once_and_none_is_endless() -> None:
    told = found(auth_method=AuthMethod.NONE, introspects=("y" * 100_000,), scopes=(" ",))
    assert all(part in told for part in ("RFC 7662", "is no scope", "is no absolute URI", "500 characters"))
    assert len(told) < 2_000


@pytest.mark.spec("RFC 6749 §2.1")
def test_the_method_decides_about_kind_and_secret() -> None:
    kinds = {method: ClientMetadata(auth_method=method) for method in AuthMethod}
    assert [method for method, found in kinds.items() if found.kind is ClientKind.PUBLIC] == [AuthMethod.NONE]
    assert [method for method, found in kinds.items() if found.has_secret] == [AuthMethod.BASIC, AuthMethod.POST]
    assert "kty" not in repr(ClientMetadata(jwks=KEYS))
