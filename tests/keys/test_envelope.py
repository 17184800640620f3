"""keys/envelope.py and keys/custodians/local.py: no sealed value opens anywhere but in its place."""

import struct
from dataclasses import replace

import pytest
from django.conf import LazySettings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from keys import envelope, sealing
from keys.custodians import custodian_named
from keys.custodians.local import LocalCustodian
from keys.envelope import Context
from keys.errors import KeysError, MissingMasterSecret, SealBroken, UnknownCustodian
from tests.keys.known_secrets import SECRET_A, SECRET_B, SECRET_C

PLACE = Context("private-key", "keys.KeyPair", "sealed_private", "row-1", "kid-1", "ES256")
CUSTODIAN = custodian_named("local")
PLAINTEXT = b"the private half of a key"


@pytest.fixture(autouse=True)
def _master_secrets(settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"a:{SECRET_A},b:{SECRET_B}"


def sealed(context: Context = PLACE, plaintext: bytes = PLAINTEXT) -> bytes:
    return sealing.seal(plaintext, context=context, custodian=CUSTODIAN)


def opened(blob: bytes, context: Context = PLACE) -> bytes:
    return sealing.unseal(blob, context=context, custodian=CUSTODIAN)


@pytest.mark.spec("keys.md Envelope")
@pytest.mark.parametrize("plaintext", [b"", b"x", PLAINTEXT, bytes(100_000)], ids=len)
def test_what_is_sealed_opens_in_its_place(plaintext: bytes) -> None:
    assert opened(sealed(plaintext=plaintext)) == plaintext


@pytest.mark.spec("keys.md Envelope: the blob starts with a version byte and the master-secret id")
def test_a_blob_starts_with_the_version_and_the_id_of_its_secret() -> None:
    assert sealed()[:3] == bytes([1, 1]) + b"a"
    assert envelope.parse(sealed()).secret_id == "a"


@pytest.mark.spec("keys.md Envelope: per row a random data key")
def test_no_two_blobs_share_a_data_key_or_a_nonce() -> None:
    parsed = [envelope.parse(sealed()) for _ in range(20)]
    assert len({item.wrapped_key for item in parsed}) == len({item.nonce for item in parsed}) == 20
    assert len({item.ciphertext for item in parsed}) == 20


@pytest.mark.spec("keys.md Envelope: no sealed value works in another row or column")
@pytest.mark.parametrize("part", ["purpose", "table", "column", "row", "kid", "algorithm"])
def test_a_value_does_not_open_in_another_place(part: str) -> None:
    for other in ("", "another", getattr(PLACE, part) + " "):
        with pytest.raises(SealBroken):
            opened(sealed(), replace(PLACE, **{part: other}))


@pytest.mark.spec("keys.md Envelope")
@given(st.lists(st.text(max_size=4), min_size=6, max_size=6), st.lists(st.text(max_size=4), min_size=6, max_size=6))
def test_two_contexts_never_agree_in_their_bytes(one: list[str], other: list[str]) -> None:
    same = Context(*one).associated_data() == Context(*other).associated_data()
    assert same == (one == other)


@pytest.mark.spec("keys.md Envelope")
def test_shifting_text_between_two_parts_changes_the_bytes() -> None:
    assert Context("a", "bc", "", "").associated_data() != Context("ab", "c", "", "").associated_data()


@pytest.mark.spec("keys.md Envelope: AES-256-GCM")
def test_every_flipped_byte_is_noticed() -> None:
    blob = sealed()
    for position in range(len(blob)):
        for mask in (0x01, 0x80, 0xFF):
            broken = bytearray(blob)
            broken[position] ^= mask
            # The id alone may name another secret, which is then missing or not the one that sealed this.
            expected = (SealBroken, MissingMasterSecret) if position in (1, 2) else SealBroken
            with pytest.raises(expected):
                opened(bytes(broken))


@pytest.mark.spec("keys.md Envelope")
def test_every_truncation_is_noticed() -> None:
    blob = sealed()
    for length in range(len(blob)):
        with pytest.raises((SealBroken, MissingMasterSecret)) as caught:
            opened(blob[:length])
        assert isinstance(caught.value, SealBroken)
    with pytest.raises(SealBroken):
        opened(blob + b"\x00")


@pytest.mark.spec("keys.md Envelope")
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda rest: b"\x01\x01a" + rest))
def test_arbitrary_bytes_raise_nothing_but_errors_of_ours(blob: bytes) -> None:
    with pytest.raises((SealBroken, MissingMasterSecret)):
        opened(blob)


@pytest.mark.spec("keys.md Envelope")
def test_a_wrapped_key_and_a_ciphertext_of_two_values_do_not_fit() -> None:
    one, other = envelope.parse(sealed()), envelope.parse(sealed())
    with pytest.raises(SealBroken):
        opened(replace(one, wrapped_key=other.wrapped_key).to_bytes())
    with pytest.raises(SealBroken):
        opened(replace(one, ciphertext=other.ciphertext).to_bytes())


@pytest.mark.spec("keys.md Envelope")
def test_a_data_key_of_a_wrong_length_is_a_broken_seal() -> None:
    with pytest.raises(SealBroken):
        envelope.unseal(envelope.parse(sealed()), context=PLACE, unwrap=lambda _wrapped, _bound: b"short")


@pytest.mark.spec("keys.md Envelope")
def test_an_unknown_version_is_named() -> None:
    with pytest.raises(SealBroken, match="format 2"):
        envelope.parse(b"\x02" + sealed()[1:])


@pytest.mark.spec("keys.md Envelope: the first seals, the others only unseal")
def test_the_other_secrets_unseal(settings: LazySettings) -> None:
    blob = sealed()
    settings.IDP_MASTER_SECRETS = f"b:{SECRET_B},a:{SECRET_A}"
    assert opened(blob) == PLAINTEXT
    assert envelope.parse(sealed()).secret_id == "b"


@pytest.mark.spec("issue 2: a wrong master secret … the id of the secret that is missing")
def test_a_missing_secret_is_named_by_its_id(settings: LazySettings) -> None:
    blob = sealed()
    settings.IDP_MASTER_SECRETS = f"b:{SECRET_B}"
    with pytest.raises(MissingMasterSecret, match="'a'"):
        opened(blob)


@pytest.mark.spec("keys.md Envelope")
def test_another_secret_of_the_same_id_is_named_by_its_id(settings: LazySettings) -> None:
    blob = sealed()
    settings.IDP_MASTER_SECRETS = f"a:{SECRET_C}"
    with pytest.raises(SealBroken, match="'a'") as caught:
        opened(blob)
    assert SECRET_A not in str(caught.value)
    assert SECRET_C not in str(caught.value)


@pytest.mark.spec("keys.md Envelope: a key derived from the master secret per purpose")
def test_a_data_key_unwraps_for_its_purpose_alone() -> None:
    custodian = LocalCustodian()
    wrapped = custodian.wrap(bytes(32), purpose="one", bound=b"place")
    assert custodian.unwrap(wrapped, secret_id="a", purpose="one", bound=b"place") == bytes(32)
    for changed in ({"purpose": "two"}, {"bound": b"elsewhere"}, {"secret_id": "b"}):
        asked = {"secret_id": "a", "purpose": "one", "bound": b"place"} | changed
        with pytest.raises(SealBroken):
            custodian.unwrap(wrapped, **asked)  # type: ignore[arg-type]


@pytest.mark.spec("keys.md Envelope: rewrap_keys")
def test_a_rewrap_changes_the_wrapped_key_and_leaves_the_ciphertext(settings: LazySettings) -> None:
    before = sealed()
    settings.IDP_MASTER_SECRETS = f"b:{SECRET_B},a:{SECRET_A}"
    after = sealing.rewrap(before, context=PLACE, custodian=CUSTODIAN)
    settings.IDP_MASTER_SECRETS = f"b:{SECRET_B}"
    assert opened(after) == PLAINTEXT
    assert envelope.parse(after).ciphertext == envelope.parse(before).ciphertext


@pytest.mark.spec("keys.md Envelope: rewrap_keys")
def test_a_rewrap_refuses_what_does_not_open() -> None:
    with pytest.raises(SealBroken):
        sealing.rewrap(sealed(), context=replace(PLACE, row="row-2"), custodian=CUSTODIAN)


@pytest.mark.spec("keys.md Envelope")
def test_lengths_in_a_blob_that_lie_are_noticed() -> None:
    blob = b"\x01\x01a" + struct.pack(">H", 65_535) + sealed()[5:]
    with pytest.raises(SealBroken, match="cut short"):
        envelope.parse(blob)


@pytest.mark.spec("keys.md Envelope: custodians stand behind one small protocol")
def test_an_unknown_custodian_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UnknownCustodian, match=r"'nobody'.*local"):
        custodian_named("nobody")
    assert issubclass(UnknownCustodian, KeysError)
