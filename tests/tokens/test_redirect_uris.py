"""Redirect URIs: what may be registered, and what a request means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.redirect_uris import fault, matches

GOOD = (
    "https://app.example.org/cb",
    "https://app.example.org/cb?x=1&y=2",
    "https://app.example.org:8443/",
    "https://[2001:db8::1]:8443/cb",
    "https://my_app.example.org/cb",
    "http://127.0.0.1/cb",
    "http://[::1]:3000/cb",
    "http://localhost:3000/cb",
    "org.example.app:/cb",
    "org.example.app://cb",
)
BAD = (
    "", "/cb", "cb", "http://app.example.org/cb", "http://127.0.0.1.example.org/cb", "https://", "https:///cb",
    "https://*.example.org/cb", "https://a@app.example.org/cb", "https://app.example.org/cb#x",
    "https://app.example.org/cb#", "https://app.example.org/c b", "https://app.example.org/\n", "javascript:alert(1)",
    "data:text/html,x", "myapp:/cb", "https://app.example.org:99999/", "https://[::1/cb", "https://ä.example/",
    "https://app.example.org;script-src/cb", "https://app.example.org,x/cb", "https://app.example.org'/cb",
    "https://app%2eexample.org/cb", "https://app.example.org:80:80/cb", "https://:443/cb", "https://[::1]x/cb",
    "http://[::1%25;x]/cb", "http://[::1%;script-src]:80/cb", "org.example.app://a;script-src/x", "org.example.app://a,b/x",
    "https://app.example.org/\\evil", "https://app.example.org/" + "a" * 2_000,
)  # fmt: skip


@pytest.mark.spec("RFC 9700 §2.1, RFC 8252 §7 three-ways-back")
@pytest.mark.parametrize("uri", GOOD)
def test_https_loopback_and_private_schemes_may_be_registered(uri: str) -> None:
    assert fault(uri) == ""
    assert matches(uri, uri)


@pytest.mark.spec(
    "RFC 9700 §4.1.3",
    "RFC 6749 §3.1.2 absolute, RFC 6749 §3.1.2 no-fragment, RFC 8252 §8.4 complete-uri, RFC 8252 §8.4 scheme-with-dot",
    "RFC 9700 §2.6 no-plain-http",
)
@pytest.mark.parametrize("uri", BAD)
def test_everything_else_may_not(uri: str) -> None:
    assert fault(uri)


@pytest.mark.spec(
    "RFC 6749 §3.1.2.3 compared, RFC 8252 §8.4 exact-match, RFC 9700 §2.1 exact-match, RFC 9700 §4.1.3 exact-match",
    "OIDC Core §3.1.2.1 redirect-uri",
)
@pytest.mark.parametrize(
    "asked",
    [
        "https://app.example.org/cb/", "https://app.example.org/CB", "https://APP.example.org/cb",
        "https://app.example.org:443/cb", "https://app.example.org/cb?x=1", "https://app.example.org/cb%2F",
        "https://app.example.org/./cb", "https://app.example.org/cb#", "https://app.example.org.evil.example/cb", "",
    ],
)  # fmt: skip
def test_a_request_means_a_registered_uri_letter_by_letter(asked: str) -> None:
    assert not matches("https://app.example.org/cb", asked)


@pytest.mark.spec(
    "RFC 8252 §7.3 any-port, RFC 8252 §8.4 exact-match, RFC 9700 §4.1.3 loopback-port, RFC 9700 §2.1 exact-match",
)
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_of_a_loopback_address_the_port_is_free(host: str) -> None:
    for registered in (f"http://{host}/cb", f"http://{host}:1234/cb"):
        assert matches(registered, f"http://{host}:51004/cb")
        assert matches(registered, f"http://{host}/cb")
        assert not matches(registered, f"http://{host}:51004/other")
        assert not matches(registered, f"http://{host}:51004/cb?x=1")
        assert not matches(registered, f"https://{host}:51004/cb")
        assert not matches(registered, f"http://x@{host}:51004/cb")
    assert not matches("http://127.0.0.1/cb", "http://[::1]/cb")


@pytest.mark.spec("RFC 8252 §8.3")
def test_of_localhost_the_port_is_not_free() -> None:
    assert not matches("http://localhost:3000/cb", "http://localhost:3001/cb")


@given(st.text(max_size=60))
def test_no_text_makes_the_rules_stumble(text: str) -> None:
    fault(text)
    assert matches("http://127.0.0.1/cb", text) <= (text.startswith("http://127.0.0.1"))
