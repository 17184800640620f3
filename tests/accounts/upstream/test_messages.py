"""accounts/upstream/messages.py and discovery.py: what goes to a provider, and what is read of its answers."""

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from accounts.errors import UpstreamAway, UpstreamDeclined, UpstreamRefused
from accounts.upstream.discovery import ProviderMetadata, auth_method, discovery_address, read_metadata
from accounts.upstream.messages import Secrets, Wishes, authorization_address, check_available, code_in, token_request

METADATA = ProviderMetadata(
    issuer="https://login.example",
    authorization_endpoint="https://login.example/authorize",
    token_endpoint="https://login.example/token",
    jwks_uri="https://login.example/jwks",
    userinfo_endpoint="",
    auth_methods=("client_secret_basic",),
    names_itself=True,
)
# RFC 7636, Appendix B.
SECRETS = Secrets("s", "n", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")


def asked(metadata: ProviderMetadata = METADATA, **wishes: Any) -> tuple[str, dict[str, str]]:
    address = authorization_address(
        metadata,
        client_id="here & there",
        redirect_uri="https://id.example/upstream/corp/callback",
        scopes=["openid", "email"],
        secrets=SECRETS,
        wishes=Wishes(**{"max_age": 60, **wishes}),
    )
    return address, dict(parse_qsl(urlsplit(address).query, strict_parsing=True))


@pytest.mark.spec("RFC 7636 Appendix B, OpenID Connect Core §3.1.2.1")
def test_the_challenge_is_the_verifier_s_hash_and_the_verifier_stays_here() -> None:
    address, parameters = asked()
    assert parameters["code_challenge"] == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert SECRETS.code_verifier not in address
    assert {"prompt", "login_hint", "ui_locales"}.isdisjoint(parameters)
    assert parameters["client_id"] == "here & there"


@pytest.mark.spec("RFC 6749 §3.1")
def test_an_endpoint_may_have_a_query_of_its_own() -> None:
    address, parameters = asked(replace(METADATA, authorization_endpoint="https://login.example/a?tenant=1"))
    assert address.startswith("https://login.example/a?tenant=1&response_type=code&")
    assert parameters["tenant"] == "1"


def test_a_max_age_of_nought_is_said() -> None:
    assert asked(max_age=0, prompt="login")[1]["max_age"] == "0"


def answer(**changes: str) -> dict[str, str]:
    return {"state": "s", "code": "c", "error": "", "iss": METADATA.issuer, **changes}


@pytest.mark.spec("RFC 9207 §2.4")
@pytest.mark.parametrize(
    ("changes", "names_itself", "fault"),
    [
        ({}, True, None),
        ({}, False, None),
        ({"iss": ""}, False, None),
        ({"iss": ""}, True, UpstreamRefused),
        ({"iss": "https://evil.example"}, True, UpstreamRefused),
        ({"iss": "https://evil.example"}, False, UpstreamRefused),
        ({"iss": "https://evil.example", "code": "", "error": "access_denied"}, True, UpstreamRefused),
        ({"iss": f"{METADATA.issuer}/"}, True, UpstreamRefused),
        ({"code": ""}, True, UpstreamRefused),
        ({"error": "access_denied"}, True, UpstreamRefused),
        ({"code": "c" * 4_097}, True, UpstreamRefused),
        ({"code": "", "error": "access_denied"}, True, UpstreamDeclined),
        ({"code": "", "error": "x" * 9_999}, True, UpstreamDeclined),
        ({"code": "", "error": "server_error"}, True, UpstreamAway),
    ],
)
def test_an_answer_is_this_issuer_s_and_a_code_or_an_error(
    changes: dict[str, str], names_itself: bool, fault: type[Exception] | None
) -> None:
    metadata = replace(METADATA, names_itself=names_itself)
    if fault is None:
        assert code_in(answer(**changes), metadata=metadata) == "c"
        return
    with pytest.raises(fault) as caught:
        code_in(answer(**changes), metadata=metadata)
    if isinstance(caught.value, UpstreamDeclined):
        assert caught.value.word in ("access_denied", "")


@pytest.mark.spec("RFC 6749 §2.3.1")
def test_both_parts_of_basic_are_form_encoded_first() -> None:
    headers, body = token_request(
        "c", method="client_secret_basic", client_id="a:b", secret="p +%", redirect_uri="https://r/", code_verifier="v"
    )
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"a%3Ab:p+%2B%25"
    assert b"client" not in body
    assert dict(parse_qsl(body.decode())) == {
        "grant_type": "authorization_code", "code": "c", "redirect_uri": "https://r/", "code_verifier": "v",
    }  # fmt: skip


@pytest.mark.spec("OpenID Connect Core §9")
@pytest.mark.parametrize(
    ("methods", "has_secret", "chosen"),
    [
        (("client_secret_post", "client_secret_basic"), True, "client_secret_basic"),
        (("client_secret_post", "none"), True, "client_secret_post"),
        (("none", "private_key_jwt"), False, "none"),
        (("private_key_jwt", "client_secret_jwt"), True, None),
        (("none",), True, None),
        (("client_secret_basic",), False, None),
        ((), True, None),
    ],
)
def test_the_client_proves_who_it_is_by_what_the_provider_takes(
    methods: tuple[str, ...], has_secret: bool, chosen: str | None
) -> None:
    metadata = replace(METADATA, auth_methods=methods)
    if chosen is None:
        with pytest.raises(UpstreamRefused):
            auth_method(metadata, has_secret=has_secret)
    else:
        assert auth_method(metadata, has_secret=has_secret) == chosen


@pytest.mark.spec("OpenID Connect Discovery §4.1")
def test_the_metadata_lie_below_the_issuer() -> None:
    found = "https://login.example/t/.well-known/openid-configuration"
    assert discovery_address("https://login.example/t") == discovery_address("https://login.example/t/") == found


@pytest.mark.spec("OpenID Connect Discovery §3")
def test_what_is_not_said_has_the_default_of_the_specification() -> None:
    document = {
        "issuer": "https://login.example",
        "authorization_endpoint": "https://login.example/a",
        "token_endpoint": "https://login.example/t",
        "jwks_uri": "https://keys.example/j",
    }
    found = read_metadata(document, issuer="https://login.example", loopback=False, algorithms=["RS256"])
    assert (found.auth_methods, found.names_itself, found.userinfo_endpoint) == (("client_secret_basic",), False, "")
    with pytest.raises(UpstreamRefused, match="another issuer"):
        read_metadata(document, issuer="https://login.example/", loopback=False, algorithms=["RS256"])
    with pytest.raises(UpstreamRefused, match="signs its ID tokens"):
        read_metadata(document, issuer="https://login.example", loopback=False, algorithms=["ES256"])


@pytest.mark.parametrize(("status", "away"), [(200, False), (400, False), (429, True), (500, True), (599, True)])
def test_an_outage_is_told_from_an_answer(status: int, away: bool) -> None:
    if away:
        with pytest.raises(UpstreamAway):
            check_available(status)
    else:
        check_available(status)
