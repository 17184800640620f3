"""Reading an authorization request."""

from contextlib import suppress
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokens.test_pkce import CHALLENGE
from tokens.authorization_request import parse, read, response_mode_of
from tokens.errors import AuthorizationRefused, InvalidRequest, OAuthError
from tokens.protocol import ProtocolRequest
from tokens.reading import MAX_BODY, MAX_FIELDS, MAX_QUERY
from tokens.vocabulary import Prompt, ResponseMode

GOOD = {
    "response_type": "code",
    "client_id": "app",
    "redirect_uri": "https://app.example.org/cb",
    "scope": "openid email",
    "state": "s/+ é",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "max_age": "3600",
    "prompt": "login consent",
}


def get(query: str) -> ProtocolRequest:
    return ProtocolRequest("GET", "/authorize", query, {}, b"", "192.0.2.1")


def refused(**changes: str) -> str:
    with pytest.raises(AuthorizationRefused) as refusal:
        parse(read(get(urlencode({**GOOD, **changes}))))
    return refusal.value.word


@pytest.mark.spec("OIDC Core §3.1.2.1 get-and-post")
def test_get_and_post_say_the_same() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    posted = ProtocolRequest("POST", "/authorize", "", form, urlencode(GOOD).encode(), "192.0.2.1")
    found = parse(read(posted))
    assert found == parse(read(get(urlencode(GOOD))))
    assert (found.scopes, found.state, found.nonce) == (("openid", "email"), "s/+ é", "n")
    assert (found.max_age, response_mode_of(read(posted))) == (3600, ResponseMode.QUERY)
    assert found.prompts == {Prompt.LOGIN, Prompt.CONSENT}


@pytest.mark.spec(
    "OpenID Connect Core §3.1.2.6",
    "RFC 6749 §3.1.1 response-type, RFC 6749 §4.1.2.1 error, RFC 7636 §4.4.1 method-unsupported",
    "RFC 9700 §2.6 in-browser-messages, RFC 9700 §4.17.2 no-wildcard-origin, RFC 9700 §4.17.2 exact-origin",
    "OIDC Core §3.1.2.1 prompt-none-alone, OIDC Core §3.1.2.2 parameters-checked, OIDC Core §6.1 request",
    "OIDC Core §6.2 request-uri, OIDC Core §6.3.1 decryption, OIDC Core §6.3.2 signature, OIDC Core §6.3.3 assembly",
)
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code code"}, "unsupported_response_type"),
        ({"response_type": "code none"}, "unsupported_response_type"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": "a  b"}, "invalid_scope"),
        ({"scope": 'a"'}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "9" * 10}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"nonce": "n" * 513}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://x.example/r"}, "request_uri_not_supported"),
    ],
)
def test_what_is_wrong_has_a_registered_word(changes: dict[str, str], word: str) -> None:
    assert refused(**changes) == word


@pytest.mark.spec("RFC 6749 §3.1 once")
def test_a_repeated_parameter_is_refused_and_resource_may_stand_twice() -> None:
    raw = read(get(urlencode([*GOOD.items(), ("nonce", "other")])))
    with pytest.raises(AuthorizationRefused, match="nonce"):
        parse(raw)
    twice = [("resource", "https://a.example"), ("resource", "https://b.example"), ("resource", "https://a.example")]
    assert parse(read(get(urlencode([*GOOD.items(), *twice])))).resources == ("https://a.example", "https://b.example")


@pytest.mark.spec("OpenID Connect Core §3.1.2.1, prompt and max_age")
def test_what_a_sign_in_fulfils_is_not_asked_for_again() -> None:
    after = parse_qs(read(get(urlencode(GOOD))).query_after_sign_in())
    assert after["prompt"] == ["consent"]
    assert "max_age" not in after
    alone = parse_qs(read(get(urlencode({**GOOD, "prompt": "login"}))).query_after_sign_in())
    assert "prompt" not in alone
    assert {name for name in GOOD if name not in ("prompt", "max_age")} == alone.keys()
    assert parse_qs(read(get(urlencode(GOOD))).query())["prompt"] == ["login consent"]


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    for request in (
        get(raw.decode("latin-1")),
        ProtocolRequest("POST", "/authorize", "", {"content-type": "application/x-www-form-urlencoded"}, raw, ""),
    ):
        with suppress(OAuthError):
            parse(read(request))


@pytest.mark.spec("RFC 6749 §3.1, RFC 6749 §10.14 input-checked")
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ProtocolRequest("POST", "/authorize", "", {"content-type": "application/json"}, b"{}", ""), 415),
        (ProtocolRequest("POST", "/authorize", "", {}, b"x" * (MAX_BODY + 1), ""), 413),
        (get("state=" + "x" * MAX_QUERY), 400),
        (get("&".join(f"p{number}=1" for number in range(MAX_FIELDS + 1))), 400),
        (get("state=%00"), 400),
        (get("state=" + "x" * 2_049), 400),
        (get("state=%ff"), 400),
    ],
)
def test_what_cannot_be_read_is_nobodys_request(request_: ProtocolRequest, status: int) -> None:
    with pytest.raises(OAuthError) as refusal:
        read(request_)
    assert refusal.value.status == status


def test_a_refusal_travels_by_the_default_way_where_none_makes_sense() -> None:
    assert response_mode_of(read(get("response_mode=pigeon"))) is ResponseMode.QUERY
    assert response_mode_of(read(get("response_mode=fragment"))) is ResponseMode.FRAGMENT
    for response_type, mode in (
        ("token", ResponseMode.FRAGMENT),
        ("code+token+x", ResponseMode.FRAGMENT),
        ("none", "query"),
    ):
        assert response_mode_of(read(get(f"response_type={response_type}&response_mode=pigeon"))) is ResponseMode(mode)
        assert response_mode_of(read(get(f"response_type={response_type}&response_mode=query"))) is ResponseMode(mode)


@pytest.mark.spec("house: bounded sizes")
def test_nobody_is_sent_away_with_a_request_that_could_not_come_back() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for length, fits in ((MAX_QUERY - len("claims="), True), (MAX_QUERY - len("claims=") + 1, False)):
        posted = ProtocolRequest("POST", "/authorize", "", form, b"claims=" + b"a" * length, "192.0.2.1")
        raw = read(posted)
        for query in (raw.query, raw.query_after_sign_in):
            if fits:
                assert read(get(query())).pairs == raw.pairs
            else:
                with pytest.raises(InvalidRequest, match="too long to come back"):
                    query()
