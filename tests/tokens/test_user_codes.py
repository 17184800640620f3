"""User codes: what people can read out, type and mistype."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens import user_codes
from tokens.user_codes import ALPHABET, LENGTH, MAX_TYPED, new_user_code, read, shown


@pytest.mark.spec("RFC 8628 §6.1")
def test_the_alphabet_makes_no_words_and_no_doubts() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 20
    assert set(ALPHABET) <= set(string.ascii_uppercase) - set("AEIOUY")


@pytest.mark.spec("RFC 8628 §5.1, §6.1")
def test_a_code_has_8_letters_and_34_bits() -> None:
    codes = {new_user_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(len(code) == LENGTH == 8 and set(code) <= set(ALPHABET) for code in codes)
    assert {letter for code in codes for letter in code} == set(ALPHABET)
    assert len(ALPHABET) ** LENGTH > 2**34


@pytest.mark.spec("RFC 8628 §6.1")
@pytest.mark.parametrize(
    "typed",
    [
        "WDJB-MJHT",
        "WDJBMJHT",
        "wdjb-mjht",
        " WdJb mJhT ",
        "W D J B M J H T",
        "WDJB–MJHT",
        "WDJB.MJHT\r\n",
        "aWDJBMJHTa",
    ],
)
def test_capitals_spaces_and_hyphens_do_not_matter(typed: str) -> None:
    assert read(typed) == "WDJBMJHT"


@pytest.mark.parametrize(
    "typed",
    [
        "", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJH7", "WDJBMJH" + "\0", "AEIOUAEI", "12345678", "ＷＤＪＢＭＪＨＴ",
        "WDJBMJ\u017f\u017f", "WDJBM\ufb05HT"[:5], "\ud800WDJBMJH", "-" * MAX_TYPED, "WDJBMJHT" + "-" * MAX_TYPED,
        "WDJBMJHT" * 10_000,
    ],
)  # fmt: skip
def test_whatever_is_no_code_is_none(typed: str) -> None:
    assert read(typed) is None


@given(st.text(alphabet=ALPHABET, min_size=LENGTH, max_size=LENGTH))
def test_what_is_shown_is_read(code: str) -> None:
    assert len(shown(code)) == LENGTH + 1
    assert read(shown(code)) == read(shown(code).lower()) == code


@given(st.text())
def test_whatever_is_read_is_a_code(typed: str) -> None:
    found = user_codes.read(typed)
    assert found is None or (len(found) == LENGTH and set(found) <= set(ALPHABET))
