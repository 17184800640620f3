"""openid-client, jose and jwks-rsa on Node.js; their programs are in tests/interop/node/."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop import authlib_client
from tests.interop.browser import Browser
from tests.interop.node_programs import MissingRuntime, Program, Refused, running_program
from tests.interop.provider import EMAIL, Provider, kid_of

pytestmark = pytest.mark.interop

CALLBACK = "http://127.0.0.1:9/openid-client/callback"
SIGNED_OUT = "http://127.0.0.1:9/openid-client/signed-out"
SCOPES = ("--scope", "openid", "--scope", "email", "--scope", "offline_access")
RunProgram = Callable[..., Program]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunProgram]:
    """Starts programs that run until the test ends."""
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> Program:
            try:
                return stack.enter_context(running_program(name, *arguments, log=tmp_path / "stderr"))
            except MissingRuntime as error:
                pytest.skip(str(error))

        yield start


@pytest.mark.spec(
    "OpenID Connect Core §3.1, §5.3, §12; RFC 7636; RFC 9207; RP-Initiated Logout §2; keys.md, the promise"
)
def test_openid_client_signs_in_refreshes_across_a_rotation_and_signs_out(settled: Provider, run: RunProgram) -> None:
    client = settled.add_client(
        "openid-client",
        *("--grant-type", "authorization_code", "--grant-type", "refresh_token", *SCOPES),
        *("--redirect-uri", CALLBACK, "--post-logout-redirect-uri", SIGNED_OUT),
    )
    secret = client["client_secret"]
    program = run("openid_client.mjs", settled.issuer, "openid-client", secret, CALLBACK, SIGNED_OUT)
    browser = Browser(stops_at=[CALLBACK, SIGNED_OUT])
    came_back = browser.sign_in(settled, browser.open(program.ask("begin")))
    before = program.ask("callback", url=came_back.url)
    assert program.ask("userinfo", accessToken=before["access_token"])["email"] == EMAIL

    kids = settled.rotate()
    after = program.ask("refresh", refreshToken=before["refresh_token"])
    assert (kid_of(after["id_token"]), kid_of(after["access_token"])) == (kids["RS256"], kids["ES256"])
    assert kid_of(before["id_token"]) != kids["RS256"]
    assert program.ask("userinfo", accessToken=after["access_token"])["sub"] == before["claims"]["sub"]
    again = program.ask("callback", url=browser.open(program.ask("begin")).url)  # without a question to the person
    assert (kid_of(again["id_token"]), again["claims"]["sub"]) == (kids["RS256"], before["claims"]["sub"])

    program.ask("revoke", token=again["refresh_token"])
    with pytest.raises(Refused, match="invalid_grant"):
        program.ask("refresh", refreshToken=again["refresh_token"])
    signed_out = browser.open(program.ask("logout", idToken=after["id_token"]))
    assert signed_out.url == f"{SIGNED_OUT}?state=bye"
    assert browser.open(program.ask("begin")).has_form("login-form")


@pytest.mark.spec("OpenID Connect Core §10.1.1; RFC 7517; keys.md, the promise")
@pytest.mark.parametrize("library", ["jose", "jwks_rsa"])
def test_a_service_verifies_tokens_of_before_and_after_a_rotation(
    settled: Provider, run: RunProgram, library: str
) -> None:
    program = run(f"{library}.mjs", settled.issuer)
    application = authlib_client.Application(settled, settled.add_client(library, *authlib_client.OPTIONS))
    before = application.sign_in(settled, authlib_client.browser())
    verify(program, settled, library, before)
    kids = settled.rotate()
    after = application.refresh(before["refresh_token"])
    assert (kid_of(after["id_token"]), kid_of(after["access_token"])) == (kids["RS256"], kids["ES256"])
    verify(program, settled, library, after)
    verify(program, settled, library, before)


def verify(program: Program, provider: Provider, client_id: str, tokens: dict[str, str]) -> None:
    id_token = program.ask("verify", token=tokens["id_token"], audience=client_id, algorithm="RS256")
    access = program.ask("verify", token=tokens["access_token"], audience=provider.issuer, algorithm="ES256")
    assert id_token["sub"] == access["sub"]
    for algorithm, audience in (("ES256", client_id), ("RS256", "somebody-else")):
        with pytest.raises(Refused):
            program.ask("verify", token=tokens["id_token"], audience=audience, algorithm=algorithm)
