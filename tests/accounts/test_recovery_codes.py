"""Recovery codes: look-up secrets (NIST SP 800-63B §5.1.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import recovery_codes
from accounts.recovery_codes import ALPHABET, digest_of, new_codes, read, shown

CODE = "7XKD2M9PV3QA0HTE"


@pytest.mark.spec("NIST SP 800-63B §5.1.2")
def test_ten_different_codes_of_80_bits() -> None:
    codes = new_codes()
    assert len(codes) == len(set(codes)) == 10
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert {len(code) for code in codes} == {16}
    assert set("".join(new_codes() + codes)) <= set(ALPHABET)
    assert not set(new_codes()) & set(codes)


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        "7XKD-2M9P-V3QA-0HTE",
        "7xkd 2m9p v3qa 0hte",
        "7XKD-2M9P-V3QA-OHTE",
        " 7xkd2m9p v3qa-ohte\n",
        "7XKD\u00a02M9P\u00a0V3QA\u00a00HTE",
    ],
)
def test_however_it_is_typed_it_is_the_same_code(typed: str) -> None:
    assert read(typed) == CODE


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "123456",
        CODE[:-1],
        CODE + "0",
        *(CODE[:-1] + last for last in ("U", "\0", "é", "\u0131")),
        "-" * 65,
        "７XKD2M9PV3QA0HTE",
    ],
)
def test_whatever_else_is_no_code(typed: str) -> None:
    assert read(typed) is None


@given(st.text(alphabet=ALPHABET, min_size=16, max_size=16))
def test_what_is_shown_is_read(code: str) -> None:
    assert read(shown(code)) == code
    assert read(shown(code).lower()) == code


def test_letters_that_look_like_digits_are_read_as_them() -> None:
    assert read("oOiIlL" + CODE[6:]) == "001111" + CODE[6:]


def test_a_digest_is_of_one_person_and_one_code() -> None:
    found = {digest_of(code, subject=subject) for code in (CODE, CODE[::-1]) for subject in ("ana", "eva")}
    assert len(found) == 4
    assert {len(each) for each in found} == {32}
    assert digest_of(CODE, subject="ana") == digest_of(CODE, subject="ana")
    assert recovery_codes.COUNT == 10
