"""What every custodian does alike: one suite, which each of the table in benches.py passes."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from keys import sealing
from keys.custodians import CUSTODIANS, Custodian
from keys.envelope import Context
from keys.errors import (
    CustodianNotConfigured,
    CustodianRefused,
    CustodianUnreachable,
    KeysError,
    MalformedSecrets,
    MissingMasterSecret,
    SealBroken,
    UnavailableAlgorithm,
)
from keys.jwk import key_members, to_public_key
from tests.keys.custodians.benches import BENCHES, Bench
from tests.keys.custodians.forks import holds_in_child
from tests.keys.custodians.signatures import is_signature

pytestmark = pytest.mark.spec("keys.md Envelope: custodians stand behind one small protocol", "issue 5, 5")

DATA_KEY = bytes(range(32))
PLACE = Context("signing-keys", "keys.KeyPair", "sealed_private", "row-1", "kid", "ES256")
BITS = {"RS256": 2048, "PS256": 2048}
SIGNATURE_BYTES = {"ES256": 64, "ES384": 96, "ES512": 132, "RS256": 256, "PS256": 256, "Ed25519": 64}
MESSAGE = b"eyJhbGciOiJFUzI1NiJ9.e30"


def wrapped(custodian: Custodian, *, purpose: str = "one", bound: bytes = b"place") -> bytes:
    return custodian.wrap(DATA_KEY, purpose=purpose, bound=bound)


def unwrapped(
    custodian: Custodian, blob: bytes, *, secret_id: str = "", purpose: str = "one", bound: bytes = b"place"
) -> bytes:
    return custodian.unwrap(blob, secret_id=secret_id or custodian.wrapping_id(), purpose=purpose, bound=bound)


def remote(custodian: Custodian) -> list[str]:
    """What it signs with; a test of signing says so where there is nothing."""
    return sorted(custodian.remote_algorithms)


def test_every_custodian_is_on_the_table() -> None:
    assert {custodian.name for custodian in CUSTODIANS} == set(BENCHES)


# --- Wrapping -------------------------------------------------------------------------------------------------


def test_what_is_wrapped_unwraps(custodian: Custodian) -> None:
    blob = wrapped(custodian)
    assert DATA_KEY not in blob
    assert len(blob) < 2**16  # the envelope has two bytes for its length
    assert unwrapped(custodian, blob) == DATA_KEY
    assert wrapped(custodian) != blob


@pytest.mark.parametrize("length", [16, 64])
def test_keys_of_other_lengths_too(custodian: Custodian, length: int) -> None:
    blob = custodian.wrap(bytes(length), purpose="one", bound=b"")
    assert unwrapped(custodian, blob, bound=b"") == bytes(length)


def test_a_long_context_is_bound_as_a_short_one_is(custodian: Custodian) -> None:
    bound = os.urandom(1000)
    blob = wrapped(custodian, bound=bound)
    assert unwrapped(custodian, blob, bound=bound) == DATA_KEY
    with pytest.raises(SealBroken):
        unwrapped(custodian, blob, bound=bound[:-1] + bytes([bound[-1] ^ 1]))


@pytest.mark.parametrize(
    "asked",
    [
        {"bound": b"plac"},
        {"bound": b"placf"},
        {"bound": b""},
        {"purpose": "two"},
        {"purpose": "on", "bound": b"eplace"},
    ],
)
def test_another_context_or_purpose_doesnt_unwrap(custodian: Custodian, asked: dict[str, object]) -> None:
    blob = wrapped(custodian)
    with pytest.raises(SealBroken):
        unwrapped(custodian, blob, **asked)  # type: ignore[arg-type]
    assert unwrapped(custodian, blob) == DATA_KEY


def test_what_is_altered_or_cut_short_is_refused_in_a_sentence(bench: Bench) -> None:
    blob = wrapped(bench.custodian)
    flipped = [blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :] for place in range(0, len(blob), 5)]
    for altered in (
        *flipped,
        b"",
        blob[:1],
        blob[:11],
        blob[:12],
        blob[:28],
        blob[:-1],
        blob + b"x",
        b"\xff" * len(blob),
    ):
        with pytest.raises(SealBroken) as refusal:
            unwrapped(bench.custodian, altered)
        assert str(refusal.value).endswith(".")
    assert unwrapped(bench.custodian, blob) == DATA_KEY


def test_the_id_of_what_wraps_fits_into_an_envelope(custodian: Custodian) -> None:
    name = custodian.wrapping_id()
    assert name.isascii()
    assert 0 < len(name) <= 255
    assert name == custodian.wrapping_id()


def test_a_rewrap_moves_to_another_secret_and_only_then(bench: Bench) -> None:
    custodian, former = bench.custodian, bench.custodian.wrapping_id()
    sealed = sealing.seal(b"secret", context=PLACE, custodian=custodian)
    blob = wrapped(custodian)
    bench.change_secret()
    assert custodian.wrapping_id() != former
    assert sealing.unseal(sealed, context=PLACE, custodian=custodian) == b"secret"
    moved = sealing.rewrap(sealed, context=PLACE, custodian=custodian)
    assert moved != sealed
    assert sealing.unseal(moved, context=PLACE, custodian=custodian) == b"secret"
    assert unwrapped(custodian, blob, secret_id=former) == DATA_KEY
    with pytest.raises(SealBroken):
        unwrapped(custodian, blob)


@pytest.mark.parametrize("secret_id", ["nobody", "pkcs11/nobody", "nobody/else:1"])
def test_a_secret_that_is_not_there_is_said_to_be_so(custodian: Custodian, secret_id: str) -> None:
    blob = wrapped(custodian)
    with pytest.raises((MissingMasterSecret, CustodianRefused)):
        unwrapped(custodian, blob, secret_id=secret_id)


# --- Keys of its own ------------------------------------------------------------------------------------------


def test_what_it_cant_make_it_says(custodian: Custodian) -> None:
    for algorithm in ("HMAC-SHA256", "ML-DSA-65", "none", *({"ES256"} - custodian.remote_algorithms)):
        with pytest.raises(UnavailableAlgorithm):
            custodian.make_key(algorithm=algorithm, bits=None)


@pytest.mark.spec("RFC 7518 §3.3", "RFC 7518 §3.4", "RFC 7518 §3.5", "RFC 8037 §3.1")
def test_its_keys_sign_as_a_jws_wants_it(custodian: Custodian) -> None:
    for algorithm in remote(custodian):
        made = custodian.make_key(algorithm=algorithm, bits=BITS.get(algorithm))
        assert 0 < len(made.reference) <= 500
        members = key_members(made.public_key, algorithm)
        assert key_members(to_public_key(members), algorithm) == members
        if isinstance(made.public_key, rsa.RSAPublicKey):
            assert (made.public_key.key_size, made.public_key.public_numbers().e) == (BITS[algorithm], 65_537)
        for message in (MESSAGE, b"", os.urandom(6000)):
            signature = custodian.sign(message, reference=made.reference, algorithm=algorithm)
            assert len(signature) == SIGNATURE_BYTES[algorithm]
            assert is_signature(signature, message, made.public_key, algorithm)
            assert not is_signature(signature, message + b"x", made.public_key, algorithm)
        custodian.destroy(made.reference)


def test_each_key_is_another(custodian: Custodian) -> None:
    for algorithm in remote(custodian)[:1]:
        first, second = (custodian.make_key(algorithm=algorithm, bits=BITS.get(algorithm)) for _ in range(2))
        assert first.reference != second.reference
        signature = custodian.sign(MESSAGE, reference=first.reference, algorithm=algorithm)
        assert not is_signature(signature, MESSAGE, second.public_key, algorithm)


def test_a_reference_that_is_none_of_its_keys_is_refused(custodian: Custodian) -> None:
    for reference in ("", "x", "0" * 32, "../../sys/seal", "%00", "kid\n", "a" * 500):
        with pytest.raises(CustodianRefused):
            custodian.sign(MESSAGE, reference=reference, algorithm="ES256")


def test_a_key_signs_with_its_own_algorithm_alone(custodian: Custodian) -> None:
    for algorithm in remote(custodian)[:1]:
        made = custodian.make_key(algorithm=algorithm, bits=BITS.get(algorithm))
        for other in ({"ES256", "ES384", "RS256", "PS256", "HMAC-SHA256", "none"}) - {algorithm}:
            with pytest.raises(CustodianRefused):
                custodian.sign(MESSAGE, reference=made.reference, algorithm=other)


def test_a_destroyed_key_signs_no_more_and_is_destroyed_once_more_without_complaint(custodian: Custodian) -> None:
    for algorithm in remote(custodian):
        made = custodian.make_key(algorithm=algorithm, bits=BITS.get(algorithm))
        custodian.sign(MESSAGE, reference=made.reference, algorithm=algorithm)
        custodian.destroy(made.reference)
        with pytest.raises(CustodianRefused):
            custodian.sign(MESSAGE, reference=made.reference, algorithm=algorithm)
        custodian.destroy(made.reference)


# --- What goes wrong ------------------------------------------------------------------------------------------


def calls(custodian: Custodian, blob: bytes, secret_id: str) -> list[Callable[[], object]]:
    """One call of each kind that asks somebody else."""
    algorithm = next(iter(remote(custodian)), None)
    found: list[Callable[[], object]] = [
        lambda: wrapped(custodian),
        lambda: unwrapped(custodian, blob, secret_id=secret_id),
    ]
    if algorithm is not None:
        made = custodian.make_key(algorithm=algorithm, bits=BITS.get(algorithm))
        found += [
            lambda: custodian.make_key(algorithm=algorithm, bits=BITS.get(algorithm)),
            lambda: custodian.sign(MESSAGE, reference=made.reference, algorithm=algorithm),
            lambda: custodian.destroy(made.reference),
        ]
    return found


def refusals(bench: Bench, happens: Callable[[], None] | None) -> list[KeysError]:
    """What each call answers once something has happened; no text holds what is hidden."""
    if happens is None:
        return []  # it can't happen to this custodian
    asked = calls(bench.custodian, wrapped(bench.custodian), bench.custodian.wrapping_id())
    happens()
    found = []
    for call in asked:
        with pytest.raises(KeysError) as refusal:
            call()
        found.append(refusal.value)
        text = "".join(repr(error) + str(error) for error in (refusal.value, refusal.value.__cause__))
        assert not [hidden for hidden in bench.hidden if hidden in text]
        assert str(refusal.value).endswith(".")
    return found


def test_without_its_settings_it_says_what_to_set(bench: Bench) -> None:
    for error in refusals(bench, bench.unconfigure):
        assert isinstance(error, CustodianNotConfigured | MalformedSecrets)
        assert "IDP_" in str(error)


def test_without_its_library_it_says_what_to_install(bench: Bench) -> None:
    for error in refusals(bench, bench.hide_library):
        assert isinstance(error, CustodianNotConfigured)
        assert f"pip install -r requirements-{bench.custodian.name.split('_')[0]}" in str(error)


def test_wrong_credentials_are_refused(bench: Bench) -> None:
    for error in refusals(bench, bench.give_wrong_credentials):
        assert isinstance(error, CustodianRefused)


def test_silence_is_told_from_a_refusal(bench: Bench) -> None:
    for error in refusals(bench, bench.cut_off):
        assert isinstance(error, CustodianUnreachable)


# --- Threads and processes ------------------------------------------------------------------------------------


def work(custodian: Custodian, blob: bytes, keys: dict[str, tuple[str, object]]) -> bool:
    for _ in range(5):
        assert unwrapped(custodian, blob) == DATA_KEY
        assert unwrapped(custodian, wrapped(custodian)) == DATA_KEY
        for algorithm, (reference, public) in keys.items():
            signature = custodian.sign(MESSAGE, reference=reference, algorithm=algorithm)
            assert is_signature(signature, MESSAGE, public, algorithm)
    return True


def keys_of(custodian: Custodian) -> dict[str, tuple[str, object]]:
    made = {name: custodian.make_key(algorithm=name, bits=None) for name in {"ES256"} & custodian.remote_algorithms}
    return {name: (key.reference, key.public_key) for name, key in made.items()}


def test_eight_threads_at_once(custodian: Custodian) -> None:
    blob, keys = wrapped(custodian), keys_of(custodian)
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(work, custodian, blob, keys) for _ in range(8)]:
            done.result()


def test_a_forked_child_works_and_so_does_its_parent(custodian: Custodian) -> None:
    blob, keys = wrapped(custodian), keys_of(custodian)
    assert holds_in_child(lambda: work(custodian, blob, keys))
    work(custodian, blob, keys)
