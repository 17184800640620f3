"""What a logout token says."""

from datetime import UTC, datetime

import pytest

from tokens.logout_token import EVENT, METADATA, logout_token_claims

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def claims(random: bytes = bytes(16)) -> dict[str, object]:
    return logout_token_claims(
        issuer="https://id.example.test", client_id="app", subject="s1", sid="x1", issued_at=NOW, random=random
    )


@pytest.mark.spec(
    "OpenID Connect Back-Channel Logout §2.4: iss, aud, iat, exp, jti, events; sub and sid",
    "OIDC Back-Channel Logout §2.4 claims, OIDC Back-Channel Logout §2.4 whose",
    "OIDC Back-Channel Logout §2.2 session-required",
)
def test_it_says_all_that_it_must_and_nothing_else() -> None:
    assert claims() == {
        "iss": "https://id.example.test",
        "sub": "s1",
        "aud": "app",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 120,
        "jti": "A" * 22,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        "sid": "x1",
    }


@pytest.mark.spec(
    "OpenID Connect Back-Channel Logout §2.4: a nonce MUST NOT be present, OIDC Back-Channel Logout §2.4 no-nonce",
)
def test_it_has_no_nonce() -> None:
    assert "nonce" not in claims()


@pytest.mark.spec(
    "OpenID Connect Back-Channel Logout §2.4: the event's value is an empty object",
    "OIDC Back-Channel Logout §2.4 event",
)
def test_the_event_is_an_empty_object() -> None:
    assert claims()["events"] == {EVENT: {}}


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.4: jti, a unique identifier")
def test_another_random_is_another_jti() -> None:
    assert claims(bytes(16))["jti"] != claims(bytes(15) + b"1")["jti"]


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.1")
def test_what_discovery_says_is_what_the_token_holds() -> None:
    assert {
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": "sid" in claims(),
    } == METADATA
