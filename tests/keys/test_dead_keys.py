"""What the lines of the file of dead keys say, and what they survive."""

import hashlib
from datetime import UTC, datetime

import pytest

from keys.dead_keys import DeadKey, Fate, lines, name_of, parse_dead_keys, to_line
from keys.jwk import thumbprint

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def dead(key: str = "one", fate: Fate = Fate.DESTROYED) -> DeadKey:
    return DeadKey(key, fate, AT, kid=key, realm="default")


@pytest.mark.spec("keys.md dead keys: what is written is read")
def test_what_is_written_is_read() -> None:
    found = parse_dead_keys(lines([dead("one"), dead("two", Fate.COMPROMISED)]).decode())
    assert found.fates == {"one": Fate.DESTROYED, "two": Fate.COMPROMISED}
    assert found.garbled == 0


@pytest.mark.spec("keys.md dead keys: a compromise outweighs a destruction, whichever stands first")
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0)])
def test_a_compromise_outweighs_a_destruction(order: tuple[int, ...]) -> None:
    both = (dead(fate=Fate.DESTROYED), dead(fate=Fate.COMPROMISED))
    assert parse_dead_keys(lines([both[index] for index in order]).decode()).fates == {"one": Fate.COMPROMISED}


@pytest.mark.spec("keys.md dead keys: a line that was cut off spoils no other")
def test_a_torn_line_spoils_no_other_wherever_it_was_cut() -> None:
    torn = lines([dead("torn")])
    for cut in range(len(torn)):
        text = (lines([dead("before")]) + torn[:cut] + lines([dead("after")])).decode()
        found = parse_dead_keys(text)
        assert {"before", "after"} <= set(found.fates)
        assert found.garbled + ("torn" in found.fates) == (1 if torn[:cut].strip() else 0)


@pytest.mark.spec("keys.md dead keys: a damaged line is counted, and never read as something else")
def test_every_flipped_byte_of_a_line_is_noticed() -> None:
    line = to_line(dead("one", Fate.COMPROMISED)).encode()
    for place in range(len(line)):
        flipped = bytearray(line)
        flipped[place] ^= 1
        found = parse_dead_keys(flipped.decode("utf-8", "replace"))
        assert found.fates == {}
        assert found.garbled == 1


@pytest.mark.spec("keys.md dead keys: other members or another fate say nothing")
@pytest.mark.parametrize("text", ["rubbish", "0 {}", " ", "é" * 50, "null", "0123456789abcdef []"])
def test_rubbish_says_nothing(text: str) -> None:
    assert parse_dead_keys(text).fates == {}


@pytest.mark.spec("RFC 7638 §3: a key is known by its thumbprint, whatever its kid")
def test_a_key_is_known_by_its_thumbprint_and_a_symmetric_one_by_its_kid() -> None:
    assert name_of("any kid", {**JWK, "kid": "any kid", "use": "sig"}) == thumbprint(JWK)
    assert name_of("AAAAAAAAAAA", None) == "AAAAAAAAAAA"
    found = parse_dead_keys(lines([dead(thumbprint(JWK), Fate.COMPROMISED)]).decode())
    assert found.fate_of("another kid", JWK) is Fate.COMPROMISED
    assert found.fate_of("another kid", None) is None


@pytest.mark.spec("keys.md dead keys: other members or another fate say nothing")
@pytest.mark.parametrize(
    "said",
    ["[" * 100_000, '{"at":"","fate":[],"key":"one","kid":"","realm":""}', '{"at":"","fate":"compromised","key":1}'],
)
def test_a_line_with_a_good_checksum_and_rubbish_in_it_says_nothing(said: str) -> None:
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    found = parse_dead_keys(f"{digest} {said}\n")
    assert (found.fates, found.garbled) == ({}, 1)
