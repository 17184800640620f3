"""keys/compact.py: whatever comes as a token is either plain or refused."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keys import compact
from keys.errors import TokenRefused
from keys.jwk import base64url

HEADER = {"alg": "ES256", "kid": "k", "typ": "JWT"}
CLAIMS = {"exp": 1_900_000_000}


def part(value: object) -> str:
    """A part of a token: JSON of a value, or a text or bytes as they are."""
    raw = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    return base64url(raw)


def token(header: object = HEADER, claims: object = CLAIMS, signature: str = "c2ln") -> str:
    return f"{part(header)}.{part(claims)}.{signature}"


@pytest.mark.spec("RFC 7515 §7.1")
def test_a_plain_token_is_taken_apart() -> None:
    parsed = compact.parse(token())
    assert (parsed.kid, parsed.algorithm, parsed.typ) == ("k", "ES256", "JWT")
    assert parsed.claims == CLAIMS
    assert parsed.signature == b"sig"
    assert parsed.signing_input == token().rpartition(".")[0].encode()


@pytest.mark.spec("RFC 7523 §3: a client's assertion needs neither kid nor typ")
def test_a_token_of_somebody_else_may_lack_kid_and_typ() -> None:
    parsed = compact.parse(token(header={"alg": "ES256"}), own=False)
    assert (parsed.kid, parsed.typ, parsed.algorithm) == ("", "", "ES256")
    for header in ({"kid": "k"}, {"alg": "ES256", "kid": 7}, {"alg": "ES256", "typ": ""}):
        with pytest.raises(TokenRefused):
            compact.parse(token(header=header), own=False)


BAD_HEADERS: list[tuple[object, str]] = [
    ({**HEADER, "crit": ["exp"]}, "critical"),
    ({**HEADER, "crit": []}, "critical"),
    ({**HEADER, "crit": None}, "critical"),
    ({"alg": "ES256", "typ": "JWT"}, "kid"),
    ({"alg": "ES256", "kid": "", "typ": "JWT"}, "kid"),
    ({"alg": "ES256", "kid": 7, "typ": "JWT"}, "kid"),
    ({"alg": "ES256", "kid": ["k"], "typ": "JWT"}, "kid"),
    ({"kid": "k", "typ": "JWT"}, "alg"),
    ({"alg": None, "kid": "k", "typ": "JWT"}, "alg"),
    ({"alg": "ES256", "kid": "k"}, "typ"),
    ({"alg": "ES256", "kid": "k", "typ": {}}, "typ"),
    ('{"alg":"ES256","alg":"none","kid":"k","typ":"JWT"}', "each member once"),
    ('{"alg":"ES256","kid":"k","typ":"JWT","x":{"a":1,"a":2}}', "each member once"),
    ("[]", "not a JSON object"),
    ("null", "not a JSON object"),
    ('"text"', "not a JSON object"),
    ("{", "plain JSON"),
    ("", "plain JSON"),
    ("{} {}", "plain JSON"),
    ("{'alg':'ES256'}", "plain JSON"),
    (b"\xff\xfe", "UTF-8"),
    (b'\xef\xbb\xbf{"alg":"ES256","kid":"k","typ":"JWT"}', "plain JSON"),
    (b'{"alg":"\xed\xa0\x80"}', "UTF-8"),
    ("[" * 9_000, "plain JSON"),
    ('{"a":' * 2_000 + "1" + "}" * 2_000, "plain JSON"),
]


@pytest.mark.spec("RFC 8725 §2, RFC 7515 §4.1.11, §5.2")
@pytest.mark.parametrize(("header", "reason"), BAD_HEADERS, ids=lambda value: repr(value)[:50])
def test_an_unusual_header_is_refused_and_the_reason_named(header: object, reason: str) -> None:
    with pytest.raises(TokenRefused, match=reason):
        compact.parse(token(header=header))


@pytest.mark.spec("keys.md Signing and publishing: absent or absurd exp")
@pytest.mark.parametrize(
    "claims",
    [
        {}, {"exp": None}, {"exp": True}, {"exp": "1900000000"}, {"exp": 1.5}, {"exp": 1.9e9}, {"exp": -1},
        {"exp": [1]}, {"exp": {}}, {"exp": 253_402_300_800}, {"exp": 10**300},
        '{"exp":1e400}', '{"exp":NaN}', '{"exp":Infinity}', '{"exp":-Infinity}', '{"exp":1,"exp":2}',
        '{"exp":' + "9" * 5_000 + "}", '{"exp":1,"n":' + "9" * 5_000 + "}",
        {"exp": 1, "iat": "now"}, {"exp": 1, "nbf": False}, {"exp": 1, "iat": -5},
        {"exp": 1, "iat": None}, {"exp": 1, "nbf": None},
        "[1]", "7", "", b"\xff",
    ],
    ids=lambda claims: repr(claims)[:40],
)  # fmt: skip
def test_an_absurd_payload_is_refused(claims: object) -> None:
    with pytest.raises(TokenRefused):
        compact.parse(token(claims=claims))


@pytest.mark.spec("RFC 7519 §2 NumericDate")
@pytest.mark.parametrize("exp", [0, 1, 253_402_300_799])
def test_sensible_dates_pass(exp: int) -> None:
    assert compact.parse(token(claims={"exp": exp, "iat": exp, "nbf": exp})).claims["exp"] == exp


@pytest.mark.spec("RFC 7515 §3.1, §2")
@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "...", "a.b", "a.b.c.d", "a.b.c.d.e", token() + ".", "." + token(), token() + "=",
        token() + "\n", " " + token(), token(signature="c2l="), token(signature="c2lnA"), token(signature="c2+n"),
        token() + "é", token().replace(".", "\u3002"), "\x00", "\ud800.\ud800.\ud800",
    ],
    ids=lambda text: repr(text)[:30],
)  # fmt: skip
def test_what_is_not_three_canonical_parts_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        compact.parse(text)


@pytest.mark.spec("keys.md Signing and publishing: anything over a size limit")
def test_a_token_over_the_limit_is_refused_unread() -> None:
    longest = token(signature="A" * 16_000)
    room = compact.MAX_TOKEN_BYTES - len(token(signature=""))
    assert compact.parse(token(signature="A" * (room - room % 4)))
    assert len(longest) <= compact.MAX_TOKEN_BYTES
    for size in (compact.MAX_TOKEN_BYTES + 1, 5_000_000):
        with pytest.raises(TokenRefused, match="longer"):
            compact.parse("." * size)


@pytest.mark.spec("RFC 8259 §8.2")
def test_a_lone_surrogate_in_the_kid_is_only_a_kid_that_nobody_has() -> None:
    assert compact.parse(token(header='{"alg":"ES256","kid":"\\ud800","typ":"JWT"}')).kid == "\ud800"


@pytest.mark.spec("keys.md: the message never repeats the token")
@pytest.mark.parametrize(("header", "_reason"), BAD_HEADERS[:12])
def test_a_refusal_never_repeats_the_token(header: object, _reason: str) -> None:
    secret = token(header=header, claims={"exp": 1, "secret": "hunter2hunter2"})
    with pytest.raises(TokenRefused) as caught:
        compact.parse(secret)
    for piece in (*secret.split("."), "hunter2"):
        assert piece not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.spec("keys.md: an object is read strictly")
def test_an_object_from_elsewhere_is_named_in_the_message() -> None:
    assert compact.plain_object('{"a": 1}', "--claims") == {"a": 1}
    with pytest.raises(TokenRefused, match="--claims is not a JSON object"):
        compact.plain_object("[]", "--claims")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
members = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "exp", "nbf", "iat", "x"]) | st.text(max_size=3), json_values
)
segments = st.text(max_size=20) | st.binary(max_size=40).map(base64url) | (json_values | members).map(part)


@pytest.mark.spec("issue 2: never another error")
@given(st.lists(segments, max_size=5).map(".".join) | st.text(max_size=60))
@example("A.A.A")
@example(token(claims='{"exp":1' + ',"a":[' * 3_000))
def test_whatever_comes_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = compact.parse(text)
    except TokenRefused:
        return
    assert parsed.kid
    assert type(parsed.claims["exp"]) is int


@pytest.mark.spec("RFC 7519 §7.2")
@given(members, members)
def test_a_token_of_json_objects_is_parsed_or_refused(header: dict[str, Any], claims: dict[str, Any]) -> None:
    try:
        parsed = compact.parse(token({**HEADER, **header}, {**CLAIMS, **claims}))
    except TokenRefused:
        return
    assert parsed.claims["exp"] == {**CLAIMS, **claims}["exp"]
