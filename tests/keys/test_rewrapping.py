"""keys/services/rewrapping.py, and what a stolen database is worth (keys.md Envelope)."""

import base64
import io
import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.db import connection
from django.db.models import BinaryField

from audit.models import Event
from keys import api, hooks, sealing
from keys.algorithms import algorithm_named, private_from_bytes
from keys.errors import MissingMasterSecret, SealBroken
from keys.models import KeyPair, KeyRing
from keys.selectors import unsealed_private
from keys.services import rewrapping
from keys.services.rewrapping import rewrap_all, sealed_by
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.known_secrets import SECRET_A, SECRET_B
from tests.keys.sql import execute

OLD, BOTH, NEW = f"old:{SECRET_A}", f"new:{SECRET_B},old:{SECRET_A}", f"new:{SECRET_B}"


@pytest.fixture
def under_old(settings: LazySettings, request: pytest.FixtureRequest) -> Realm:
    """A bootstrapped realm whose private halves are sealed by the old master secret."""
    settings.IDP_MASTER_SECRETS = OLD
    realm: Realm = request.getfixturevalue("bootstrapped")
    return realm


def keys() -> list[KeyPair]:
    return list(KeyPair.objects.select_related("ring").order_by("pk"))


@pytest.mark.spec("keys.md Envelope: rewrap_keys moves every sealed value to the first secret")
def test_a_rewrap_moves_everything_and_the_old_secret_may_go(
    under_old: Realm, clock: FakeClock, settings: LazySettings
) -> None:
    handle = {"realm": under_old, "kid": api.tagging_kid(realm=under_old, expires_at=clock.now, at=clock.now)}
    tag = api.mac(b"refresh", now=clock.now, **handle)  # type: ignore[arg-type]
    before = {key.pk: unsealed_private(key) for key in keys()}
    assert sealed_by() == {"old": 6}
    settings.IDP_MASTER_SECRETS = BOTH
    report = rewrap_all(actor=ACTOR, now=clock.now)
    assert (report.moved, report.sealed_by) == (6, {"new": 6})
    settings.IDP_MASTER_SECRETS = NEW
    signer.forget()
    assert {key.pk: unsealed_private(key) for key in keys()} == before
    assert api.check_mac(b"refresh", tag, now=clock.now, **handle)  # type: ignore[arg-type]
    assert Event.objects.latest("id").details == {"moved": 6}


@pytest.mark.spec("keys.md Envelope: online and resumably")
def test_a_rewrap_that_is_cut_off_goes_on_where_it_stopped(
    under_old: Realm, clock: FakeClock, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IDP_MASTER_SECRETS = BOTH
    monkeypatch.setattr(rewrapping, "BATCH", 2)
    batches, whole = itertools.count(1), rewrapping._rewrap_batch

    def cut_off(column: object, primary_keys: object) -> int:
        if next(batches) == 3:
            raise KeyboardInterrupt
        return whole(column, primary_keys)  # type: ignore[arg-type]

    monkeypatch.setattr(rewrapping, "_rewrap_batch", cut_off)
    with pytest.raises(KeyboardInterrupt):
        rewrap_all(actor=ACTOR, now=clock.now)
    assert sealed_by() == {"new": 4, "old": 2}
    assert rewrap_all(actor=ACTOR, now=clock.now).moved == 2
    assert rewrap_all(actor=ACTOR, now=clock.now).moved == 0
    assert sealed_by() == {"new": 6}


@pytest.mark.spec("keys.md Envelope: a re-wrap proves that a value opens")
def test_a_value_that_does_not_open_stops_the_rewrap(
    under_old: Realm, clock: FakeClock, settings: LazySettings
) -> None:
    settings.IDP_MASTER_SECRETS = NEW
    with pytest.raises(MissingMasterSecret, match="'old'"):
        rewrap_all(actor=ACTOR, now=clock.now)
    settings.IDP_MASTER_SECRETS = f"new:{SECRET_B},old:{SECRET_B}"
    with pytest.raises(SealBroken, match="'old'"):
        rewrap_all(actor=ACTOR, now=clock.now)
    assert sealed_by() == {"old": 6}


@pytest.mark.spec("issue 5, 5: no lock is held while a custodian is waited for")
def test_what_is_wiped_or_sealed_anew_while_a_custodian_rewraps_is_left_alone(
    under_old: Realm, clock: FakeClock, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IDP_MASTER_SECRETS = BOTH
    outside, depths = len(connection.savepoint_ids), set()
    wiped, changed, *_ = keys()
    whole = sealing.rewrap

    def slow(blob: bytes, **arguments: Any) -> bytes:
        depths.add(len(connection.savepoint_ids) - outside)
        rewrapped = whole(blob, **arguments)
        if blob == bytes(wiped.sealed_private or b""):
            KeyPair.objects.filter(pk=wiped.pk).update(sealed_private=None, destroyed_at=clock.now)
        if blob == bytes(changed.sealed_private or b""):
            KeyPair.objects.filter(pk=changed.pk).update(sealed_private=whole(blob, **arguments))
            told.append(KeyPair.objects.get(pk=changed.pk).sealed_private)
        return rewrapped

    told: list[Any] = []
    monkeypatch.setattr(rewrapping, "rewrap", slow)
    assert rewrap_all(actor=ACTOR, now=clock.now).moved == 4
    assert depths == {0}
    assert KeyPair.objects.get(pk=wiped.pk).sealed_private is None
    assert [KeyPair.objects.get(pk=changed.pk).sealed_private] == told


@pytest.mark.spec("keys.md Rows: destroyed_at")
def test_wiped_halves_are_no_sealed_values(es256_ring: KeyRing, clock: FakeClock) -> None:
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    clock.advance(timedelta(days=90))
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    clock.advance(timedelta(days=1))
    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    assert sum(sealed_by().values()) == 2
    assert rewrap_all(actor=ACTOR, now=clock.now).moved == 0


@pytest.mark.spec("issue 2: moving a sealed value to another row or column fails to unseal")
def test_a_sealed_value_opens_in_no_other_row(bootstrapped: Realm) -> None:
    blobs = {key.pk: key.sealed_private for key in keys()}
    for source, target in itertools.permutations(keys(), 2):
        target.sealed_private = blobs[source.pk]
        with pytest.raises(SealBroken):
            unsealed_private(target)


@pytest.mark.spec("issue 2: moving a sealed value to another row … fails to unseal, in SQL too")
def test_swapping_two_halves_in_the_database_stops_the_signer(bootstrapped: Realm, clock: FakeClock) -> None:
    execute(
        "UPDATE keys_keypair k SET sealed_private = o.sealed_private FROM keys_keypair o"
        " WHERE k.ring_id = o.ring_id AND k.id <> o.id"
    )
    with pytest.raises(SealBroken):
        api.current_kid(realm=bootstrapped, now=clock.now)


@pytest.mark.spec("issue 2: moving a sealed value to another … column fails to unseal")
def test_a_sealed_value_opens_in_no_other_column() -> None:
    column = api.SealedColumn("realms.Realm", "pairwise_salt", "pairwise-salt")
    blob = api.seal(b"salt", column=column, row="7")
    assert api.unseal(blob, column=column, row="7") == b"salt"
    others = [
        (column, "8"),
        (api.SealedColumn("realms.Realm", "other", "pairwise-salt"), "7"),
        (api.SealedColumn("keys.KeyPair", "pairwise_salt", "pairwise-salt"), "7"),
        (api.SealedColumn("realms.Realm", "pairwise_salt", "private-key"), "7"),
    ]
    for elsewhere, row in others:
        with pytest.raises(SealBroken):
            api.unseal(blob, column=elsewhere, row=row)


def dump() -> bytes:
    """Every row of every table, as `pg_dump --data-only` writes it, and the bytes of every bytea beside it."""
    found = io.BytesIO()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            with cursor.copy(f'COPY "{table}" TO STDOUT') as rows:
                for block in rows:
                    found.write(bytes(block))
        cursor.execute("SELECT sealed_private FROM keys_keypair")
        for (blob,) in cursor.fetchall():
            found.write(bytes(blob or b""))
    return found.getvalue()


def forms(secret: bytes) -> list[bytes]:
    """How a secret could stand in a dump."""
    plain = base64.b64encode(secret)
    inner = base64.b64encode(secret[:-3])[:-4]  # its beginning inside some longer base64
    return [
        secret, secret.hex().encode(), secret.hex().upper().encode(), plain,
        base64.urlsafe_b64encode(secret).rstrip(b"="), inner, base64.b64encode(base64.b64encode(secret)),
    ]  # fmt: skip


@pytest.mark.spec("issue 2: a dump of the whole database holds no usable secret")
def test_a_dump_of_the_whole_database_holds_no_usable_secret(bootstrapped: Realm, settings: LazySettings) -> None:
    found = dump()
    for key in keys():
        private = unsealed_private(key)
        secrets = [private]
        loaded = private_from_bytes(algorithm_named(key.ring.algorithm), private)
        if not isinstance(loaded, bytes):
            number = loaded.private_numbers().private_value  # type: ignore[union-attr]
            secrets.append(number.to_bytes(32, "big"))
        for secret in secrets:
            assert not [form for form in forms(secret) if form in found], key.ring
        assert key.kid.encode() in found, "the search does find what is there"
    for item in settings.IDP_MASTER_SECRETS.split(","):
        encoded = item.partition(":")[2]
        assert not [form for form in forms(base64.b64decode(encoded)) if form in found]


@pytest.mark.spec("house.md: discovery of sealed columns")
def test_every_column_of_bytes_that_is_sealed_is_reached_by_a_rewrap() -> None:
    reached = {(column.label, column.column) for column in hooks.sealed_columns()}
    sealed = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.name.startswith("sealed_") and isinstance(field, BinaryField)
    }
    assert ("keys.KeyPair", "sealed_private") in sealed
    assert sealed <= reached
