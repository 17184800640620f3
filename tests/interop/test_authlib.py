"""Authlib: a public client with PKCE, whose access tokens the library renews by itself."""

import pytest

from tests.interop import authlib_client
from tests.interop.provider import EMAIL, Provider, kid_of

pytestmark = pytest.mark.interop


@pytest.mark.spec("OpenID Connect Core §3.1, §5.3, §12; RFC 7636; RP-Initiated Logout §2; keys.md, the promise")
def test_a_public_client_signs_in_renews_across_a_rotation_and_signs_out(settled: Provider) -> None:
    options = ("--auth-method", "none", "--id-token-alg", "ES256", *authlib_client.OPTIONS)
    application = authlib_client.Application(settled, settled.add_client("authlib", *options))
    browser = authlib_client.browser()
    before = application.sign_in(settled, browser)
    assert application.userinfo(before)["email"] == EMAIL

    kids = settled.rotate()
    assert application.userinfo_of_expired(before)["sub"] == before["userinfo"]["sub"]
    [renewed] = application.saved
    assert kid_of(renewed["access_token"]) == kids["ES256"] != kid_of(before["access_token"])
    assert renewed["refresh_token"] != before["refresh_token"]

    # Not signed in again, but asked: any program on this machine could pass for a public client (RFC 8252 §8.6).
    asked = browser.open(application.authorization_url())
    again = application.tokens(browser.submit(asked, "consent-form", decision="allow").url)
    assert kid_of(again["id_token"]) == kids["ES256"] != kid_of(before["id_token"])
    assert again["userinfo"]["sub"] == before["userinfo"]["sub"]

    assert application.is_signed_out(browser.open(application.logout_url(before["id_token"])).url)
    assert browser.open(application.authorization_url()).has_form("login-form")
