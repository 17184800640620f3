"""Pairwise subjects (OpenID Connect Core §8.1)."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tokens.subjects import pairwise

pytestmark = pytest.mark.spec("OpenID Connect Core §8.1")
SUBJECTS = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=64)
SECTORS = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
SALTS = st.binary(min_size=32, max_size=32)


@given(SUBJECTS, SECTORS, SALTS)
def test_a_subject_stays_the_same_and_says_nothing(subject: str, sector: str, salt: bytes) -> None:
    found = pairwise(subject, sector=sector, salt=salt)
    assert found == pairwise(subject, sector=sector, salt=salt)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", found)
    assert found != subject


@given(SUBJECTS, SUBJECTS, SECTORS, SALTS)
def test_another_person_has_another_subject(one: str, other: str, sector: str, salt: bytes) -> None:
    assume(one != other)
    assert pairwise(one, sector=sector, salt=salt) != pairwise(other, sector=sector, salt=salt)


@given(SUBJECTS, SECTORS, SECTORS, SALTS)
def test_another_sector_knows_another_subject(subject: str, one: str, other: str, salt: bytes) -> None:
    assume(one != other)
    assert pairwise(subject, sector=one, salt=salt) != pairwise(subject, sector=other, salt=salt)


@given(SUBJECTS, SECTORS, SALTS, SALTS)
def test_another_realm_knows_another_subject(subject: str, sector: str, one: bytes, other: bytes) -> None:
    assume(one != other)
    assert pairwise(subject, sector=sector, salt=one) != pairwise(subject, sector=sector, salt=other)


@given(SUBJECTS, SECTORS, SALTS)
def test_sector_and_subject_are_not_one_text(subject: str, sector: str, salt: bytes) -> None:
    assert pairwise(sector + subject, sector=sector, salt=salt) != pairwise(subject, sector=sector + sector, salt=salt)
    assert pairwise("b" + subject, sector="a", salt=salt) != pairwise(subject, sector="ab", salt=salt)


def test_a_value_that_must_never_change() -> None:
    """By the definition, reckoned with openssl: HMAC-SHA256(salt, sector ‖ 0 ‖ subject) in base64url."""
    found = pairwise("person", sector="app.example.org", salt=bytes(range(32)))
    assert found == "U0JEsWGzbb96LBNuF7FIIXj_Qt4wWoqLeVPszHjOnKs"
