"""Reading requests strictly: whatever two readers could understand differently is refused."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.provider import a_request
from tokens.direct_errors import InvalidExpired
from tokens.direct_parameters import (
    RefreshTokenRequest,
    SignInRequest,
    parse_refresh_token,
    parse_sign_in,
    wants_expired,
)
from tokens.errors import BodyTooLarge, InvalidRequest, OAuthError, UnsupportedMediaType
from tokens.protocol import ProtocolRequest
from tokens.reading import MAX_BODY

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
ANA = SignInRequest("ana", "päss:wörd")


def basic(text: str | bytes) -> dict[str, str]:
    raw = text.encode() if isinstance(text, str) else text
    return {"authorization": "Basic " + base64.b64encode(raw).decode()}


@pytest.mark.parametrize(
    "request_",
    [
        a_request(form={"username": "ana", "password": "päss:wörd"}),
        a_request(form={"username": "ana", "password": "päss:wörd", "remember": "1", "empty": ""}),
        a_request(body=json.dumps({"username": "ana", "password": "päss:wörd"}).encode(), headers=JSON),
        a_request(
            body='{"username":"ana","password":"päss:wörd"}'.encode(),
            headers={"content-type": 'Application/JSON ; charset="UTF-8"'},
        ),
        a_request(headers=basic("ana:päss:wörd")),
        a_request(headers={**basic("ana:päss:wörd"), **JSON}, body=b"{}"),
        a_request(headers={"authorization": "bAsIc  " + basic("ana:päss:wörd")["authorization"][6:]}),
        a_request(form={"username": "ana", "password": "päss:wörd"}, query="expired=false&lang=de&flag"),
    ],
)
@pytest.mark.spec("RFC 6749 §3.2, RFC 7617, RFC 8259")
def test_credentials_come_as_form_json_or_basic(request_: ProtocolRequest) -> None:
    assert parse_sign_in(request_) == ANA
    assert "wörd" not in repr(parse_sign_in(request_))
    assert "wörd" not in repr(request_)


REFUSED = {
    "nothing": a_request(),
    "no password": a_request(form={"username": "ana"}),
    "empty password": a_request(form={"username": "ana", "password": ""}),
    "repeated": a_request(headers=FORM, body=b"username=ana&password=x&username=ben"),
    "repeated, unknown": a_request(headers=FORM, body=b"username=ana&password=x&a=1&a=1"),
    "repeated member": a_request(headers=JSON, body=b'{"username":"ana","password":"x","username":"ben"}'),
    "no JSON": a_request(headers=JSON, body=b"username=ana"),
    "no object": a_request(headers=JSON, body=b'["username","ana"]'),
    "number": a_request(headers=JSON, body=b'{"username":"ana","password":12345}'),
    "absurd number": a_request(headers=JSON, body=b'{"username":"ana","password":' + b"9" * 9_000 + b"}"),
    "fraction": a_request(headers=JSON, body=b'{"username":"ana","password":1.5}'),
    "not a number": a_request(headers=JSON, body=b'{"username":"ana","password":NaN}'),
    "null": a_request(headers=JSON, body=b'{"username":"ana","password":null}'),
    "nested": a_request(headers=JSON, body=b'{"username":"ana","password":{"$ne":""}}'),
    "list": a_request(headers=JSON, body=b'{"username":["ana"],"password":"x"}'),
    "deep": a_request(headers=JSON, body=b'{"a":' * 2_500 + b"1" + b"}" * 2_500),
    "deep lists": a_request(headers=JSON, body=b"[" * 16_000),
    "byte order mark": a_request(headers=JSON, body=b'\xef\xbb\xbf{"username":"ana","password":"x"}'),
    "trailing": a_request(headers=JSON, body=b'{"username":"ana","password":"x"}{}'),
    "lone surrogate": a_request(headers=JSON, body=b'{"username":"\\ud800","password":"x"}'),
    "surrogate name": a_request(headers=JSON, body=b'{"username":"ana","password":"x","\\udfff":"x"}'),
    "NUL member": a_request(headers=JSON, body=b'{"username":"a\\u0000na","password":"x"}'),
    "NUL": a_request(form={"username": "a\0na", "password": "x"}),
    "line feed": a_request(form={"username": "ana", "password": "x\ny"}),
    "C1 control": a_request(form={"username": "ana\x85", "password": "x"}),
    "NUL in a name": a_request(headers=FORM, body=b"username=ana&password=x&%00=1"),
    "long field": a_request(form={"username": "ana", "password": "x" * 1_025}),
    "long unknown field": a_request(form={"username": "ana", "password": "x", "more": "x" * 1_025}),
    "long in bytes": a_request(form={"username": "ä" * 513, "password": "x"}),
    "bad UTF-8": a_request(headers=FORM, body=b"username=%ff&password=x"),
    "raw bad UTF-8": a_request(headers=FORM, body=b"username=\xff&password=x"),
    "bad JSON UTF-8": a_request(headers=JSON, body=b'{"username":"\xc3\x28","password":"x"}'),
    "broken escape": a_request(headers=FORM, body=b"username=%zz&password=x"),
    "cut escape": a_request(headers=FORM, body=b"username=ana&password=x%2"),
    "no equals sign": a_request(headers=FORM, body=b"username=ana&password=x&flag"),
    "many fields": a_request(headers=FORM, body=b"&".join(b"f%d=1" % n for n in range(40))),
    "many members": a_request(headers=JSON, body=json.dumps({f"f{n}": "1" for n in range(40)}).encode()),
    "two methods": a_request(form={"username": "ana", "password": "x"}, headers=basic("ana:x")),
    "two methods, half": a_request(form={"password": "x"}, headers=basic("ana:x")),
    "bearer": a_request(headers={"authorization": "Bearer abc"}),
    "basic without colon": a_request(headers=basic("ana")),
    "basic without name": a_request(headers=basic(":x")),
    "basic without password": a_request(headers=basic("ana:")),
    "basic with control": a_request(headers=basic("ana:x\r\n")),
    "basic not UTF-8": a_request(headers=basic(b"ana:\xff")),
    "basic not base64": a_request(headers={"authorization": "Basic ana:x"}),
    "basic not ASCII": a_request(headers={"authorization": "Basic äöü="}),
    "basic twice": a_request(headers={"authorization": "Basic YTpi, Basic YTpi"}),
    "basic too long": a_request(headers=basic("ana:" + "x" * 9_000)),
    "basic, long field": a_request(headers=basic("ana:" + "x" * 1_025)),
    "empty authorization": a_request(headers={"authorization": ""}),
    "password in the query": a_request(form={"username": "ana", "password": "x"}, query="password=x"),
    "escaped name in the query": a_request(form={"username": "ana", "password": "x"}, query="pass%77ord=x"),
    "username in the query": a_request(form={"username": "ana", "password": "x"}, query="username"),
    "broken query": a_request(form={"username": "ana", "password": "x"}, query="a=%f"),
    "query not UTF-8": a_request(form={"username": "ana", "password": "x"}, query="a=%ff"),
    "long query": a_request(form={"username": "ana", "password": "x"}, query="a=" + "x" * 5_000),
    "query with many fields": a_request(form={"username": "ana", "password": "x"}, query="&".join(["a"] * 40)),
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
@pytest.mark.spec("RFC 6749 §3.2")
def test_anything_else_is_an_invalid_request(request_: ProtocolRequest) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_sign_in(request_)
    assert "ana" not in refusal.value.public


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/jsonx", "",
     "application/x-www-form-urlencoded; charset*=utf-8''x%ff", "application/json;charset=\"", ";", "\r\n"],
)  # fmt: skip
@pytest.mark.spec("RFC 9110 §15.5.16")
def test_another_media_type_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        parse_sign_in(a_request(headers={"content-type": content_type}, body=b"username=ana&password=x"))


@pytest.mark.spec("RFC 9110 §15.5.14")
def test_a_body_of_more_than_16_kib_is_refused_unread() -> None:
    with pytest.raises(BodyTooLarge):
        parse_sign_in(a_request(headers={"content-type": "x"}, body=b"x" * (MAX_BODY + 1)))


def test_a_refresh_token_comes_in_the_body() -> None:
    request = a_request(form={"refresh_token": "x" * 512})
    assert parse_refresh_token(request) == RefreshTokenRequest("x" * 512)
    assert "xxx" not in repr(parse_refresh_token(request))


@pytest.mark.parametrize(
    "request_",
    [
        a_request(),
        a_request(form={"refresh_token": "x" * 513}),
        a_request(form={"refresh_token": "x"}, headers=basic("ana:x")),
        a_request(form={"refresh_token": "x"}, query="refresh_token=x"),
        a_request(form={"refresh_token": "x"}, query="token"),
    ],
)
def test_a_refresh_token_comes_in_no_other_way(request_: ProtocolRequest) -> None:
    with pytest.raises(InvalidRequest):
        parse_refresh_token(request_)


@pytest.mark.parametrize(
    ("query", "wanted"), [("", False), ("expired=false", False), ("expired=true", True), ("a=b&expired=true", True)]
)
@pytest.mark.spec("design: product.md, Flask JWKS server")
def test_expired_is_true_or_false(query: str, wanted: bool) -> None:
    assert wants_expired(a_request(query=query)) is wanted


@pytest.mark.parametrize(
    "query",
    ["expired", "expired=", "expired=True", "expired=1", "expired=%00", "expired=true&expired=true", "expired=true%20"],
)
def test_any_other_value_of_expired_is_refused_in_the_known_words(query: str) -> None:
    with pytest.raises(InvalidExpired) as refusal:
        wants_expired(a_request(query=query))
    assert refusal.value.code == "Invalid 'expired' query parameter. Must be 'true' or 'false'."


headers = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.one_of(
            st.sampled_from(["application/json", "application/x-www-form-urlencoded"]),
            st.text(st.characters(max_codepoint=255), max_size=60),
            st.text(st.characters(max_codepoint=255), max_size=30).map("application/json; charset={}".format),
        ),
        "authorization": st.one_of(
            st.text(st.characters(max_codepoint=255), max_size=60),
            st.binary(max_size=60).map(lambda raw: "Basic " + base64.b64encode(raw).decode()),
        ),
    },
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = ["username", "password", "refresh_token", "client_id", "client_secret", "grant_type", "token", "scope"]
names = st.sampled_from(_NAMES) | st.text(max_size=8)
bodies = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(names, values, max_size=5).map(lambda found: json.dumps(found).encode()),
    st.lists(st.tuples(names, st.text(max_size=20)), max_size=5).map(
        lambda pairs: "&".join(f"{quote(n, errors='replace')}={quote(v, errors='replace')}" for n, v in pairs).encode()
    ),
)
queries = st.text(st.characters(max_codepoint=255), max_size=60)


@settings(max_examples=400, deadline=None)
@given(headers, bodies, queries)
@example({"content-type": "application/json"}, b'{"username":"\\ud800\\udc00","password":"x"}', "")
def test_every_request_is_understood_or_refused(headers: dict[str, str], body: bytes, query: str) -> None:
    request = a_request(headers=headers, body=body, query=query)
    for parse in (parse_sign_in, parse_refresh_token, wants_expired):
        found, status = understood(parse, request)
        assert found is not None or 400 <= status < 500
        if isinstance(found, SignInRequest):
            for text in (found.username, found.password):
                assert 0 < len(text.encode("utf-8")) <= 1_024
                assert "\0" not in text


def understood(parse: Callable[[ProtocolRequest], object], request: ProtocolRequest) -> tuple[object, int]:
    """What a parser made of a request, or the status of its refusal."""
    try:
        return parse(request), 200
    except OAuthError as error:
        return None, error.status
