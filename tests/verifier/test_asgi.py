"""The ASGI middleware, as a server calls it."""

import asyncio
from typing import Any

import pytest

from signet_verifier import Guard, NoCredentials, requirement
from signet_verifier.asgi import CLAIMS, SignetMiddleware, claims_of, requires
from tests.verifier.issuer import Issuer, claims


async def subject(scope: Any, _receive: Any, send: Any) -> None:
    """An application: who is it?"""
    who = scope[CLAIMS].subject if CLAIMS in scope else "nobody"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": who.encode()})


def call(application: Any, *authorization: str, path: str = "/", **more: Any) -> list[dict[str, Any]]:
    """One request; what was sent."""
    sent: list[dict[str, Any]] = []
    headers = [(b"authorization", each.encode()) for each in authorization]
    scope = {"type": "http", "path": path, "query_string": b"", "headers": [(b"host", b"x"), *headers], **more}

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    return sent


@pytest.mark.spec("RFC 6750 §2, §2.1, §3")
def test_the_application_sees_only_good_tokens(issuer: Issuer) -> None:
    application = SignetMiddleware(subject, Guard(issuer.verifier()), open_paths=["/health"])
    good = f"Bearer {issuer.published[0].sign(claims())}"
    assert call(application, good)[1]["body"] == b"person"
    refused = call(application)
    assert (refused[0]["status"], refused[1]["body"]) == (401, b"")
    assert (b"www-authenticate", b"Bearer") in refused[0]["headers"]
    assert call(application, good, good)[0]["status"] == 400
    assert call(application, good, query_string=b"access_token=x")[0]["status"] == 400
    assert call(application, f"{good}x")[0]["status"] == 401
    assert call(application, path="/health", **{CLAIMS: "forged"})[1]["body"] == b"nobody"
    issuer.away()
    issuer.time.passes(4_000)
    assert call(application, "Bearer " + issuer.published[0].sign(claims(exp=issuer.time() + 60)))[0]["status"] == 503


@pytest.mark.spec("ASGI: WebSocket close, lifespan")
def test_a_websocket_is_closed_and_the_lifespan_goes_through(issuer: Issuer) -> None:
    application = SignetMiddleware(subject, Guard(issuer.verifier()))
    assert call(application, type="websocket") == [{"type": "websocket.close", "code": 1008}]
    assert call(application, type="lifespan")[1]["body"] == b"nobody"


@pytest.mark.spec("RFC 6750 §3.1; 5 of 6, verifier: fail closed")
def test_an_application_says_what_it_needs(issuer: Issuer) -> None:
    guard = Guard(issuer.verifier())
    strict = requires(guard, requirement(scopes="admin"))(subject)
    refused = call(SignetMiddleware(strict, guard), "Bearer " + issuer.published[0].sign(claims()))
    assert refused[0]["status"] == 403
    allowed = call(SignetMiddleware(strict, guard), "Bearer " + issuer.published[0].sign(claims(scope="admin")))
    assert allowed[0]["status"] == 200
    assert call(strict)[0]["status"] == 401
    with pytest.raises(NoCredentials):
        claims_of({CLAIMS: {"sub": "admin"}})
