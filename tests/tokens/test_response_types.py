"""Response types (OAuth 2.0 Multiple Response Types)."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.response_types import default_mode, parse
from tokens.vocabulary import ResponseMode, ResponseType

WORDS = ("code", "id_token", "token")


@pytest.mark.spec("RFC 6749 §3.1.1: the order of values does not matter")
@pytest.mark.parametrize("known", ResponseType)
def test_the_words_may_stand_in_any_order(known: ResponseType) -> None:
    for words in permutations(known.split(" ")):
        assert parse(" ".join(words)) is known


@pytest.mark.spec("RFC 6749 §3.1.1")
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "code ", " code", "code  id_token", "code code", "code id_token code", "token", "none", "Code", "CODE",
        "code,id_token", "code+id_token", "code\tid_token", "code\n", "code token x", "id_token id_token token",
    ],
)  # fmt: skip
def test_what_is_no_response_type_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.spec("RFC 6749 §3.1.1")
@given(st.lists(st.sampled_from([*WORDS, "none", ""]), max_size=5))
def test_only_registered_combinations_are_found(words: list[str]) -> None:
    found = parse(" ".join(words))
    assert (found is not None) == (sorted(words) in [sorted(known.split(" ")) for known in ResponseType])
    if found is not None:
        assert [found.has_code, found.has_id_token, found.has_token] == [word in words for word in WORDS]


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §5, RFC 9700 §2.1.2")
def test_tokens_never_travel_in_a_query_by_default() -> None:
    for known in ResponseType:
        tokens = known.has_id_token or known.has_token
        assert default_mode(known) is (ResponseMode.FRAGMENT if tokens else ResponseMode.QUERY)
    assert default_mode(None) is ResponseMode.QUERY
