"""Credentials and requirements, and what a client is answered (RFC 6750 §2.1, §3; RFC 9470 §3)."""

from typing import Any

import pytest

from signet_verifier import (
    MULTI_FACTOR,
    PHISHING_RESISTANT,
    SINGLE_FACTOR,
    ConfigurationWrong,
    Guard,
    InvalidRequest,
    InvalidToken,
    NoCredentials,
    ProviderUnavailable,
    Refused,
    requirement,
)
from tests.verifier.issuer import NOW, Issuer, claims


@pytest.mark.spec("RFC 6750 §2.1; RFC 9110 §11.1")
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {}", " Bearer {} "])
def test_a_token_comes_in_the_header(issuer: Issuer, form: str) -> None:
    guard = Guard(issuer.verifier())
    assert guard.admit([form.format(issuer.published[0].sign(claims()))]).subject == "person"


@pytest.mark.spec("RFC 6750 §3, §3.1")
@pytest.mark.parametrize(
    ("authorization", "query"),
    [([], ""), ([], "access_token=x"), ([""], ""), (["Basic eDp5"], ""), (["DPoP x"], ""), (["Token x"], "")],
)
def test_a_request_without_credentials_is_told_no_more(issuer: Issuer, authorization: list[str], query: str) -> None:
    guard = Guard(issuer.verifier(), realm="notes")
    with pytest.raises(NoCredentials) as refusal:
        guard.admit(authorization, query)
    reply = guard.reply(refusal.value)
    assert (reply.status, dict(reply.headers)["WWW-Authenticate"]) == (401, 'Bearer realm="notes"')


@pytest.mark.spec("RFC 6750 §2, §3.1")
def test_several_credentials_or_none_of_the_form_are_refused(issuer: Issuer) -> None:
    guard, good = Guard(issuer.verifier()), f"Bearer {issuer.published[0].sign(claims())}"
    bad: list[tuple[list[str], str]] = [
        ([good, good], ""), ([good, "Basic x"], ""), ([f"{good}, {good}"], ""), ([f"{good},{good}"], ""),
        ([good], "access_token=x"), ([good], "a=b&access_token="), ([good], "%61ccess_token=x"),
        ([good], "&".join(["a=b"] * 2_000)), (["Bearer"], ""), (["Bearer "], ""), (["Bearer a b"], ""),
        (["Bearer =a"], ""), (["Bearer é"], ""), (["Bearer a\x00"], ""), (["Bearer a\n"], ""), (['Bearer "a"'], ""),
    ]  # fmt: skip
    for authorization, query in bad:
        with pytest.raises(InvalidRequest) as refusal:
            guard.admit(authorization, query)
        assert guard.reply(refusal.value).status == 400
        assert 'error="invalid_request"' in refusal.value.challenge()
    assert issuer.asked == []
    assert guard.admit([good], "access_tokens=x&a=b")


@pytest.mark.spec("RFC 6750 §3.1: invalid_token")
def test_a_bad_token_is_answered_with_why(issuer: Issuer) -> None:
    guard = Guard(issuer.verifier())
    with pytest.raises(InvalidToken) as refusal:
        guard.admit(["Bearer " + issuer.published[0].sign(claims(exp=NOW - 60))])
    reply = guard.reply(refusal.value)
    assert reply.status == 401
    assert dict(reply.headers) == {
        "WWW-Authenticate": 'Bearer error="invalid_token", error_description="The token has expired."',
        "Cache-Control": "no-store",
        "Content-Type": "text/plain",
        "Content-Length": "0",
    }


@pytest.mark.spec("RFC 9110 §15.6.4")
def test_nobody_knows_is_no_yes(issuer: Issuer) -> None:
    guard, token = Guard(issuer.verifier()), issuer.published[0].sign(claims())
    issuer.away()
    with pytest.raises(ProviderUnavailable) as refusal:
        guard.admit([f"Bearer {token}"])
    reply = guard.reply(refusal.value)
    assert (reply.status, dict(reply.headers)["Retry-After"]) == (503, "10")


SIGNED_IN = {"auth_time": NOW - 100, "acr": SINGLE_FACTOR, "device_trust": 30, "roles": ["reader", "editor"]}


@pytest.mark.spec("RFC 6750 §3.1: insufficient_scope; RFC 9470 §3")
@pytest.mark.parametrize(
    ("wanted", "told", "challenge"),
    [
        ({"scopes": "notes:read notes:write"}, {}, None),
        ({"scopes": ["notes:read", "admin"]}, {}, (403, "insufficient_scope", 'scope="notes:read admin"')),
        ({"scopes": "notes:read"}, {"scope": None}, (403, "insufficient_scope", 'scope="notes:read"')),
        ({"scopes": "notes"}, {}, (403, "insufficient_scope", 'scope="notes"')),
        ({"roles": ["owner", "editor"]}, {}, None),
        ({"roles": "owner"}, {}, (403, "insufficient_scope", "role")),
        ({"roles": "owner"}, {"roles": None}, (403, "insufficient_scope", "role")),
        ({"acr": SINGLE_FACTOR}, {}, None),
        ({"acr": SINGLE_FACTOR}, {"acr": PHISHING_RESISTANT}, None),
        ({"acr": MULTI_FACTOR}, {"acr": PHISHING_RESISTANT}, None),
        ({"acr": MULTI_FACTOR}, {}, (401, "insufficient_user_authentication", f'acr_values="{MULTI_FACTOR}"')),
        ({"acr": MULTI_FACTOR}, {"acr": None}, (401, "insufficient_user_authentication", "acr_values")),
        ({"acr": PHISHING_RESISTANT}, {"acr": MULTI_FACTOR}, (401, "insufficient_user_authentication", "acr_values")),
        ({"acr": "urn:other"}, {"acr": "urn:other"}, None),
        ({"acr": "urn:other"}, {"acr": MULTI_FACTOR}, (401, "insufficient_user_authentication", "acr_values")),
        ({"max_age": 70}, {}, None),  # the clocks may differ by 30 seconds
        ({"max_age": 69}, {}, (401, "insufficient_user_authentication", 'max_age="69"')),
        ({"max_age": 0}, {"auth_time": None}, (401, "insufficient_user_authentication", 'max_age="0"')),
        ({"device_trust": 30}, {}, None),
        ({"device_trust": 31}, {}, (401, "insufficient_user_authentication", f'acr_values="{MULTI_FACTOR}"')),
        ({"device_trust": 1}, {"device_trust": None}, (401, "insufficient_user_authentication", "acr_values")),
        ({"device_trust": 31}, {"acr": MULTI_FACTOR}, (403, "insufficient_scope", "device")),
    ],
)
def test_what_is_not_enough_is_answered_with_what_would_be(
    issuer: Issuer, wanted: dict[str, Any], told: dict[str, Any], challenge: tuple[int, str, str] | None
) -> None:
    guard = Guard(issuer.verifier(), requirement(**wanted))
    header = ["Bearer " + issuer.published[0].sign(claims(**(SIGNED_IN | told)))]
    if challenge is None:
        assert guard.admit(header)
        return
    with pytest.raises(Refused) as refusal:
        guard.admit(header)
    status, error, part = challenge
    assert (guard.reply(refusal.value).status, refusal.value.error) == (status, error)
    assert part in refusal.value.challenge()


@pytest.mark.spec("5 of 6, verifier")
@pytest.mark.parametrize("wrong", [{"device_trust": 101}, {"device_trust": -1}, {"max_age": -1}])
def test_a_requirement_that_nobody_can_meet_is_not_made(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationWrong):
        requirement(**wrong)  # type: ignore[arg-type]


@pytest.mark.spec("RFC 6750 §3; RFC 9110 §5.5")
def test_nothing_breaks_out_of_a_challenge() -> None:
    refusal = InvalidToken('a"\r\nSet-Cookie: x\\é')
    assert (
        refusal.challenge('r"')
        == "Bearer realm=\"r'\", error=\"invalid_token\", error_description=\"a'''Set-Cookie: x''\""
    )
