"""Sealed values that were swapped, cut short or altered: always refused, and a command says so in a sentence.

What a blob is made of stands in keys/envelope.py; each class of its bytes is altered at every position.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.conf import LazySettings

from keys import envelope, hooks, sealing
from keys.custodians import custodian_named
from keys.envelope import Context
from keys.errors import KeysError, MissingMasterSecret, SealBroken
from keys.models import KeyPair
from keys.sealing import SealedColumn
from keys.selectors import PRIVATE_COLUMN
from keys.signer import signer
from realms.models import Realm
from tests.conftest import NOW
from tests.keys.commands import run
from tests.keys.known_secrets import SECRET_A, SECRET_B
from tests.provider import make_person
from tests.second_factors import give_totp

Place = tuple[SealedColumn, str]
MASKS = (0x01, 0x80, 0xFF)
TAG_BYTES = 16


@pytest.fixture(autouse=True)
def _master_secrets(settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"k1:{SECRET_A},k2:{SECRET_B}"


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[tuple[Context, bytes]]:
    """Where sealed values live: real rows of keys and people, and two rows of each other registered column."""
    realm: Realm = request.getfixturevalue("bootstrapped")
    for name in ("ana", "ben"):
        give_totp(make_person(name, realm=realm), NOW)
    found = [
        (column.context(str(row["pk"]), **_bound(column, row)), bytes(row[column.column]))
        for column in hooks.sealed_columns()
        for row in _rows_of(column)
    ]
    filled = {(context.table, context.column) for context, _ in found}
    for column in hooks.sealed_columns():
        if (column.label, column.column) not in filled:
            found += [(place, sealed(place)) for place in (column.context("1"), column.context("2"))]
    return found


def _rows_of(column: SealedColumn) -> Iterator[dict[str, Any]]:
    names = [name for name in (column.kid_field, column.algorithm_field) if name]
    stored = apps.get_model(column.label)._default_manager.filter(**{f"{column.column}__isnull": False})
    yield from stored.order_by("pk").values("pk", column.column, *names)


def _bound(column: SealedColumn, row: dict[str, Any]) -> dict[str, str]:
    fields = {"kid": column.kid_field, "algorithm": column.algorithm_field}
    return {name: str(row[look_up]) for name, look_up in fields.items() if look_up}


def sealed(place: Context) -> bytes:
    return sealing.seal(b"a secret of 22 letters", context=place, custodian=custodian_named("local"))


def opened(blob: bytes, place: Context) -> bytes:
    return sealing.unseal(blob, context=place, custodian=custodian_named("local"))


def byte_classes(blob: bytes) -> dict[str, range]:
    """Which bytes of a blob are what."""
    parsed = envelope.parse(blob)
    sizes = {
        "version": 1,
        "length of the id": 1,
        "id": len(parsed.secret_id),
        "length of the wrapped key": 2,
        "wrapped key": len(parsed.wrapped_key),
        "nonce": len(parsed.nonce),
        "ciphertext": len(parsed.ciphertext) - TAG_BYTES,
        "tag": TAG_BYTES,
    }
    ends = list(itertools.accumulate(sizes.values()))
    assert ends[-1] == len(blob)
    return {name: range(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}


def refusal(blob: bytes, place: Context) -> KeysError:
    """What a sealed value is refused with; whatever else is raised fails the test."""
    for use in (opened, rewrapped):
        with pytest.raises((SealBroken, MissingMasterSecret)) as caught:
            use(blob, place)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return caught.value


def rewrapped(blob: bytes, place: Context) -> bytes:
    return sealing.rewrap(blob, context=place, custodian=custodian_named("local"))


@pytest.mark.spec("issue 5: a swapped sealed value is always refused")
def test_no_value_opens_in_another_row_column_or_table(rows: list[tuple[Context, bytes]]) -> None:
    assert len({context.table for context, _ in rows}) >= 5
    for (here, blob), (there, _) in itertools.permutations(rows, 2):
        assert isinstance(refusal(blob, there), SealBroken), (here, there)
    for place, blob in rows:
        assert opened(blob, place)


@pytest.mark.spec("issue 5: a truncated sealed value is always refused")
def test_no_value_opens_that_is_cut_short_or_longer(rows: list[tuple[Context, bytes]]) -> None:
    for place, blob in rows:
        for length in range(len(blob)):
            assert isinstance(refusal(blob[:length], place), SealBroken)
            assert isinstance(refusal(blob[length:], place) if length else SealBroken(), KeysError)
        refusal(blob + b"\x00", place)
        refusal(blob + blob, place)


@pytest.mark.spec("issue 5: every byte position class of a sealed value, flipped, is always refused")
def test_no_value_opens_with_an_altered_byte_of_any_class(rows: list[tuple[Context, bytes]]) -> None:
    for place, blob in rows:
        for name, positions in byte_classes(blob).items():
            assert positions, name
            for position, mask in itertools.product(positions, MASKS):
                altered = bytearray(blob)
                altered[position] ^= mask
                error = refusal(bytes(altered), place)
                assert isinstance(error, SealBroken) or name in ("length of the id", "id"), (name, position, error)


@pytest.mark.spec("issue 5: the id of another secret that is there")
def test_no_value_opens_under_the_id_of_another_secret(rows: list[tuple[Context, bytes]]) -> None:
    for place, blob in rows:
        assert blob[2:4] == b"k1"
        assert isinstance(refusal(blob[:2] + b"k2" + blob[4:], place), SealBroken)
        assert isinstance(refusal(blob[:2] + b"k3" + blob[4:], place), MissingMasterSecret)


@pytest.mark.spec("issue 5: parts of two values that each open")
def test_no_value_opens_that_is_put_together_from_two(rows: list[tuple[Context, bytes]]) -> None:
    (place, one), other = rows[0], sealed(rows[0][0])
    for name, positions in byte_classes(one).items():
        there = byte_classes(other)[name]
        mixed = one[: positions.start] + other[there.start : there.stop] + one[positions.stop :]
        if mixed != one:
            refusal(mixed, place)


def cut_short(blob: bytes) -> bytes:
    return blob[:-1]


def emptied(_blob: bytes) -> bytes:
    return b""


def of_another_version(blob: bytes) -> bytes:
    return bytes([9]) + blob[1:]


def under_a_lost_secret(blob: bytes) -> bytes:
    return blob[:2] + b"k9" + blob[4:]


def with_another_tag(blob: bytes) -> bytes:
    return blob[:-1] + bytes([blob[-1] ^ 1])


ALTERATIONS = [cut_short, emptied, of_another_version, under_a_lost_secret, with_another_tag]


def alter_all_keys(alteration: Callable[[bytes], bytes]) -> None:
    for key in KeyPair.objects.exclude(sealed_private=None):
        KeyPair.objects.filter(pk=key.pk).update(sealed_private=alteration(bytes(key.sealed_private or b"")))
    signer.forget()


@pytest.mark.spec("issue 5: never a traceback")
@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_every_command_says_it_in_one_sentence(
    alteration: Callable[[bytes], bytes], settings: LazySettings, request: pytest.FixtureRequest
) -> None:
    with time_machine.travel(NOW, tick=False):
        request.getfixturevalue("bootstrapped")
        alter_all_keys(alteration)
        sealed_before = KeyPair.objects.count()
        settings.IDP_MASTER_SECRETS = f"k2:{SECRET_B},k1:{SECRET_A}"
        rewrap = run("rewrap_keys")
        assert (rewrap.code, len(rewrap.err.strip().splitlines())) == (1, 1), rewrap
        signed = run("sign_token", "--claims", '{"sub":"x"}', "--lifetime", "PT5M")
        assert (signed.code, len(signed.err.strip().splitlines())) == (1, 1), signed
        assert signed.out == ""
    with time_machine.travel(NOW + timedelta(days=91)):
        listed = run("list_keys", "--json")
        assert (listed.code, listed.err) == (0, "")
        rotated = run("rotate_keys")
        assert rotated.code == 1
        assert "FAILED" in rotated.out
        assert "Traceback" not in rotated.out + rotated.err
        assert KeyPair.objects.count() == sealed_before, "nothing is minted over keys that don't open"


def test_the_private_halves_are_a_registered_column() -> None:
    assert PRIVATE_COLUMN in hooks.sealed_columns()
    assert len(hooks.sealed_columns()) >= 5
