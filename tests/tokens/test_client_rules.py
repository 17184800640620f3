"""What a client may be registered with."""

from datetime import timedelta
from typing import Any

import pytest

from tests.tokens.clients import API, CLIENT_CREDENTIALS
from tokens.client_metadata import ClientMetadata, completed
from tokens.client_rules import MAX_ITEM, MAX_ITEMS, Bounds, faults, is_origin
from tokens.vocabulary import AuthMethod, GrantType, ResponseType, SubjectType

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


@pytest.mark.spec(
    "RFC 6749 §3.1.2",
    "RFC 6749 §3.1.2.2 registered, RFC 6749 §10.2 uris-registered, RFC 6749 §10.6 registered",
    "RFC 9700 §2.1.1 pkce-for-public, RFC 9700 §2.6 no-plain-http",
)
@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"grant_types": (GrantType.AUTHORIZATION_CODE,)}, "exactly when it may use the authorization endpoint"),
        ({"redirect_uris": (CALLBACK,)}, "exactly when it may use the authorization endpoint"),
        ({"grant_types": (GrantType.REFRESH_TOKEN,)}, "nothing to refresh"),
        ({**CODES, "auth_method": AuthMethod.NONE, "require_pkce": False}, "RFC 9700"),
        ({**CODES, "response_types": (ResponseType.CODE_TOKEN,), "require_dpop": True}, "RFC 9449 §5"),
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


IMPLICIT = {"redirect_uris": (CALLBACK,), "response_types": (ResponseType.ID_TOKEN,)}


@pytest.mark.spec("OpenID Connect Registration §2, response_types and grant_types")
def test_response_types_and_grant_types_fit_each_other() -> None:
    for response_type in ResponseType:
        grants = (GrantType.AUTHORIZATION_CODE,) if response_type.has_code else ()
        sound = {"redirect_uris": (CALLBACK,), "response_types": (response_type,)}
        assert found(**sound, grant_types=grants) == ""
        others = () if response_type.has_code else (GrantType.AUTHORIZATION_CODE,)
        assert "exactly when it may use authorization_code" in found(**sound, grant_types=others)
    assert found(**CODES | {"response_types": tuple(ResponseType)}) == ""
    assert "nothing to refresh" in found(**IMPLICIT, grant_types=(GrantType.REFRESH_TOKEN,))
    assert "redirect URIs exactly when" in found(response_types=(ResponseType.ID_TOKEN,))
    assert "twice" in found(**CODES, response_types=(ResponseType.CODE,) * 2)


PAIRWISE = {**CODES, "subject_type": SubjectType.PAIRWISE}
SECTORS = [
    "",
    ".",
    "-a",
    "a-",
    "A.example",
    "a b",
    "a/b",
    "ä.example",
    "https://a.example",
    "a.example:443",
    "a\n",
    "a\0",
]


@pytest.mark.spec("OpenID Connect Core §8.1")
@pytest.mark.parametrize("sector", [*SECTORS, "x" * 254])
def test_a_sector_is_a_host_and_nothing_else(sector: str) -> None:
    two = (CALLBACK, "https://other.example.test/cb")
    why = "Pairwise subjects need a sector identifier"
    assert why in found(**PAIRWISE | {"redirect_uris": two, "sector_identifier": sector})


@pytest.mark.spec("OpenID Connect Core §8.1")
def test_pairwise_subjects_have_a_sector_and_public_ones_none() -> None:
    assert found(**PAIRWISE) == ""
    assert found(**PAIRWISE, sector_identifier="example.test") == ""
    assert found(subject_type=SubjectType.PAIRWISE, sector_identifier="x" * 253) == ""
    assert "a sector identifier, a host name" in found(subject_type=SubjectType.PAIRWISE)
    assert "is for pairwise subjects" in found(**CODES, sector_identifier="example.test")
    private = ("org.example.app:/cb",)  # has no host
    assert "a sector identifier" in found(**PAIRWISE | {"redirect_uris": private})


ENCRYPTED_ID = {"jwks": KEYS, "id_token_encryption_alg": "RSA-OAEP-256", "id_token_encryption_enc": "A256GCM"}
ENCRYPTED_USERINFO = {
    "jwks": KEYS,
    "userinfo_alg": "ES256",
    "userinfo_encryption_alg": "ECDH-ES",
    "userinfo_encryption_enc": "A128CBC-HS256",
}


@pytest.mark.spec("OpenID Connect Registration §2, …_encrypted_response_alg and …_enc")
@pytest.mark.parametrize("metadata", [ENCRYPTED_ID, ENCRYPTED_USERINFO], ids=["ID token", "userinfo"])
def test_encryption_needs_both_algorithms_and_a_key(metadata: dict[str, Any]) -> None:
    assert found(**metadata) == ""
    assert found(**metadata, auth_method=AuthMethod.PRIVATE_KEY_JWT) == ""
    assert "exactly when" in found(**metadata | {"jwks": None})
    for name in metadata:
        if name.endswith(("_alg", "_enc")) and "encryption" in name:
            assert "needs both algorithms" in found(**metadata | {name: ""})


@pytest.mark.spec("OpenID Connect Core §5.3.2")
def test_userinfo_is_signed_before_it_is_encrypted() -> None:
    assert "signed before it is encrypted" in found(**ENCRYPTED_USERINFO | {"userinfo_alg": ""})


BACK = "https://app.example.test:8443/path?x=1"


@pytest.mark.spec("OpenID Connect Registration §2, Back-Channel Logout §2.2, OIDC Back-Channel Logout §2.2 uri")
@pytest.mark.parametrize("name", ["client_uri", "logo_uri", "policy_uri", "tos_uri", "backchannel_logout_uri"])
def test_an_address_is_one_that_a_browser_or_this_provider_may_open(name: str) -> None:
    for uri in (BACK, "http://127.0.0.1:3000/x", "http://localhost/x", "http://[::1]/x"):
        assert found(**{name: uri}) == ""
    for uri in (
        "http://app.example.test/", "javascript:alert(1)", "data:text/html,x", "org.example.app:/x", "/x", "https://",
        "https://user@app.example.test/", BACK + "#x", BACK + " ", "https://app.example.test;x/", BACK + "x" * 2_000,
    ):  # fmt: skip
        assert "The address" in found(**{name: uri})
        assert len(found(**{name: uri})) < 1_000


ORIGINS = [
    "https://app.example.test",
    "https://app.example.test:8443",
    "http://localhost:3000",
    "http://127.0.0.1:1",
    "http://[::1]:3000",
]
NO_ORIGINS = [
    "", "null", "*", "app.example.test", "https://app.example.test/", "https://app.example.test/x", "//a.example.test",
    "https://App.example.test", "HTTPS://app.example.test", "https://app.example.test:443", "http://localhost:80",
    "http://app.example.test", "https://*.example.test", "https://a@app.example.test", "https://app.example.test?",
    "https://app.example.test#", "https://app.example.test:", "https://app.example.test:08443",
    "https://app.example.test:x", "https://app.example.test:99999",
    "https://ä.example.test", "https://a,https://b", "https://a;b", "org.example.app:", "https://\0", "\ud800", "https://[",
    "https://" + "a" * 500,
]  # fmt: skip


@pytest.mark.spec("RFC 6454 §6.2: an origin as browsers write it")
def test_an_origin_is_scheme_host_and_a_port_of_its_own() -> None:
    assert found(cors_origins=tuple(ORIGINS)) == ""
    for origin in ORIGINS:
        assert is_origin(origin)
    for origin in NO_ORIGINS:
        assert not is_origin(origin), origin
        assert "is no origin" in found(cors_origins=(origin,))
    assert "twice" in found(cors_origins=(ORIGINS[0],) * 2)
    assert "at most 50 items" in found(cors_origins=tuple(f"https://app{number}.test" for number in range(51)))


@pytest.mark.spec("OpenID Connect Registration §2, contacts")
def test_a_contact_is_an_email_address() -> None:
    assert found(contacts=("ops@example.test", "é@example.test")) == ""
    for contact in ("", "ops", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\n", "a@\u202eb", "mailto:"):
        assert "is no email address" in found(contacts=(contact,))


@pytest.mark.spec("design: a client's lifetimes are within its realm's")
@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("access_token_lifetime", BOUNDS.access_token),
        ("refresh_idle_lifetime", BOUNDS.refresh_idle),
        ("refresh_absolute_lifetime", BOUNDS.refresh_absolute),
    ],
)
def test_a_lifetime_is_at_most_the_realms(name: str, longest: timedelta) -> None:
    for lifetime in (timedelta(seconds=1), longest, None):
        assert found(**{name: lifetime}) == ""
    for lifetime in (timedelta(0), timedelta(microseconds=999_999), -longest, longest + timedelta(microseconds=1)):
        assert "must be at least a second and at most the realm's" in found(**{name: lifetime})


DEVICE_GRANT = (GrantType.DEVICE_CODE, GrantType.REFRESH_TOKEN)


@pytest.mark.spec("RFC 8628 §1")
@pytest.mark.parametrize("types", [DEVICE_GRANT, DEVICE_GRANT[:1]])
def test_a_device_has_no_redirect_uri_and_may_refresh(types: tuple[GrantType, ...]) -> None:
    assert found(auth_method=AuthMethod.NONE, grant_types=types, scopes=("openid", "offline_access")) == ""
    assert "redirect URIs exactly when" in found(grant_types=types, redirect_uris=("https://tv.example.org/cb",))
    assert "nothing to refresh" in found(grant_types=DEVICE_GRANT[1:])


@pytest.mark.spec("OpenID Connect Core §3.2.2.10, at_hash, OpenID Connect Core §3.3.2.11, c_hash")
@pytest.mark.parametrize("response_type", ResponseType)
def test_an_id_token_beside_a_code_or_a_token_needs_an_algorithm_with_a_hash(response_type: ResponseType) -> None:
    codes = CODES if response_type.has_code else {"redirect_uris": (CALLBACK,)}
    beside = response_type in ("code id_token", "code id_token token", "id_token token")
    for algorithm, fault in (("ES256", False), ("RS256", False), ("ML-DSA-65", beside)):
        told = found(**codes, response_types=(response_type,), id_token_alg=algorithm)
        expected = "An ID token beside a code or an access token holds their hash, and its algorithm has none."
        assert told == (expected if fault else "")
