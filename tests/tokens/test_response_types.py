"""Response types as text."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.response_types import default_mode, parse
from tokens.vocabulary import ResponseMode, ResponseType

WORDS = ("code", "id_token", "token", "none", "device", "")


@pytest.mark.spec("RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Types §4")
@pytest.mark.parametrize("known", ResponseType)
def test_the_order_of_the_words_means_nothing(known: ResponseType) -> None:
    for words in permutations(known.split(" ")):
        assert parse(" ".join(words)) is known


@pytest.mark.spec("RFC 6749 §3.1.1")
@pytest.mark.parametrize(
    "text",
    ["", " ", "token", "none", "code ", " code", "code  token", "code code", "CODE", "code\ttoken"],
)
def test_whatever_else_there_is_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §3, §5")
@given(st.lists(st.sampled_from(WORDS), max_size=5))
def test_a_text_is_the_type_that_has_just_its_words_and_each_once(words: list[str]) -> None:
    found = parse(" ".join(words))
    expected = [kind for kind in ResponseType if sorted(kind.split(" ")) == sorted(words)]
    assert found is (expected[0] if expected else None)
    if found is not None:
        assert (found.has_code, found.has_id_token, found.has_token) == (
            "code" in words, "id_token" in words, "token" in words,
        )  # fmt: skip


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §2.1, §5, RFC 6749 §4.2.2.1")
@given(st.lists(st.sampled_from(WORDS), max_size=5))
def test_where_a_token_is_asked_for_nothing_travels_in_a_query(words: list[str]) -> None:
    tokens = {"token", "id_token"} & {*words}
    assert default_mode(" ".join(words)) is (ResponseMode.FRAGMENT if tokens else ResponseMode.QUERY)


@given(st.text(max_size=30))
def test_any_text_has_a_mode_and_a_type_or_none(text: str) -> None:
    assert default_mode(text) in (ResponseMode.QUERY, ResponseMode.FRAGMENT)
    assert parse(text) in (None, *ResponseType)
