"""Handles: one spelling each, and nothing in them that the tag doesn't cover."""

import base64
import secrets
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokens.handles import MAX_EPOCH, Handle, HandlePurpose, MalformedHandle, decode, encode

pytestmark = pytest.mark.spec("design: tokens.md, the handle")
TAG = bytes(range(32))
kids = st.binary(min_size=8, max_size=8).map(lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
numbers = st.integers(0, 2**32 - 1)
any_handles = st.builds(Handle, st.integers(0, 255), kids, numbers, st.uuids(), numbers)


HANDLE = Handle(HandlePurpose.REFRESH, "AAAAAAAAAAA", 0, UUID(bytes=secrets.token_bytes(16)), 0)


@settings(deadline=None)
@given(any_handles, st.binary(min_size=32, max_size=32))
def test_what_is_encoded_is_decoded(handle: Handle, tag: bytes) -> None:
    text = encode(handle, tag)
    assert len(text) == 88
    assert decode(text) == (handle, tag)


@settings(deadline=None)
@given(any_handles, any_handles)
def test_two_handles_never_have_the_same_message(one: Handle, other: Handle) -> None:
    assert (one.message() == other.message()) == (one == other)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_handle_or_is_refused(text: str) -> None:
    try:
        handle, tag = decode(text)
    except MalformedHandle:
        return
    assert encode(handle, tag) == text


def test_a_handle_has_exactly_one_spelling() -> None:
    text = encode(HANDLE, TAG)
    for other in (
        text + "=",
        text + "\n",
        " " + text,
        text[:-1],
        text + "A",
        text.replace(text[5], "+", 1),
        "é" + text[1:],
    ):
        with pytest.raises(MalformedHandle):
            decode(other)


def test_another_version_is_refused() -> None:
    raw = bytearray(base64.urlsafe_b64decode(encode(HANDLE, TAG)))
    raw[0] = 2
    with pytest.raises(MalformedHandle, match="version"):
        decode(base64.urlsafe_b64encode(raw).decode())


@pytest.mark.parametrize(
    "fields",
    [
        {"epoch": -1},
        {"epoch": MAX_EPOCH + 1},
        {"generation": 2**32},
        {"purpose": 256},
        {"mac_kid": "AAAA"},
        {"mac_kid": "not base64!"},
    ],
)
def test_a_field_out_of_its_range_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(replace(HANDLE, **fields), TAG)


@pytest.mark.spec("RFC 6749 §10.10 unguessable")
def test_a_short_tag_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        encode(HANDLE, TAG[:16])
