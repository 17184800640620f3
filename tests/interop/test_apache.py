"""mod_auth_openidc: Debian's Apache in front of pages that know nothing of OpenID Connect."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.interop.apache import refuse_missing_module, running_apache
from tests.interop.browser import Browser, Page
from tests.interop.node_programs import MissingRuntime
from tests.interop.processes import free_port
from tests.interop.provider import EMAIL, JWKS, Provider, kid_of

pytestmark = pytest.mark.interop


@pytest.fixture
def apache(settled: Provider) -> Iterator[str]:
    """The address of the running Apache."""
    try:
        refuse_missing_module()
    except MissingRuntime as error:
        pytest.skip(str(error))
    address = f"http://127.0.0.1:{free_port()}"
    client = settled.add_client(
        "mod_auth_openidc",
        *("--grant-type", "authorization_code", "--grant-type", "refresh_token"),
        *("--scope", "openid", "--scope", "email", "--scope", "offline_access"),
        *("--redirect-uri", f"{address}/callback", "--post-logout-redirect-uri", f"{address}/signed-out/"),
    )
    with running_apache(settled, address, client):
        yield address


def header(page: Page, name: str) -> str:
    assert page.headers is not None
    return page.headers[name]


@pytest.mark.spec(
    "OpenID Connect Core §3.1, §5.3, §12; RFC 7636; RFC 7009; RP-Initiated Logout §2; keys.md, the promise"
)
def test_apache_signs_in_refreshes_across_a_rotation_and_signs_out(settled: Provider, apache: str) -> None:
    browser = Browser()
    before = browser.sign_in(settled, browser.open(f"{apache}/"))
    assert (before.url, before.status, before.text) == (f"{apache}/", 200, "pages")
    assert header(before, "X-Email") == EMAIL
    held = json.loads(browser.open(f"{apache}/callback?info=json").text)

    asked_for_keys = settled.times_asked_for(JWKS)

    kids = settled.rotate()
    asked = urlencode({"refresh": f"{apache}/", "access_token": held["access_token"]})
    assert browser.open(f"{apache}/callback?{asked}").url == f"{apache}/"
    renewed = json.loads(browser.open(f"{apache}/callback?info=json").text)
    assert kid_of(renewed["access_token"]) == kids["ES256"] != kid_of(held["access_token"])
    assert renewed["refresh_token"] != held["refresh_token"]
    assert renewed["userinfo"]["email"] == EMAIL

    elsewhere = Browser()
    after = elsewhere.sign_in(settled, elsewhere.open(f"{apache}/"))
    assert kid_of(header(after, "X-ID-Token")) == kids["RS256"] != kid_of(header(before, "X-ID-Token"))
    assert settled.times_asked_for(JWKS) == asked_for_keys
    assert header(after, "X-Subject") == header(before, "X-Subject")

    signed_out = browser.open(f"{apache}/callback?{urlencode({'logout': f'{apache}/signed-out/'})}")
    assert (signed_out.url, signed_out.text) == (f"{apache}/signed-out/", "pages/signed-out")
    assert browser.open(f"{apache}/").has_form("login-form")
