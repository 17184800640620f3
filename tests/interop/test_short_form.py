"""Authlib, PyJWT, jose and the example service around one rotation: what `make test` holds of `make interop`."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.interop import authlib_client
from tests.interop.browser import Browser
from tests.interop.node_programs import MissingRuntime, Program, running_program
from tests.interop.provider import EMAIL, JWKS, Provider, kid_of
from tests.interop.resource_server import Notes, running_notes


@dataclass(frozen=True)
class Rotation:
    """What clients hold that were there before other keys began to sign.

    Attributes:
        browser: of the person who signed in.
        authlib: the application that they signed in to.
        pyjwt: knows the JWKS of before.
        jose: knows it too; or why there is no jose here.
        notes: the example service, which knows it as well.
        client_token: of its client, from before.
        before: Authlib's tokens from the sign-in.
        after: and from the refresh, by other keys.
        kids: algorithm → kid of the key that signs now.
        times_asked: for the JWKS, by all of them, before other keys signed.
    """

    browser: Browser
    authlib: authlib_client.Application
    pyjwt: jwt.PyJWKClient
    jose: Program | MissingRuntime
    notes: Notes
    client_token: str
    before: dict[str, Any]
    after: dict[str, Any]
    kids: dict[str, str]
    times_asked: int


@pytest.fixture(scope="module")
def rotation(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotation]:
    """Every client signs in or verifies; then other keys sign; then Authlib refreshes its tokens."""
    provider.publish_standbys()
    authlib = authlib_client.Application(provider, provider.add_client("short-form", *authlib_client.OPTIONS))
    browser = authlib_client.browser()
    before = authlib.sign_in(provider, browser)
    pyjwt = jwt.PyJWKClient(provider.jwks)
    pyjwt.get_signing_key_from_jwt(before["access_token"])
    with ExitStack() as stack:
        jose = running_jose(stack, provider, tmp_path_factory.mktemp("jose") / "stderr")
        if isinstance(jose, Program):
            verify_with_jose(jose, provider, before)
        notes = stack.enter_context(running_notes(provider, tmp_path_factory.mktemp("notes")))
        client_token = notes.token()
        assert notes.ask(client_token, method="POST", text="Buy bread").status_code == 201
        times_asked = provider.times_asked_for(JWKS)
        kids = provider.rotate()
        after = authlib.refresh(before["refresh_token"])
        yield Rotation(browser, authlib, pyjwt, jose, notes, client_token, before, after, kids, times_asked)


def running_jose(stack: ExitStack, provider: Provider, log: Path) -> Program | MissingRuntime:
    try:
        return stack.enter_context(running_program("jose.mjs", provider.issuer, log=log))
    except MissingRuntime as error:
        return error


def verify_with_jose(jose: Program, provider: Provider, tokens: dict[str, Any]) -> dict[str, Any]:
    token, audience = tokens["access_token"], provider.issuer
    claims: dict[str, Any] = jose.ask("verify", token=token, audience=audience, algorithm="ES256", typ="at+jwt")
    return claims


@pytest.mark.spec("keys.md, the promise")
def test_other_keys_sign_now(rotation: Rotation) -> None:
    signed = {"RS256": rotation.after["id_token"], "ES256": rotation.after["access_token"]}
    assert {algorithm: kid_of(token) for algorithm, token in signed.items()} == rotation.kids
    former = {kid_of(rotation.before["id_token"]), kid_of(rotation.before["access_token"])}
    assert not former & set(rotation.kids.values())


@pytest.mark.spec("OpenID Connect Core §3.1.3.7, §5.3, §12.2; RP-Initiated Logout §2")
def test_authlib_goes_on_and_signs_out(provider: Provider, rotation: Rotation) -> None:
    authlib, after = rotation.authlib, rotation.after
    claims, userinfo = authlib.id_claims(after), authlib.userinfo(after)
    assert claims["sub"] == rotation.before["userinfo"]["sub"] == userinfo["sub"]
    assert userinfo["email"] == EMAIL
    assert provider.times_asked_for(JWKS) == rotation.times_asked
    signed_out = rotation.browser.open(authlib.logout_url(after["id_token"]))
    assert authlib.is_signed_out(signed_out.url)
    assert rotation.browser.open(authlib.authorization_url()).has_form("login-form")


@pytest.mark.spec("keys.md, the promise; RFC 9068 §4")
def test_pyjwt_verifies_with_the_keys_that_it_had(provider: Provider, rotation: Rotation) -> None:
    for tokens in (rotation.before, rotation.after):
        claims = jwt.decode(
            tokens["access_token"],
            rotation.pyjwt.get_signing_key_from_jwt(tokens["access_token"]),
            algorithms=["ES256"],
            issuer=provider.issuer,
            audience=provider.issuer,
            options={"require": ["exp", "iat", "sub", "client_id"]},
        )
        assert claims["client_id"] == "short-form"
    assert provider.times_asked_for(JWKS) == rotation.times_asked


@pytest.mark.spec("keys.md, the promise; RFC 9068 §4")
def test_jose_verifies_with_the_keys_that_it_had(provider: Provider, rotation: Rotation) -> None:
    if isinstance(rotation.jose, MissingRuntime):
        pytest.skip(f"jose: {rotation.jose}")
    for tokens in (rotation.before, rotation.after):
        assert verify_with_jose(rotation.jose, provider, tokens)["client_id"] == "short-form"
    assert provider.times_asked_for(JWKS) == rotation.times_asked


@pytest.mark.spec("keys.md, the promise; RFC 9068 §4, RFC 6750 §3.1, RFC 9470 §3")
def test_the_example_service_goes_on_with_the_keys_that_it_had(provider: Provider, rotation: Rotation) -> None:
    notes, fresh = rotation.notes, rotation.notes.token()
    assert kid_of(fresh) != kid_of(rotation.client_token)
    for token in (rotation.client_token, fresh):
        answer = notes.ask(token)
        assert (answer.status_code, answer.json()["notes"]) == (200, ["Buy bread"])
    assert provider.times_asked_for(JWKS) == rotation.times_asked
    refusals = {
        "": (401, 'Bearer realm="notes"'),
        f"{fresh}A": (401, "invalid_token"),
        rotation.after["id_token"]: (401, "invalid_token"),
        rotation.after["access_token"]: (403, 'scope="notes:read"'),
    }
    for token, (status, challenge) in refusals.items():
        answer = notes.ask(token)
        assert answer.status_code == status
        assert challenge in answer.headers["WWW-Authenticate"]
    stale = notes.ask(fresh, method="DELETE")
    assert (stale.status_code, 'max_age="300"' in stale.headers["WWW-Authenticate"]) == (401, True)
