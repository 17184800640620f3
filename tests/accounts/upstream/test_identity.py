"""accounts/upstream/identity.py: the rules of an ID token, each with the edge at which it turns."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import UpstreamRefused, UpstreamTooOld
from accounts.upstream.identity import UpstreamIdentity, identity_in, proved_at
from tokens.id_token import HASHED, half_hash

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
RIGHT = {
    "iss": "https://login.example", "aud": "here", "sub": "u", "nonce": "n", "iat": SECONDS, "exp": SECONDS + 60,
}  # fmt: skip


def identity(claims: dict[str, Any], algorithm: str = "ES256") -> UpstreamIdentity:
    return identity_in(
        claims,
        algorithm=algorithm,
        issuer="https://login.example",
        client_id="here",
        nonce="n",
        access_token="at",
        now=NOW,
    )


@pytest.mark.spec("OpenID Connect Core §3.1.3.7")
@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"exp": SECONDS - 59}, True),
        ({"exp": SECONDS - 60}, False),
        ({"iat": SECONDS + 60}, True),
        ({"iat": SECONDS + 61}, False),
        ({"iat": SECONDS - 600}, True),
        ({"iat": SECONDS - 601}, False),
        ({"nbf": SECONDS + 60}, True),
        ({"nbf": SECONDS + 61}, False),
        ({"aud": ["here"]}, True),
        ({"aud": ["here", "here"]}, False),
        ({"azp": "here"}, True),
        ({"sub": "x" * 255}, True),
        ({"sub": "x" * 256}, False),
        ({"auth_time": SECONDS + 60}, True),
        ({"auth_time": SECONDS + 61}, False),
        ({"auth_time": 1.5}, False),
        ({"iss": "https://login.example/"}, False),
        ({"nonce": "N"}, False),
    ],
)
def test_each_rule_turns_at_its_edge(changes: dict[str, Any], good: bool) -> None:
    if good:
        assert identity({**RIGHT, **changes}).subject
    else:
        with pytest.raises(UpstreamRefused):
            identity({**RIGHT, **changes})


@pytest.mark.spec("OpenID Connect Core §3.1.3.6")
def test_the_hash_of_the_access_token_is_the_one_of_the_signature() -> None:
    for algorithm in HASHED:
        assert identity({**RIGHT, "at_hash": half_hash("at", algorithm)}, algorithm)
        with pytest.raises(UpstreamRefused):
            identity({**RIGHT, "at_hash": half_hash("other", algorithm)}, algorithm)


@pytest.mark.spec("OpenID Connect Core §5.7")
@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": "Ana@Example.ORG", "email_verified": True}, "Ana@Example.ORG"),
        ({"email": "ana@example.org", "email_verified": 1}, ""),
        ({"email": "ana@example.org", "email_verified": "true"}, ""),
        ({"email": "ana@example.org"}, ""),
        ({"email": ["ana@example.org"], "email_verified": True}, ""),
        ({"email": "a@b@example.org", "email_verified": True}, ""),
        ({"email": "ana@example.org\n", "email_verified": True}, ""),
    ],
)
def test_an_address_counts_where_the_provider_vouches_for_it(claims: dict[str, Any], email: str) -> None:
    found = identity({**RIGHT, **claims})
    assert (found.email, found.domain) == (email, email.rpartition("@")[2].lower())


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
@pytest.mark.parametrize(
    ("told", "since", "certainly", "ended", "good"),
    [
        (0, 0, True, None, True),
        (-60, 0, True, None, True),
        (-61, 0, True, None, False),
        (-61, -30, True, None, True),
        (None, 0, False, None, True),
        (None, 0, True, None, False),
        (-10, -100, False, -10, True),
        (-11, -100, False, -10, False),
    ],
)
def test_how_old_a_proof_may_be(told: int | None, since: int, certainly: bool, ended: int | None, good: bool) -> None:
    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else NOW + timedelta(seconds=seconds)

    found = UpstreamIdentity("u", "", at(told), second_factor=False)
    wanted = {"since": at(since) or NOW, "certainly": certainly, "not_before": at(ended), "now": NOW}
    if good:
        assert proved_at(found, **wanted) == (at(told) or NOW)  # type: ignore[arg-type]
    else:
        with pytest.raises(UpstreamTooOld):
            proved_at(found, **wanted)  # type: ignore[arg-type]


def test_a_clock_that_runs_ahead_there_makes_no_proof_of_tomorrow() -> None:
    found = UpstreamIdentity("u", "", NOW + timedelta(seconds=30), second_factor=False)
    assert proved_at(found, since=NOW, certainly=True, not_before=None, now=NOW) == NOW


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@given(
    st.dictionaries(st.sampled_from([*RIGHT, "azp", "at_hash", "auth_time", "amr", "email", "email_verified"]), JSON)
)
@pytest.mark.spec("house.md: strict parsing")
def test_no_claim_is_a_fault_of_ours(changes: dict[str, Any]) -> None:
    """`exp`, `iat` and `nbf` are whole numbers by then: keys.compact sees to that."""
    dates = {name: value for name, value in changes.items() if name not in ("exp", "iat")}
    with suppress(UpstreamRefused):
        identity({**RIGHT, **dates})
