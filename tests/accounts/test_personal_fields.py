"""Personal fields of an event as one sealed text."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.personal_fields import KEY_BYTES, seal, unseal
from accounts.whereabouts import NOWHERE, Whereabouts
from keys.errors import SealBroken

pytestmark = pytest.mark.spec("issue 3 of 6: personal fields sealed under a key of the person")
KEY = bytes(range(KEY_BYTES))
FIELDS = {"address": "192.0.2.7", "user_agent": "Browser/1 (é)"}
BOUND = ("subject", "sign_in.succeeded", "default", "subject", "2026-01-15T12:00:00+00:00")


def test_what_was_sealed_opens_and_says_nothing_by_itself() -> None:
    text = seal(FIELDS, key=KEY, bound=BOUND)
    assert unseal(text, key=KEY, bound=BOUND) == FIELDS
    blob = base64.urlsafe_b64decode(text)
    assert not any(part.encode() in blob for part in ("192.0.2.7", "Browser", "address"))
    assert seal(FIELDS, key=KEY, bound=BOUND) != text


def test_the_length_tells_next_to_nothing() -> None:
    short = seal({"address": "::1"}, key=KEY, bound=BOUND)
    long = seal({"address": "2001:db8::1", "user_agent": "x" * 150}, key=KEY, bound=BOUND)
    assert len(short) == len(long)


@pytest.mark.parametrize("place", range(len(BOUND)))
def test_it_opens_for_no_other_event(place: int) -> None:
    text = seal(FIELDS, key=KEY, bound=BOUND)
    other = tuple("x" if number == place else part for number, part in enumerate(BOUND))
    with pytest.raises(SealBroken):
        unseal(text, key=KEY, bound=other)


@pytest.mark.spec("NIST SP 800-38D §5.2.2")
def test_parts_of_an_event_can_t_be_shifted_into_one_another() -> None:
    text = seal(FIELDS, key=KEY, bound=("ab", "c"))
    with pytest.raises(SealBroken):
        unseal(text, key=KEY, bound=("a", "bc"))


def test_it_opens_under_no_other_key() -> None:
    with pytest.raises(SealBroken):
        unseal(seal(FIELDS, key=KEY, bound=BOUND), key=secrets.token_bytes(KEY_BYTES), bound=BOUND)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_byte_that_was_altered_breaks_the_seal(place: int, by: int) -> None:
    blob = bytearray(base64.urlsafe_b64decode(seal(FIELDS, key=KEY, bound=BOUND)))
    blob[place % len(blob)] ^= by
    with pytest.raises(SealBroken):
        unseal(base64.urlsafe_b64encode(bytes(blob)).decode(), key=KEY, bound=BOUND)


@given(st.text())
def test_whatever_else_stands_there_breaks_it_too(text: str) -> None:
    with pytest.raises(SealBroken):
        unseal(text, key=KEY, bound=BOUND)


@given(st.text(max_size=2_000), st.text(max_size=2_000))
def test_whatever_a_program_says_of_itself_is_bounded_and_legible(address: str, user_agent: str) -> None:
    found = Whereabouts(address, user_agent).fields()
    assert all(value and len(value) <= 300 and value.isprintable() for value in found.values())
    assert unseal(seal(found, key=KEY, bound=BOUND), key=KEY, bound=BOUND) == found


def test_nothing_is_known_of_nowhere() -> None:
    assert NOWHERE.fields() == {}
