"""keys/views.py: the JWKS endpoint (RFC 7517 §5, RFC 9110)."""

import json

import pytest
from django.test import Client, RequestFactory

from keys.models import KeyPair
from keys.views import JwksView
from tests.keys.memories import database_away

pytestmark = pytest.mark.usefixtures("sealed_for_good")


def signing_kids() -> set[str]:
    return set(KeyPair.objects.filter(ring__purpose="sign").values_list("kid", flat=True))


@pytest.mark.spec("RFC 7517 §8.5, RFC 9111 §5.2.2: Cache-Control public, max-age=300")
@pytest.mark.usefixtures("stopped_clock")
@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/jwks"])
@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/jwk-set+json", "text/html", "image/png"])
def test_the_endpoint_serves_the_set_whatever_is_asked_for(client: Client, path: str, accept: str) -> None:
    answer = client.get(path, headers={"accept": accept}, secure=True)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/jwk-set+json"
    assert answer["Cache-Control"] == "public, max-age=300"
    assert {jwk["kid"] for jwk in answer.json()["keys"]} == signing_kids()


@pytest.mark.spec("RFC 9110 §13.1.2, §15.4.5: 304 on If-None-Match")
@pytest.mark.usefixtures("stopped_clock")
def test_who_has_the_set_gets_304(client: Client) -> None:
    etag = client.get("/jwks", secure=True)["ETag"]
    for known in (etag, f'"x", {etag}', "*", f"W/{etag}"):
        answer = client.get("/jwks", headers={"if-none-match": known}, secure=True)
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer["ETag"] == etag
        assert answer["Cache-Control"] == "public, max-age=300"
    assert client.get("/jwks", headers={"if-none-match": '"other"'}, secure=True).status_code == 200


@pytest.mark.spec("RFC 9110 §9.3.2: HEAD")
@pytest.mark.usefixtures("stopped_clock")
def test_head_is_get_without_the_body(client: Client) -> None:
    get, head = client.get("/jwks", secure=True), client.head("/jwks", secure=True)
    assert (head.status_code, head.content) == (200, b"")
    assert head["ETag"] == get["ETag"]
    assert head["Content-Length"] == str(len(get.content)) if head.has_header("Content-Length") else True


@pytest.mark.spec("issue 2: POST, PUT, PATCH, DELETE → 405")
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/jwks"])
def test_other_methods_are_not_allowed(client: Client, method: str, path: str) -> None:
    answer = client.generic(method.upper(), path, secure=True)
    assert answer.status_code == 405
    assert {word.strip() for word in answer["Allow"].split(",")} == {"GET", "HEAD"}


@pytest.mark.spec("issue 2: it answers while the database is down")
@pytest.mark.usefixtures("stopped_clock")
def test_the_endpoint_answers_while_the_database_is_down(client: Client) -> None:
    before = client.get("/jwks", secure=True)
    with database_away():
        assert client.get("/jwks", secure=True).content == before.content


@pytest.mark.spec("keys.md: refused after M, with 503")
@pytest.mark.usefixtures("stopped_clock")
def test_a_set_that_nobody_can_vouch_for_is_a_503(client: Client) -> None:
    with database_away():
        answer = client.get("/jwks", secure=True)
    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"
    assert answer["Retry-After"] == "5"
    assert not answer.has_header("ETag")


@pytest.mark.spec("issue 2: never 500")
@pytest.mark.parametrize("query", ["?format=xml", "?format=json&format=api", "?x=1&x=2", "?%ff=1"])
@pytest.mark.usefixtures("stopped_clock")
def test_parameters_change_nothing(client: Client, query: str) -> None:
    assert client.get("/jwks" + query, secure=True).status_code == 200


@pytest.mark.spec("issue 2: an unknown realm is named")
@pytest.mark.usefixtures("stopped_clock")
def test_the_endpoint_of_an_unknown_realm_is_a_404(rf: RequestFactory) -> None:
    answer = JwksView.as_view()(rf.get("/realms/nowhere/jwks"), realm="nowhere")
    assert answer.status_code == 404
    assert json.loads(answer.content) == {"error": "not_found", "error_description": "There is no realm 'nowhere'."}
