"""The claims of an access token."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from accounts.names import MAX_ROLES_TEXT
from tokens.authorization import Authorization
from tokens.claims import access_token_claims, seconds_to_live, token_id

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
AUTHORIZATION = Authorization(
    grant_id=UUID(int=1),
    issuer="https://id.example.org",
    client_id="signet-direct",
    subject="s" * 22,
    audience=("https://id.example.org",),
    scopes=("openid", "profile"),
    auth_time=NOON,
    methods=("pwd",),
    roles=(),
    generation=0,
    rotated_at=NOON,
    expires_at=NOON + timedelta(days=30),
)


def claims_of(authorization: Authorization) -> dict[str, object]:
    return access_token_claims(authorization, issued_at=NOON, expires_at=NOON + timedelta(minutes=10), random=bytes(12))


@pytest.mark.spec("RFC 9068 §2.2 claims")
def test_a_token_says_who_what_and_until_when() -> None:
    assert claims_of(AUTHORIZATION) == {
        "iss": "https://id.example.org",
        "sub": "s" * 22,
        "aud": "https://id.example.org",
        "exp": 1_795_176_600,
        "iat": 1_795_176_000,
        "jti": "AAAAAAAAAAAAAAAAAAAAAQ.AAAAAAAAAAAAAAAA",
        "client_id": "signet-direct",
        "scope": "openid profile",
        "auth_time": 1_795_176_000,
        "acr": "urn:signet:acr:single-factor",
        "amr": ["pwd"],
    }


def test_roles_stand_in_the_token_where_there_are_any() -> None:
    changed = Authorization(
        **{name: getattr(AUTHORIZATION, name) for name in AUTHORIZATION.__slots__} | {"roles": ("a", "b")}
    )
    assert claims_of(changed)["roles"] == ["a", "b"]


@pytest.mark.spec("design: product.md, access token < 1 KB")
def test_a_token_stays_below_one_kilobyte_with_as_many_roles_as_there_may_be() -> None:
    roles = tuple(f"role{number:04}" for number in range(MAX_ROLES_TEXT // 9))
    issuer = "https://identity.some-organisation.example.org/realms/main"
    claims = claims_of(replace(AUTHORIZATION, roles=roles, issuer=issuer))
    payload = len(json.dumps(claims, separators=(",", ":")))
    header = len(json.dumps({"alg": "ES256", "kid": "k" * 43, "typ": "at+jwt"}, separators=(",", ":")))
    assert (payload * 4 + 2) // 3 + (header * 4 + 2) // 3 + 86 + 2 < 1024


def test_a_token_never_outlives_its_grant() -> None:
    lifetime = timedelta(minutes=10)
    assert seconds_to_live(lifetime, issued_at=NOON, grant_expires_at=NOON + timedelta(days=1)) == lifetime
    ends = NOON + timedelta(minutes=3)
    assert seconds_to_live(lifetime, issued_at=NOON, grant_expires_at=ends) == timedelta(minutes=3)


def test_two_tokens_of_a_grant_share_its_reference_alone() -> None:
    one, other = token_id(UUID(int=7), b"a" * 12), token_id(UUID(int=7), b"b" * 12)
    assert one != other
    assert one.split(".")[0] == other.split(".")[0] == "AAAAAAAAAAAAAAAAAAAABw"
