"""Where a sign-in may lead to, and above all where not."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.return_path import MAX_RETURN_PATH, return_path

DEFAULT = "/"
OTHER = "/realms/other/"
WITHOUT_A_QUERY = (
    "device",
    "account",
    "account/sessions",
    "account/applications",
    "account/security",
    "account/security/app",
    "account/security/passkey",
    "sign-in/set-up-second-factor",
    "sign-in/set-up-second-factor/passkey",
)


@pytest.mark.parametrize("below", [DEFAULT, OTHER])
@pytest.mark.parametrize("page", ["authorize", *WITHOUT_A_QUERY])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "client_id=a&state=%00%0d%0a",
        "redirect_uri=https://app.example/cb?x=//y",
        "claims={}|[]^`'",
        "?",
        "a b".replace(" ", "+"),
    ],
)
def test_the_realms_own_pages_with_any_query(below: str, page: str, query: str) -> None:
    assert return_path(f"{below}{page}?{query}", below=below) == f"{below}{page}?{query}"


def test_all_but_authorize_do_without_a_query() -> None:
    for page in WITHOUT_A_QUERY:
        assert return_path(f"/realms/other/{page}", below=OTHER) == f"/realms/other/{page}"
    assert return_path("/realms/other/authorize", below=OTHER) is None


OPEN_REDIRECTS = [
    "",
    "/",
    "/authorize",
    "authorize?x=1",
    "/sign-in?x=1",
    "/admin/?x=1",
    "/authorize/?x=1",
    "/authorize/../admin/?x=1",
    "/./authorize?x=1",
    "/x/../authorize?x=1",
    "/Authorize?x=1",
    "/%61uthorize?x=1",
    "/authorize%3Fx=1",
    "/authorize;x?x=1",
    "/authorize@evil.example?x=1",
    "//evil.example/authorize?x=1",
    "//authorize?x=1",
    "///authorize?x=1",
    "/\\evil.example/authorize?x=1",
    "\\\\evil.example/authorize?x=1",
    "/authorize\\?x=1",
    "/authorize?x=\\evil",
    "https://evil.example/authorize?x=1",
    "https:/authorize?x=1",
    "https:authorize?x=1",
    "https://id.example.test/authorize?x=1",  # even our own: an address of this site needs no host
    "http:///authorize?x=1",
    "javascript:alert(1)//authorize?x=1",
    "data:text/html,/authorize?x=1",
    " /authorize?x=1",
    "/authorize?x=1 ",
    "\t/authorize?x=1",
    "/\t/evil.example/authorize?x=1",
    "/author\nize?x=1",
    "/authorize?x=1\r\nSet-Cookie: a=b",
    "/authorize?x=1\n",
    "/authorize?x=\0",
    "/authorize?x=1#fragment",
    "/authorize#?x=1",
    '/authorize?x="',
    "/authorize?x=<script>",
    "/authorize?x=ä",
    "/authorize?x=\u2028",
    "／authorize?x=1",
    "/authorize？x=1",
    "/authorize?\ud800",
    "/device/",
    "/device/x",
    "/device?x#y",
    "//device",
    "//evil.example/device",
    "/devices",
    "/accounts",
    "/account/",
    "/account/other",
    "/account/../admin/",
    "//account",
    "/account//sessions",
    "/sessions",
    "/realms/other/account",
    "/realms/other/device",
    "/device\n",
    "/realms/other/authorize?x=1",
    "/realms/default/authorize?x=1",
    "/authorize?" + "x" * MAX_RETURN_PATH,
]


@pytest.mark.spec("RFC 9700 §4.11.2, RFC 9700 §2.1 no-open-redirector")
@pytest.mark.parametrize("text", OPEN_REDIRECTS)
def test_nowhere_else(text: str) -> None:
    assert return_path(text, below=DEFAULT) is None


@pytest.mark.spec("RFC 9700 §4.11.2")
@pytest.mark.parametrize(
    "text", ["/authorize?x", "/device", "/realms/others/authorize?x", "/realms/other/../x/authorize?x"]
)
def test_another_realms_address_is_none(text: str) -> None:
    assert return_path(text, below=OTHER) is None


@given(st.text() | st.text(alphabet=string.printable).map(lambda text: "/authorize?" + text))
@example("/authorize?")
def test_whatever_is_let_through_is_a_header_a_browser_reads_one_way(text: str) -> None:
    found = return_path(text, below=DEFAULT)
    if found is not None:
        assert found == text
        assert found.startswith(("/authorize?", "/device", "/account"))
        assert found.isascii()
        assert not set(found) & set(' "#<>\\' + string.whitespace)
        assert found.isprintable()
