"""requests-oauth2client: a confidential client that fetches the JWKS once, and never again."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.interop.browser import Browser
from tests.interop.provider import EMAIL, Provider, kid_of

pytestmark = pytest.mark.interop

CALLBACK = "http://127.0.0.1:9/requests-oauth2client/callback"
SIGNED_OUT = "http://127.0.0.1:9/requests-oauth2client/signed-out"
SCOPE = "openid email offline_access"


@pytest.fixture
def library() -> Any:
    """The library, which `make interop` installs and `make test` doesn't."""
    return pytest.importorskip("requests_oauth2client", reason="requests-oauth2client is missing: run make interop")


@pytest.mark.spec("OpenID Connect Core §3.1, §5.3, §12; RFC 7636; RFC 9207; RFC 7009; keys.md, the promise")
def test_it_signs_in_refreshes_across_a_rotation_revokes_and_signs_out(settled: Provider, library: Any) -> None:
    registered = settled.add_client(
        "requests-oauth2client",
        *("--grant-type", "authorization_code", "--grant-type", "refresh_token"),
        *(word for scope in SCOPE.split() for word in ("--scope", scope)),
        *("--redirect-uri", CALLBACK, "--post-logout-redirect-uri", SIGNED_OUT),
    )
    client = library.OAuth2Client.from_discovery_endpoint(
        issuer=settled.issuer,
        auth=library.ClientSecretBasic(registered["client_id"], registered["client_secret"]),
        redirect_uri=CALLBACK,
        id_token_signed_response_alg="RS256",
        testing=True,  # plain HTTP, on this machine alone
    )
    browser = Browser(stops_at=[CALLBACK, SIGNED_OUT])
    request = client.authorization_request(scope=SCOPE)
    came_back = browser.sign_in(settled, browser.open(request.uri))
    before = client.authorization_code(request.validate_callback(came_back.url), validate=True)
    assert client.userinfo(before)["email"] == EMAIL

    kids = settled.rotate()
    after = client.refresh_token(before, scope=SCOPE)
    assert kid_of(after.access_token) == kids["ES256"] != kid_of(before.access_token)
    assert client.userinfo(after)["sub"] == before.id_token.subject
    request = client.authorization_request(scope=SCOPE)
    again = client.authorization_code(request.validate_callback(browser.open(request.uri).url), validate=True)
    assert again.id_token.kid == kids["RS256"] != before.id_token.kid
    assert again.id_token.subject == before.id_token.subject

    assert client.revoke_refresh_token(again)
    with pytest.raises(library.InvalidGrant):
        client.refresh_token(again)
    # The library has no sign-out: its application would send the person like this.
    hint = {"id_token_hint": str(again.id_token), "post_logout_redirect_uri": SIGNED_OUT, "state": "bye"}
    assert browser.open(f"{settled.issuer}/logout?{urlencode(hint)}").url == f"{SIGNED_OUT}?state=bye"
    assert browser.open(client.authorization_request(scope=SCOPE).uri).has_form("login-form")
