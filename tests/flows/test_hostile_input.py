"""Whatever is sent, the answer is a 4xx that is JSON, and never a 500."""

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accounts.models import User
from realms.models import Realm
from tests.provider import PASSWORD, Browser, make_realm
from tests.tokens.test_parameters import REFUSED, bodies, headers, queries
from tokens.protocol import ProtocolRequest
from tokens.reading import MAX_BODY


@pytest.fixture
def bare_realm(db: None) -> Realm:
    """A realm without keys: what is malformed is refused before any is needed."""
    return make_realm(purposes=())


PATHS = ["/auth", "/auth/mfa", "/auth/refresh", "/auth/logout"]
CLIENT_PATHS = ["/token", "/introspect", "/revoke"]  # forms alone, from clients that say who they are
FORM = "application/x-www-form-urlencoded"


def send(browser: Browser, path: str, found: dict[str, str], body: bytes, query: str) -> Any:
    extra: dict[str, Any] = {f"HTTP_{name.upper()}": value for name, value in found.items() if name != "content-type"}
    content_type = found.get("content-type", "")
    return browser.generic("POST", path, body, content_type, QUERY_STRING=query, **extra)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_malformed_requests_are_refused_at_every_endpoint(
    request_: ProtocolRequest, path: str, browser: Browser, bare_realm: Realm
) -> None:
    answer = send(browser, path, dict(request_.headers), request_.body, request_.query)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", CLIENT_PATHS)
@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
@pytest.mark.spec("RFC 6749 §5.2 error")
def test_malformed_requests_are_refused_at_the_endpoints_of_clients(
    request_: ProtocolRequest, path: str, browser: Browser, bare_realm: Realm
) -> None:
    answer = send(browser, path, dict(request_.headers), request_.body, request_.query)
    known = {(400, "invalid_request"), (415, "invalid_request"), (401, "invalid_client")}
    assert (answer.status_code, answer.json()["error"]) in known
    assert ("WWW-Authenticate" in answer) == (answer.status_code == 401)
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")


@pytest.mark.spec("RFC 7009 §5 denial-of-service")
@pytest.mark.parametrize("path", [*PATHS, *CLIENT_PATHS])
@pytest.mark.parametrize("body", [b"username=" + b"x" * 1_000_000, b"[" * 1_000_000, b"\0" * 3_000_000])
def test_a_megabyte_is_too_long(path: str, body: bytes, browser: Browser, bare_realm: Realm) -> None:
    answer = browser.generic("POST", path, body, FORM)
    assert answer.status_code == 413
    assert answer.json()["error"] == "invalid_request"


def test_no_more_of_a_body_is_read_than_any_flow_takes(
    browser: Browser, bare_realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = io.BytesIO.read

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            chunk = real(self, size)
            read.append(len(chunk))
            return chunk

    extra: dict[str, Any] = {"wsgi.input": Counting(b"x" * 1_000_000)}
    browser.generic("POST", "/auth", b"x" * 1_000_000, FORM, **extra)
    assert sum(read) == MAX_BODY + 1


def test_a_body_that_breaks_off_is_a_bad_request(browser: Browser, bare_realm: Realm) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the connection was reset")

    extra: dict[str, Any] = {"wsgi.input": Broken()}
    answer = browser.generic("POST", "/auth", b"x" * 10, FORM, **extra)
    assert answer.status_code == 400
    assert "broke off" in answer.json()["error_description"]


@pytest.mark.parametrize("path", [*PATHS, *CLIENT_PATHS])
@pytest.mark.spec("RFC 9110 §15.5.12")
def test_a_body_in_chunks_is_asked_for_with_its_length(path: str, browser: Browser, bare_realm: Realm) -> None:
    answer = browser.post(path, "{}", "application/json", headers={"transfer-encoding": "chunked"})
    assert answer.status_code == 411
    assert "Content-Length" in answer.json()["error_description"]


@pytest.mark.parametrize("accept", ["text/html", "image/png", "nonsense", "", "*/*;q=0"])
def test_an_error_is_json_whatever_is_accepted(accept: str, browser: Browser, bare_realm: Realm) -> None:
    answer = browser.post("/auth", "{}", "application/json", headers={"accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")


@pytest.mark.parametrize(
    "path",
    ["/realms/../auth", "/realms/" + "x" * 3_000 + "/auth", "/realms/%ff/auth", "/realms/a b/auth"],
)
def test_a_hostile_realm_is_not_found(path: str, browser: Browser, bare_realm: Realm) -> None:
    assert browser.post(path, "{}", "application/json").status_code == 404


@pytest.mark.parametrize("path", ["/realms/%00/auth", "/auth?format=%00", "/token?%00", "/%00"])
def test_a_nul_in_the_address_is_a_bad_request(path: str, browser: Browser, bare_realm: Realm) -> None:
    assert browser.post(path, "{}", "application/json").status_code == 400


def test_format_parameters_of_the_framework_change_nothing(browser: Browser, ana: User) -> None:
    for query in ("format=api", "format=json", "format=%20"):
        body = json.dumps({"username": "ana", "password": PASSWORD})
        assert browser.post(f"/auth?{query}", body, "application/json").status_code == 200


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*PATHS, *CLIENT_PATHS]), headers, bodies, queries)
def test_every_request_gets_an_answer_below_500(
    browser: Browser, realm: Realm, path: str, found: Any, body: bytes, query: str
) -> None:
    assume(not any("\0" in value for value in found.values()))  # no server lets one through (RFC 9110 §5.5)
    assert send(browser, path, found, body, query).status_code < 500
