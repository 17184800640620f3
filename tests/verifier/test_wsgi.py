"""The WSGI middleware, as a server calls it (PEP 3333)."""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from signet_verifier import Guard, NoCredentials, requirement
from signet_verifier.wsgi import CLAIMS, SignetMiddleware, claims_of, requires
from tests.verifier.issuer import Issuer, claims


def call(application: Any, path: str = "/", **environ: str) -> tuple[str, dict[str, str], bytes]:
    """One request, through the validator of the standard library."""
    full: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": "", **environ}
    setup_testing_defaults(full)
    answered: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _failure: Any = None) -> Callable[[bytes], object]:
        answered.extend([status, headers])
        return print

    body: Any = validator(application)(full, start_response)
    try:
        content = b"".join(body)
    finally:
        body.close()
    return answered[0], dict(answered[1]), content


def subject(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """An application: who is it?"""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ[CLAIMS].subject.encode() if CLAIMS in environ else b"nobody"]


@pytest.mark.spec("RFC 6750 §2.1, §3")
def test_the_application_sees_only_good_tokens(issuer: Issuer) -> None:
    application = SignetMiddleware(subject, Guard(issuer.verifier(), realm="notes"), open_paths=["/health"])
    good = f"Bearer {issuer.published[0].sign(claims())}"
    assert call(application, HTTP_AUTHORIZATION=good)[::2] == ("200 OK", b"person")
    status, headers, body = call(application)
    assert (status, headers["WWW-Authenticate"], body) == ("401 Unauthorized", 'Bearer realm="notes"', b"")
    assert call(application, HTTP_AUTHORIZATION=f"{good}x")[0] == "401 Unauthorized"
    assert call(application, HTTP_AUTHORIZATION=good, QUERY_STRING="access_token=x")[0] == "400 Bad Request"
    assert call(application, "/health", HTTP_AUTHORIZATION=good)[::2] == ("200 OK", b"nobody")
    assert call(application, "/health/")[0] == "401 Unauthorized"
    issuer.away()
    issuer.time.passes(4_000)
    later = issuer.published[0].sign(claims(exp=issuer.time() + 60))
    status, headers, _ = call(application, HTTP_AUTHORIZATION=f"Bearer {later}")
    assert (status, headers["Retry-After"]) == ("503 Service Unavailable", "10")


@pytest.mark.spec("RFC 6750 §3.1, RFC 9470 §3")
def test_an_application_says_what_it_needs(issuer: Issuer) -> None:
    guard = Guard(issuer.verifier())
    application = SignetMiddleware(requires(guard, requirement(scopes="notes:write", max_age=60))(subject), guard)
    enough = issuer.published[0].sign(claims(auth_time=int(issuer.time())))
    assert call(application, HTTP_AUTHORIZATION=f"Bearer {enough}")[0] == "200 OK"
    status, headers, _ = call(application, HTTP_AUTHORIZATION="Bearer " + issuer.published[0].sign(claims()))
    assert (status, 'max_age="60"' in headers["WWW-Authenticate"]) == ("401 Unauthorized", True)
    status, _, _ = call(application, HTTP_AUTHORIZATION="Bearer " + issuer.published[0].sign(claims(scope="x")))
    assert status == "403 Forbidden"


@pytest.mark.spec("5 of 6, verifier: fail closed")
def test_without_the_middleware_nobody_is_let_in(issuer: Issuer) -> None:
    assert call(requires(Guard(issuer.verifier()), requirement())(subject))[0] == "401 Unauthorized"
    with pytest.raises(NoCredentials):
        claims_of({CLAIMS: {"sub": "admin"}})
