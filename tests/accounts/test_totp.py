"""RFC 6238: time-based one-time passwords."""

import base64
import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import totp
from accounts.qr_codes import png_data_uri

SEED = b"12345678901234567890"  # RFC 6238, Appendix B
# Appendix B prints eight digits of the number; six digits are the last six of these (RFC 4226 §5.3).
VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
MOMENT = datetime(2026, 11, 20, 12, 0, 10, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.spec("RFC 6238 Appendix B")
@pytest.mark.parametrize(("seconds", "eight"), VECTORS)
def test_the_published_vectors(seconds: int, eight: str) -> None:
    assert totp.code_at(SEED, totp.step_at(at(seconds))) == eight[-6:]


@pytest.mark.spec("RFC 6238 Appendix B")
@pytest.mark.parametrize(("seconds", "step"), [(59, 0x1), (1111111109, 0x23523EC), (20000000000, 0x27BC86AA)])
def test_the_published_steps(seconds: int, step: int) -> None:
    assert totp.step_at(at(seconds)) == step


@pytest.mark.spec("RFC 4226 §5.3")
@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**33))
def test_the_code_is_the_hmac_cut_short(seed: bytes, step: int) -> None:
    tag = hmac.new(seed, struct.pack(">Q", step), hashlib.sha1).digest()
    cut = struct.unpack(">I", tag[tag[-1] & 15 :][:4])[0] & 0x7FFFFFFF
    assert totp.code_at(seed, step) == f"{cut % 1_000_000:06d}"


@pytest.mark.spec("RFC 6238 §5.2")
@pytest.mark.parametrize(("off", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step_either_way(off: int, counts: bool) -> None:
    step = totp.step_at(MOMENT) + off
    assert totp.matching_step(SEED, totp.code_at(SEED, step), now=MOMENT) == (step if counts else None)


@pytest.mark.spec("RFC 6238 §5.2")
def test_a_code_that_fits_two_steps_spends_the_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totp, "code_at", lambda _seed, _step: "000000")
    assert totp.matching_step(SEED, "000000", now=MOMENT) == totp.step_at(MOMENT) + 1


@pytest.mark.spec("RFC 6238 §4.2")
def test_a_step_begins_with_its_first_second() -> None:
    begin = at(totp.step_at(MOMENT) * totp.STEP)
    assert totp.step_at(begin) == totp.step_at(begin + timedelta(seconds=29, microseconds=999_999))
    assert totp.step_at(begin - timedelta(microseconds=1)) == totp.step_at(begin) - 1


def test_the_longest_names_fit_into_the_picture() -> None:
    address = totp.key_uri(SEED, issuer="\U0001d518" * 500, account="\U0001d518" * 500)
    assert png_data_uri(address).startswith("data:image/png;base64,")


@pytest.mark.parametrize("typed", ["123456", " 123 456 ", "123\u00a0456", "1 2 3 4 5 6", "123456\r\n"])
def test_what_people_type_is_read(typed: str) -> None:
    assert totp.read(typed) == "123456"


@pytest.mark.parametrize(
    "typed",
    ["", "12345", "1234567", "12345a", "-12345", "+12345", "12.456", "１２３４５６", "١٢٣٤٥٦", "1_2345", "123456\0",
     "1234 56" + " " * 60, "0x1234", "²23456"],
)  # fmt: skip
def test_whatever_else_is_no_code(typed: str) -> None:
    assert totp.read(typed) is None


@pytest.mark.spec("RFC 4226 §4 R6")
def test_a_seed_has_160_random_bits() -> None:
    seeds = {totp.new_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert {len(seed) for seed in seeds} == {20}


def test_the_key_can_be_typed() -> None:
    text = totp.key_text(SEED)
    assert text == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
    assert base64.b32decode(text.replace(" ", "")) == SEED


@pytest.mark.parametrize(
    ("issuer", "account"), [("Example", "ana"), ("A: B & C?", "a:b/c@d#e%"), ("Größe", "アナ"), ("x" * 500, "y" * 150)]
)
def test_the_address_names_issuer_and_account_once_whatever_they_hold(issuer: str, account: str) -> None:
    parts = urlsplit(totp.key_uri(SEED, issuer=issuer, account=account))
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    whose, who = unquote(parts.path).removeprefix("/").split(":")
    assert whose == issuer.replace(":", " ")[:60]
    assert who == account.replace(":", " ")[:60]
    query = parse_qs(parts.query, strict_parsing=True)
    assert query == {"secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"], "issuer": [whose]}
