"""Proof Key for Code Exchange."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.errors import InvalidGrant, InvalidRequest
from tokens.pkce import METHODS, challenge_of, check_challenge

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, Appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.spec("RFC 7636 §4.2 s256, Appendix B")
def test_the_published_verifier_has_the_published_challenge() -> None:
    assert challenge_of(VERIFIER) == CHALLENGE
    check_challenge(CHALLENGE, "S256")


@pytest.mark.spec("RFC 9700 §2.1.1 no-plain")
@pytest.mark.parametrize("method", ["plain", "", "s256", "S512"])
def test_every_method_but_s256_is_refused(method: str) -> None:
    assert METHODS == ("S256",)
    with pytest.raises(InvalidRequest, match="S256"):
        check_challenge(CHALLENGE, method)


@pytest.mark.spec("RFC 7636 §4.2")
@pytest.mark.parametrize("challenge", ["", CHALLENGE[:-1], CHALLENGE + "A", CHALLENGE[:-1] + "=", CHALLENGE[:-1] + "+"])
def test_a_challenge_is_the_base64url_of_32_bytes(challenge: str) -> None:
    with pytest.raises(InvalidRequest, match="SHA-256"):
        check_challenge(challenge, "S256")


@pytest.mark.spec("RFC 7636 §4.1")
@pytest.mark.parametrize("verifier", ["short", "a" * 42, "a" * 129, "a" * 42 + "é", "a" * 42 + " ", "a" * 42 + "+"])
def test_a_verifier_has_43_to_128_unreserved_characters(verifier: str) -> None:
    with pytest.raises(InvalidGrant):
        challenge_of(verifier)


@pytest.mark.spec("RFC 9700 §4.8.2")
@given(st.from_regex(r"[A-Za-z0-9._~-]{43,128}", fullmatch=True))
def test_no_verifier_and_a_verifier_never_have_the_same_challenge(verifier: str) -> None:
    assert challenge_of("") == ""
    assert len(challenge_of(verifier)) == 43
