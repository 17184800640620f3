"""How a client says who it is, read strictly; and the requests that clients make on their own."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.provider import a_request
from tests.tokens.clients import API, OTHER_API, asserted, basic
from tests.tokens.test_parameters import FORM, JSON, bodies, headers, queries, understood
from tokens.errors import (
    BodyTooLarge,
    InvalidClient,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    UnsupportedGrantType,
    UnsupportedMediaType,
)
from tokens.parameters import (
    ClientCredentialsRequest,
    PresentedClient,
    TokenRequest,
    parse_presented_token,
    parse_token_request,
)
from tokens.protocol import ProtocolRequest
from tokens.reading import MAX_BODY
from tokens.vocabulary import AuthMethod, GrantType

GRANT = {"grant_type": "client_credentials"}
BASIC = basic("machine", "s3cret")


def a_token_request(form: dict[str, str] | None = None, **more: Any) -> ProtocolRequest:
    return a_request("/token", form={**GRANT, **(form or {})}, **more)


@pytest.mark.spec("RFC 7521 §4.2, RFC 6749 §2.3.1 basic, OIDC Core §9 assertion-parameters")
@pytest.mark.parametrize(
    ("request_", "client"),
    [
        (a_token_request(headers=BASIC), (AuthMethod.BASIC, "machine", "s3cret")),
        (a_token_request({"client_id": "machine"}, headers=BASIC), (AuthMethod.BASIC, "machine", "s3cret")),
        (a_token_request(headers=basic("a b", "ö+%:/")), (AuthMethod.BASIC, "a b", "ö+%:/")),
        (a_token_request({"client_id": "m", "client_secret": "s"}), (AuthMethod.POST, "m", "s")),
        (a_token_request(asserted("a.b.c")), (AuthMethod.PRIVATE_KEY_JWT, "", "a.b.c")),
        (a_token_request(asserted("a.b.c", client_id="m")), (AuthMethod.PRIVATE_KEY_JWT, "m", "a.b.c")),
        (a_token_request({"client_id": "m"}), (AuthMethod.NONE, "m", "")),
    ],
)
def test_a_client_uses_one_of_four_methods(request_: ProtocolRequest, client: tuple[AuthMethod, str, str]) -> None:
    found = parse_token_request(request_)
    assert found.client == PresentedClient(*client)
    assert found.grant_type is GrantType.CLIENT_CREDENTIALS
    assert "s3cret" not in repr(found)
    assert "a.b.c" not in repr(found)


@pytest.mark.spec("RFC 6749 §3.2: without a value is as good as left out", "RFC 6749 §3.2 empty-is-omitted")
def test_a_parameter_without_a_value_is_left_out() -> None:
    empty = {"client_secret": "", "client_assertion": "", "scope": "", "resource": "", "client_id": ""}
    found = parse_token_request(a_token_request(empty, headers=BASIC))
    assert found.client.method is AuthMethod.BASIC
    assert isinstance(found.grant, ClientCredentialsRequest)
    assert (found.grant.scopes, found.grant.resources) == ((), ())
    assert (
        parse_token_request(a_token_request({"client_id": "m", "client_secret": ""})).client.method is AuthMethod.NONE
    )


@pytest.mark.spec("RFC 6749 §5.2: more than one mechanism", "RFC 6749 §2.3 one-method, RFC 6749 §5.2 error")
@pytest.mark.parametrize(
    "request_",
    [
        a_token_request({"client_secret": "s"}, headers=BASIC),
        a_token_request({"client_id": "machine", "client_secret": "s3cret"}, headers=BASIC),
        a_token_request(asserted("a.b.c"), headers=BASIC),
        a_token_request(asserted("a.b.c", client_id="m", client_secret="s")),
        a_token_request({"client_assertion": "a.b.c", "client_secret": "s"}),
        a_token_request({"client_assertion_type": "x", "client_id": "m", "client_secret": "s"}),
        a_token_request(asserted("a.b.c", client_secret="s"), headers=BASIC),
    ],
)
def test_two_methods_at_once_are_an_invalid_request(request_: ProtocolRequest) -> None:
    with pytest.raises(InvalidRequest, match="one method"):
        parse_token_request(request_)


@pytest.mark.spec(
    "RFC 6749 §5.2: no client authentication included, or an unsupported method",
    "RFC 6749 §3.2.1 public-names-itself, RFC 6749 §5.2 basic-challenge, OIDC Core §9 assertion-parameters",
)
@pytest.mark.parametrize(
    "request_",
    [
        a_token_request(),
        a_token_request({"client_id": ""}),
        a_token_request(headers={"authorization": "Bearer abc"}),
        a_token_request(headers={"authorization": ""}),
        a_token_request({"client_id": "m"}, headers={"authorization": "Digest username=m"}),
        a_token_request({"client_assertion": "a.b.c", "client_assertion_type": "urn:saml2"}),
    ],
)
def test_without_a_known_method_the_client_is_invalid(request_: ProtocolRequest) -> None:
    with pytest.raises(InvalidClient) as refusal:
        parse_token_request(request_)
    assert refusal.value.status == 401
    assert "Basic" in refusal.value.headers["WWW-Authenticate"]


def raw_basic(raw: bytes) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(raw).decode()}


@pytest.mark.parametrize(
    "request_",
    [
        a_token_request({"client_id": "other"}, headers=BASIC),
        a_token_request(headers=raw_basic(b"machine:%ff")),
        a_token_request(headers=raw_basic(b"%c3:s")),
        a_token_request(headers=raw_basic(b"machine:%ed%a0%80")),  # a surrogate
        a_token_request(headers=raw_basic(b"machine:%00")),
        a_token_request(headers=raw_basic(b"machine%0a:s")),
        a_token_request(headers=raw_basic(b"machine:100%")),
        a_token_request(headers=raw_basic(b"machine:%zz")),
        a_token_request(headers=raw_basic(b"machine:\xff")),
        a_token_request(headers=raw_basic(b"machine")),
        a_token_request(headers=raw_basic(b"machine:")),
        a_token_request(headers={"authorization": "Basic"}),
        a_token_request({"client_secret": "s"}),
        a_token_request({"client_assertion": "a.b.c"}),
        a_token_request({"client_assertion_type": "x"}),
        a_token_request({"client_assertion_type": "x", "client_id": "m"}),
        a_request("/token", headers=BASIC),
        a_request("/token", form={"client_id": "m"}),
        a_request("/token", form={"client_id": "m", "grant_type": ""}),
        a_token_request({"client_id": "m"}, query="client_secret=s"),
        a_token_request({"client_id": "m"}, query="client_assertion=s"),
        a_token_request({"client_id": "m\0"}),
        a_token_request({"client_id": "m" * 1_025}),
        a_token_request(asserted("a" * 8_193)),
        a_request("/token", headers=FORM, body=b"grant_type=client_credentials&client_id=m&client_id=m"),
        a_request("/token", headers=FORM, body=b"grant_type=client_credentials&client_id=m&scope=&scope="),
        a_request("/token", headers=FORM, body=b"grant_type=client_credentials&client_id=m&resource=%00"),
    ],
)  # fmt: skip
@pytest.mark.spec("RFC 6749 §2.3.1 secret-in-body, RFC 6749 §3.2 once, RFC 6749 §5.2 error")
def test_a_malformed_request_is_an_invalid_request(request_: ProtocolRequest) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_token_request(request_)
    assert "machine" not in refusal.value.public


@pytest.mark.spec("RFC 6749 §4.4.2, Appendix B")
@pytest.mark.parametrize("kind", [JSON, {}, {"content-type": ""}, {"content-type": "multipart/form-data; boundary=x"}])
def test_only_a_form_is_read(kind: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType):
        parse_token_request(a_request("/token", headers={**kind, **BASIC}, body=b'{"grant_type":"client_credentials"}'))
    with pytest.raises(BodyTooLarge):
        parse_token_request(a_request("/token", headers={**kind, **BASIC}, body=b"x" * (MAX_BODY + 1)))


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("name", ["password", "Client_Credentials", "urn:x", "implicit"])
def test_another_grant_type_is_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedGrantType) as refusal:
        parse_token_request(a_request("/token", form={"grant_type": name, "client_id": "m"}))
    assert refusal.value.code == "unsupported_grant_type"


def test_a_malformed_scope_is_an_invalid_scope() -> None:
    with pytest.raises(InvalidScope):
        parse_token_request(a_token_request({"scope": "a  b"}, headers=BASIC))


@pytest.mark.spec("RFC 8707 §2: resource may be repeated")
def test_resources_come_once_each_in_their_order() -> None:
    body = "grant_type=client_credentials&" + "&".join(f"resource={quote(uri)}" for uri in (OTHER_API, API, OTHER_API))
    found = parse_token_request(a_request("/token", headers={**FORM, **BASIC}, body=body.encode()))
    assert isinstance(found.grant, ClientCredentialsRequest)
    assert found.grant.resources == (OTHER_API, API)


@pytest.mark.spec("RFC 7662 §2.1 hint-extended, RFC 7009 §2.1 hint-extended")
def test_a_token_is_presented_with_a_hint_that_changes_nothing() -> None:
    form = {"token": "x" * 12_288, "token_type_hint": "nonsense"}
    found = parse_presented_token(a_request("/introspect", form=form, headers=BASIC))
    assert (found.token, found.client.client_id) == (form["token"], "machine")
    assert "xxx" not in repr(found)


@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token": "x" * 12_289}, {"token": "a\0"}])
def test_a_presented_token_is_there_and_bounded(form: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        parse_presented_token(a_request("/introspect", form=form, headers=BASIC))


@given(headers, bodies | st.just(b"grant_type=client_credentials&client_id=m&token=t"), queries)
@example(
    {"authorization": "Basic JWZmOiVmZg==", "content-type": FORM["content-type"]},
    b"grant_type=client_credentials&token=t", "",
)  # fmt: skip
def test_every_request_is_understood_or_refused(found: dict[str, str], body: bytes, query: str) -> None:
    for parse in (parse_token_request, parse_presented_token):
        answer, status = understood(parse, a_request(headers=found, body=body, query=query))
        assert answer is not None or 400 <= status < 500
        if isinstance(answer, TokenRequest):
            assert "\0" not in answer.client.client_id + answer.client.proof


def test_an_error_says_what_the_log_needs_and_never_what_came() -> None:
    with pytest.raises(OAuthError) as refusal:
        parse_token_request(a_token_request(headers={"authorization": "Bearer canary"}))
    assert refusal.value.detail == "scheme"
    assert "canary" not in repr(refusal.value)
