"""What noting costs a request: figures, and a bound that is far from them (issue 5, point 3)."""

import sys
import time
from collections.abc import Callable
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIHandler

from keys import api
from keys.published_set import published_sets
from keys.services.noting import Scribe, scribe
from realms.models import Realm
from tests.conftest import NOW

ROUNDS = 7


def rate(work: Callable[[int], object], times: int) -> float:
    """How often a second some work is done."""
    begun = time.perf_counter()
    for n in range(times):
        work(n)
    return times / (time.perf_counter() - begun)


def told(capsys: pytest.CaptureFixture[str], what: str, with_it: list[float], without: list[float]) -> float:
    noted, plain = max(with_it), max(without)  # of the rounds in which the machine did nothing else
    with capsys.disabled():
        sys.stdout.write(f"\n{what}: {noted:.0f}/s with the noting, {plain:.0f}/s without: {noted / plain:.3f}\n")
    return noted / plain


@pytest.mark.prove
@pytest.mark.usefixtures("stopped_clock")
@pytest.mark.spec("issue 5 point 3: off the request's path; requests a second with and without the noting")
def test_the_jwks_is_served_as_fast_with_the_noting_as_without(
    bootstrapped: Realm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler, etag = WSGIHandler(), published_sets.at("default", NOW).etag

    def start(status: str, _headers: object, _error: object = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _body: None

    def ask(n: int) -> None:
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": "/jwks", "SERVER_NAME": "id.example.test", "SERVER_PORT": "443",
            "HTTP_HOST": "id.example.test", "wsgi.url_scheme": "https", "wsgi.input": BytesIO(), "QUERY_STRING": "",
            "REMOTE_ADDR": f"192.0.2.{n % 200}", "HTTP_USER_AGENT": "go-oidc/3.1", "HTTP_IF_NONE_MATCH": etag,
        }  # fmt: skip
        statuses.append(b"".join(handler(environ, start)))

    statuses: list[object] = []
    with_it, without = [], []
    for _ in range(ROUNDS):
        with_it.append(rate(ask, 500))
        with monkeypatch.context() as patch:
            patch.setattr(Scribe, "fetched", lambda *_args, **_named: None)
            without.append(rate(ask, 500))
        scribe.forget()
    assert statuses[-2:] == ["304 Not Modified", b""]
    assert told(capsys, "JWKS", with_it, without) > 0.8


@pytest.mark.prove
@pytest.mark.spec("issue 5 point 3: a counter, no contention worth speaking of")
def test_tokens_are_signed_as_fast_with_the_count_as_without(
    bootstrapped: Realm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = {"exp": int(NOW.timestamp()) + 60, "sub": "s"}

    def sign(_n: int) -> None:
        api.sign_jwt(claims, realm=bootstrapped, typ="at+jwt", now=NOW)

    with_it, without = [], []
    for _ in range(ROUNDS):
        with_it.append(rate(sign, 1_000))
        with monkeypatch.context() as patch:
            patch.setattr(Scribe, "signed", lambda *_args, **_named: None)
            without.append(rate(sign, 1_000))
    assert told(capsys, "ES256", with_it, without) > 0.8
