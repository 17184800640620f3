"""Opaque access tokens: sealed claims in one spelling, which open whole or not at all."""

import base64
import json
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.names import MAX_ROLES_TEXT
from tests.tokens.test_claims import AUTHORIZATION, claims_of
from tests.tokens.test_handles import HANDLE, TAG, any_handles
from tokens.handles import Handle, MalformedHandle, decode, encode
from tokens.opaque_tokens import (
    MAX_TEXT,
    PREFIX,
    Header,
    MalformedToken,
    is_current,
    is_opaque,
    parse,
    seal,
    unseal,
)

KEY = bytes(range(32))
HEADER = Header("AAAAAAAAAAA", b"s" * 16)
CLAIMS = {"iss": "https://id.example.org", "sub": "canary-subject", "exp": 2_000_000_000}
TEXT = seal(CLAIMS, header=HEADER, key=KEY)
ALPHABET = string.ascii_letters + string.digits + "-_"
HEADER_BYTES = 1 + 8 + 16


def opened(text: str, key: bytes = KEY) -> dict[str, Any]:
    header, ciphertext = parse(text)
    return unseal(ciphertext, header=header, key=key)


def spelled(raw: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_of(text: str) -> bytes:
    body = text.removeprefix(PREFIX)
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


@pytest.mark.spec("RFC 6749 §1.4: the token may self-contain the authorization information")
@settings(deadline=None)
@given(
    st.dictionaries(st.text(max_size=9), st.text() | st.integers() | st.lists(st.text()), max_size=9),
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=16, max_size=16),
)
def test_what_is_sealed_is_opened(claims: dict[str, Any], kid: bytes, salt: bytes) -> None:
    header = Header(base64.urlsafe_b64encode(kid).rstrip(b"=").decode(), salt)
    text = seal(claims, header=header, key=KEY)
    assert set(text) <= set(ALPHABET)
    assert parse(text)[0] == header
    assert opened(text) == claims


@pytest.mark.spec("RFC 6749 §1.4: opaque to the client")
def test_nothing_of_the_claims_can_be_read() -> None:
    raw = raw_of(TEXT)
    assert b"canary" not in raw
    assert b'"iss"' not in raw
    assert raw[:HEADER_BYTES] == HEADER.to_bytes()
    assert len(raw) == HEADER_BYTES + len(json.dumps(CLAIMS, separators=(",", ":"))) + 16


@pytest.mark.spec("NIST SP 800-38D §7.2: fails whole where anything was altered")
def test_every_byte_counts() -> None:
    raw = raw_of(TEXT)
    for place in range(len(raw)):
        for flip in (0x01, 0x80):
            altered = bytearray(raw)
            altered[place] ^= flip
            with pytest.raises(MalformedToken):
                opened(spelled(bytes(altered)))


@pytest.mark.spec("NIST SP 800-38D §7.2")
def test_a_token_cut_short_or_lengthened_is_none() -> None:
    for length in range(len(TEXT)):
        with pytest.raises(MalformedToken):
            opened(TEXT[:length])
    for more in ("A", "AA", "AAA", "AAAA"):
        with pytest.raises(MalformedToken):
            opened(TEXT + more)
    raw = raw_of(TEXT)
    for part in (raw[:1], raw[:HEADER_BYTES], raw[: HEADER_BYTES + 16]):
        with pytest.raises(MalformedToken, match="cut short"):
            parse(spelled(part))
    for part in (raw[HEADER_BYTES:], raw + raw):
        with pytest.raises(MalformedToken):
            opened(spelled(part))


@pytest.mark.spec("RFC 4648 §3.5, §5: one spelling")
def test_a_token_has_exactly_one_spelling() -> None:
    for length in range(3):
        text = seal({"sub": "x" * length}, header=HEADER, key=KEY)
        others = [text[:-1] + letter for letter in ALPHABET if letter != text[-1]]
        others += [text + "=", text + "==", text + "\n", " " + text, text.upper(), text.replace("at_", "AT_", 1)]
        others += [text.replace(text[9], odd, 1) for odd in "+/.=é\0 ٣"]
        for other in others:
            with pytest.raises(MalformedToken):
                opened(other)


@pytest.mark.spec("design: strict parsing before any library")
@settings(deadline=None)
@given(st.text(max_size=300) | st.text(ALPHABET, max_size=300).map(lambda text: PREFIX + text))
def test_any_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(MalformedToken) as refusal:
        opened(text)
    assert text not in str(refusal.value) or len(text) < 3


def test_an_endless_text_is_not_even_decoded() -> None:
    assert len(seal({"sub": "x" * 9_000}, header=HEADER, key=KEY)) < MAX_TEXT
    with pytest.raises(MalformedToken, match="This is no opaque access token"):
        parse(seal({"sub": "x" * 9_300}, header=HEADER, key=KEY))
    with pytest.raises(MalformedToken):
        parse(PREFIX + "A" * 10_000_000)


def test_another_version_is_refused_before_a_key_is_asked_for() -> None:
    raw = bytearray(raw_of(TEXT))
    raw[0] = 2
    with pytest.raises(MalformedToken, match="version"):
        parse(spelled(bytes(raw)))


@pytest.mark.spec("NIST SP 800-38D §8.2: no key and nonce twice")
def test_every_token_has_a_key_of_its_own() -> None:
    contexts = {
        Header(kid, salt).context() for kid in ("AAAAAAAAAAA", "AAAAAAAAAAE") for salt in (b"s" * 16, b"t" * 16)
    }
    assert len(contexts) == 4
    assert all(context.startswith(b"opaque access token\0") for context in contexts)
    with pytest.raises(MalformedToken):
        opened(TEXT, key=bytes(32))


@pytest.mark.parametrize(
    "header",
    [replace(HEADER, mac_kid="AAAA"), replace(HEADER, salt=b""), replace(HEADER, salt=b"s" * 17)],
)
def test_a_header_of_another_length_seals_nothing(header: Header) -> None:
    with pytest.raises(ValueError, match="bytes"):
        seal(CLAIMS, header=header, key=KEY)
    with pytest.raises(ValueError, match=r".+"):
        seal(CLAIMS, header=replace(HEADER, mac_kid="not base64!"), key=KEY)
    with pytest.raises(ValueError, match="key"):
        seal(CLAIMS, header=HEADER, key=KEY[:7])


@pytest.mark.spec("design: purposes can't be taken for one another")
@settings(deadline=None)
@given(any_handles)
def test_no_handle_has_the_form_of_an_opaque_token(handle: Handle) -> None:
    text = encode(handle, TAG)
    assert not is_opaque(text)
    with pytest.raises(MalformedToken):
        parse(text)


@pytest.mark.spec("design: purposes can't be taken for one another")
@settings(deadline=None)
@given(st.integers(0, 200))
def test_no_opaque_token_has_the_form_of_a_handle_or_a_jwt(length: int) -> None:
    text = seal({"sub": "x" * length}, header=HEADER, key=KEY)
    assert is_opaque(text)
    assert "." not in text
    with pytest.raises(MalformedHandle):
        decode(text)
    with pytest.raises(MalformedHandle):
        decode(encode(HANDLE, TAG).replace("AQ", "at", 1))


@pytest.mark.spec("RFC 7519 §4.1.1, §4.1.4")
def test_claims_are_current_until_their_exp_and_for_their_issuer_alone() -> None:
    issuer, end = "https://id.example.org", datetime(2026, 11, 20, 12, tzinfo=UTC)
    claims: dict[str, Any] = {"iss": issuer, "exp": int(end.timestamp())}

    def current(found: dict[str, Any], now: datetime = end - timedelta(microseconds=1)) -> bool:
        return is_current(found, issuer=issuer, now=now)

    assert current(claims)
    assert not current(claims, end)
    assert not current({**claims, "iss": issuer + "/"})
    assert not current({"exp": claims["exp"]})
    for odd in (None, True, "2000000000", 2e9, [2_000_000_000]):
        assert not current({**claims, "exp": odd})


@pytest.mark.spec("design: product.md, access token < 1 KB")
def test_an_opaque_token_stays_below_one_kilobyte_with_as_many_roles_as_there_may_be() -> None:
    roles = tuple(f"role{number:04}" for number in range(MAX_ROLES_TEXT // 9))
    issuer = "https://identity.some-organisation.example.org/realms/main"
    claims = claims_of(replace(AUTHORIZATION, roles=roles, issuer=issuer, grant_id=UUID(int=1)))
    assert len(seal(claims, header=HEADER, key=KEY)) < 1024
