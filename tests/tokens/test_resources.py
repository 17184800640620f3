"""Resource indicators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokens.clients import API, OTHER_API
from tokens import resources
from tokens.errors import InvalidTarget


@pytest.mark.spec("RFC 8707 §2 absolute, RFC 8707 §2 no-fragment")
@pytest.mark.parametrize(
    "text",
    [API, OTHER_API, "http://127.0.0.1:8000", "https://[::1]/a", "https://a.test/?tenant=1", "urn:example:api",
     "tag:example.org,2026:api", "api:orders", "HTTPS://A.test/%C3%A4"],
)  # fmt: skip
def test_an_absolute_uri_without_a_fragment_is_a_resource(text: str) -> None:
    assert resources.is_resource(text)


@pytest.mark.spec("RFC 8707 §2 absolute, RFC 8707 §2 no-fragment, RFC 8707 §2 invalid-target")
@pytest.mark.parametrize(
    "text",
    ["", "api", "/path", "//host/path", "?a=b", "https:", "https://", "https:///path", "http:path", "urn:",
     "https://a.test/#", "https://a.test/#part", "https://a.test/a b", "https://a.test/\n", "https://a.test/\0",
     "https://ä.test", "https://a.test/%zz", "https://a.test/<b>", "https://[::1", "https://[nonsense]/", " https://a.test",
     "1a:b", "https://a.test\\b", "https://a.test/\ud800"],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    assert not resources.is_resource(text)
    with pytest.raises(InvalidTarget):
        resources.within((text,), (text,))


@given(st.text(max_size=40) | st.text(st.characters(max_codepoint=127), max_size=40).map("https://".__add__))
def test_every_text_is_one_or_is_not(text: str) -> None:
    if resources.is_resource(text):
        assert ":" in text
        assert text.isascii()
        assert text.isprintable()
        assert "#" not in text


@pytest.mark.spec("RFC 8707 §2")
def test_whoever_asks_for_nothing_gets_everything_and_whoever_asks_gets_that() -> None:
    assert resources.within((), (API, OTHER_API)) == (API, OTHER_API)
    assert resources.within((OTHER_API, API), (API, OTHER_API)) == (OTHER_API, API)
    assert resources.within((), ()) == ()


@pytest.mark.spec("RFC 8707 §2 invalid-target")
@pytest.mark.parametrize("asked", [("https://evil.test",), (API, "https://evil.test"), (API + "/",), (API.upper(),)])
def test_what_is_not_registered_letter_by_letter_is_an_invalid_target(asked: tuple[str, ...]) -> None:
    with pytest.raises(InvalidTarget) as refusal:
        resources.within(asked, (API,))
    assert refusal.value.code == "invalid_target"
