"""What PostgreSQL itself refuses, whoever writes: checks, the exclusion, the triggers (keys.md Rows)."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from keys.models import KeyPair, KeyRing
from realms.models import Realm
from realms.services import ensure_default_realm
from tests.conftest import NOW
from tests.keys.sql import DAY, check_deferred, execute, insert_key, refused

TICK = timedelta(microseconds=1)


@pytest.mark.spec("keys.md Rows: NOT NULL on the first two")
@pytest.mark.parametrize("column", ["published_at", "activates_at", "max_lifetime", "kid", "ring_id", "realm_id"])
def test_a_column_without_which_a_key_is_none(es256_ring: KeyRing, column: str) -> None:
    with refused(column):
        insert_key(es256_ring, **{column: None})


@pytest.mark.spec("keys.md Rows: published ≤ activates < deactivates ≤ unpublishes, and both or neither")
@pytest.mark.parametrize(
    "columns",
    [
        {"published_at": NOW + TICK},
        {"deactivates_at": NOW, "unpublishes_at": NOW + DAY},
        {"deactivates_at": NOW - TICK, "unpublishes_at": NOW + DAY},
        {"deactivates_at": NOW + DAY, "unpublishes_at": NOW + DAY - TICK},
        {"deactivates_at": NOW + DAY},
        {"unpublishes_at": NOW + DAY},
    ],
)
def test_a_timetable_out_of_order(es256_ring: KeyRing, columns: dict[str, Any]) -> None:
    with refused("key_timetable_in_order"):
        insert_key(es256_ring, **columns)


@pytest.mark.spec("keys.md Rows: destroyed_at")
@pytest.mark.parametrize(
    "columns",
    [
        {"sealed_private": None},
        {"destroyed_at": NOW},
        {"custodian_reference": "hsm:7"},
    ],
)
def test_a_private_half_is_sealed_here_or_elsewhere_or_destroyed(es256_ring: KeyRing, columns: dict[str, Any]) -> None:
    with refused("key_private_half_or_destroyed"):
        insert_key(es256_ring, **columns)


@pytest.mark.spec("keys.md Rows: a remote key has no sealed part")
def test_a_remote_key_is_welcome_also_while_its_custodian_has_yet_to_destroy_it(es256_ring: KeyRing) -> None:
    insert_key(es256_ring, sealed_private=None, custodian_reference="hsm:7", destroyed_at=NOW)
    check_deferred()


@pytest.mark.spec("keys.md Envelope: keys that tags are made with are sealed here")
def test_a_ring_for_tags_has_no_remote_keys(mac_ring: KeyRing) -> None:
    with refused("ring_tags_are_made_here"):
        KeyRing.objects.filter(pk=mac_ring.pk).update(custody="remote")


@pytest.mark.spec("keys.md Rows: max_lifetime")
@pytest.mark.parametrize("lifetime", [timedelta(0), -DAY])
def test_a_lifetime_of_nought(es256_ring: KeyRing, lifetime: timedelta) -> None:
    with refused("key_lifetime_above_nought"):
        insert_key(es256_ring, max_lifetime=lifetime)


@pytest.mark.spec("keys.md Rows: kid unique in the realm, adopted ones too")
def test_a_kid_stands_once_in_a_realm_in_whatever_ring(es256_ring: KeyRing, mac_ring: KeyRing) -> None:
    kid = insert_key(es256_ring)
    with refused("key_kid_once_a_realm"):
        insert_key(mac_ring, kid=kid)
    other = Realm.objects.create(slug="other", name="Other", issuer="https://other.example.test", created_at=NOW)
    KeyRing.objects.filter(pk=mac_ring.pk).update(realm=other)
    mac_ring.refresh_from_db()
    assert insert_key(mac_ring, kid=kid) == kid


@pytest.mark.spec("keys.md Rows: a key belongs to the realm of its ring")
def test_a_key_of_another_realm_than_its_ring(es256_ring: KeyRing) -> None:
    other = Realm.objects.create(slug="other", name="Other", issuer="https://other.example.test", created_at=NOW)
    with refused("key_in_the_realm_of_its_ring"):
        insert_key(es256_ring, realm_id=other.pk)


@pytest.mark.spec("keys.md Rows: signing intervals of one ring never overlap, which implies one open end")
@pytest.mark.parametrize("columns", [{}, {"activates_at": NOW + DAY}])
def test_two_signers_at_a_time(es256_ring: KeyRing, columns: dict[str, Any]) -> None:
    insert_key(es256_ring)
    with refused("key_one_signer_at_a_time"):
        insert_key(es256_ring, **columns)


@pytest.mark.spec("keys.md Rows: compromised keys aside")
def test_a_compromised_key_and_another_ring_are_no_second_signer(es256_ring: KeyRing, mac_ring: KeyRing) -> None:
    insert_key(es256_ring)
    insert_key(es256_ring, compromised_at=NOW)
    insert_key(mac_ring)
    check_deferred()


def pair(ring: KeyRing, takeover: Any = NOW + DAY) -> tuple[str, str]:
    """A signer and its standby."""
    signer = insert_key(ring, deactivates_at=takeover, unpublishes_at=takeover + DAY)
    standby = insert_key(ring, activates_at=takeover)
    check_deferred()
    return signer, standby


def move(kid: str, /, **columns: Any) -> None:
    """Write columns of one key."""
    places = ", ".join(f"{name} = %({name})s" for name in columns)
    execute(f"UPDATE keys_keypair SET {places} WHERE kid = %(which)s", {**columns, "which": kid})  # noqa: S608


@pytest.mark.spec("keys.md Rows: deferrable, since moving a takeover touches two rows")
@pytest.mark.parametrize("by", [timedelta(hours=5), timedelta(hours=-5)])
def test_a_takeover_moves_in_two_statements_of_either_order(es256_ring: KeyRing, by: timedelta) -> None:
    signer, standby = pair(es256_ring)
    takeover = NOW + DAY + by
    move(standby, activates_at=takeover)
    move(signer, deactivates_at=takeover, unpublishes_at=takeover + DAY)
    check_deferred()
    move(signer, deactivates_at=NOW + DAY, unpublishes_at=NOW + 2 * DAY)
    move(standby, activates_at=NOW + DAY)
    check_deferred()


@pytest.mark.spec("keys.md Rows: no gap")
def test_a_takeover_moved_on_one_side_alone(es256_ring: KeyRing) -> None:
    signer, standby = pair(es256_ring)
    with refused("key_no_gap", signer):
        move(standby, activates_at=NOW + DAY + TICK)
    with refused("key_no_gap"):
        move(signer, deactivates_at=NOW + DAY - TICK, unpublishes_at=NOW + 2 * DAY)


@pytest.mark.spec("keys.md Rows: no gap")
def test_a_key_that_stops_without_a_successor(es256_ring: KeyRing) -> None:
    with refused("key_no_gap"):
        insert_key(es256_ring, deactivates_at=NOW + DAY, unpublishes_at=NOW + 2 * DAY)


@pytest.mark.spec("keys.md Rows: no gap")
def test_a_successor_in_another_ring_is_none(es256_ring: KeyRing, mac_ring: KeyRing) -> None:
    insert_key(mac_ring, activates_at=NOW + DAY)
    with refused("key_no_gap"):
        insert_key(es256_ring, deactivates_at=NOW + DAY, unpublishes_at=NOW + 2 * DAY)


@pytest.mark.spec("keys.md Rows: declaring a standby compromised reopens the active key in the same transaction")
def test_a_compromised_standby_leaves_a_gap_until_the_signer_is_reopened(es256_ring: KeyRing) -> None:
    signer, standby = pair(es256_ring)
    with refused("key_no_gap"):
        move(standby, compromised_at=NOW)
    move(standby, compromised_at=NOW)
    move(signer, deactivates_at=None, unpublishes_at=None)
    check_deferred()


@pytest.mark.spec("keys.md Rows: the past stays as it was")
def test_a_successor_that_was_compromised_later_did_relieve_its_predecessor(es256_ring: KeyRing) -> None:
    standby = pair(es256_ring)[1]
    move(standby, compromised_at=NOW + DAY)
    check_deferred()


@pytest.mark.spec("keys.md Rows: the identity of a key never changes")
@pytest.mark.parametrize(
    "columns",
    [
        {"kid": "another"},
        {"id": uuid.UUID(int=1)},
        {"public_jwk": '{"kty": "EC"}'},
        {"public_jwk": None},
        {"published_at": NOW - DAY},
        {"created_at": NOW - DAY},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_the_identity_of_a_key(es256_ring: KeyRing, columns: dict[str, Any]) -> None:
    kid = insert_key(es256_ring)
    with refused("identity of a key never changes"):
        move(kid, **columns)


@pytest.mark.spec("keys.md Rows: the identity of a key never changes")
def test_a_key_moves_to_no_other_ring(es256_ring: KeyRing, mac_ring: KeyRing) -> None:
    kid = insert_key(es256_ring)
    with refused("identity of a key never changes"):
        move(kid, ring_id=mac_ring.pk)


@pytest.mark.spec("keys.md States: archived, public half kept for history")
def test_a_key_is_never_deleted(es256_ring: KeyRing) -> None:
    insert_key(es256_ring)
    with refused("never deleted"):
        execute("DELETE FROM keys_keypair")
    with refused("never deleted"):
        KeyPair.objects.all().delete()


@pytest.mark.spec("keys.md Rows: compromised_at, never trusted again")
@pytest.mark.parametrize("value", [None, NOW - DAY, NOW + DAY])
def test_a_compromised_key_never_comes_back(es256_ring: KeyRing, value: Any) -> None:
    kid = insert_key(es256_ring, compromised_at=NOW)
    with refused("never comes back"):
        move(kid, compromised_at=value)


@pytest.mark.spec("keys.md Rows: destroyed_at, the private half was wiped")
def test_a_destroyed_key_never_comes_back(es256_ring: KeyRing) -> None:
    kid = insert_key(es256_ring, sealed_private=None, destroyed_at=NOW)
    with refused("never comes back"):
        move(kid, destroyed_at=None, sealed_private=b"x")
    with refused("key_private_half_or_destroyed"):
        move(kid, sealed_private=b"x")


@pytest.mark.spec("keys.md The invariant: max_lifetime only grows")
def test_the_longest_lifetime_only_grows(es256_ring: KeyRing) -> None:
    kid = insert_key(es256_ring)
    move(kid, max_lifetime=2 * DAY)
    with refused("only grows"):
        move(kid, max_lifetime=2 * DAY - TICK)


RING = {
    "purpose": "sign", "algorithm": "ES384", "bits": None, "custodian": "local", "custody": "envelope",
    "patience": timedelta(0), "rotation_period": 90 * DAY,
    "propagation": 2 * DAY, "max_token_lifetime": DAY, "clock_skew": TICK, "verifier_leeway": timedelta(0),
    "created_at": NOW,
}  # fmt: skip


def insert_ring(realm: Realm, **columns: Any) -> None:
    row = {**RING, "realm_id": realm.pk, **columns}
    places = ", ".join(f"%({name})s" for name in row)
    execute(f"INSERT INTO keys_keyring ({', '.join(row)}) VALUES ({places})", row)  # noqa: S608


@pytest.mark.spec("keys.md Rows: one per (realm, purpose, algorithm, bits)")
def test_a_ring_of_a_kind_stands_once_even_where_the_bits_are_null(realm: Realm) -> None:
    insert_ring(realm)
    with refused("ring_one_per_kind"):
        insert_ring(realm)
    insert_ring(realm, purpose="expired_test")
    insert_ring(realm, algorithm="RS256", bits=2048)
    insert_ring(realm, algorithm="RS256", bits=4096)
    with refused("ring_one_per_kind"):
        insert_ring(realm, algorithm="RS256", bits=4096)


@pytest.mark.spec("keys.md Rows: KeyRing")
@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"bits": 256}, "ring_bits_for_rsa_alone"),
        ({"algorithm": "RS256"}, "ring_bits_for_rsa_alone"),
        ({"algorithm": "PS256", "bits": 1024}, "ring_bits_for_rsa_alone"),
        ({"purpose": "mac"}, "ring_mac_algorithm"),
        ({"algorithm": "HMAC-SHA256"}, "ring_mac_algorithm"),
        ({"propagation": timedelta(0)}, "ring_policy_holds_together"),
        ({"rotation_period": 2 * DAY}, "ring_policy_holds_together"),
        ({"max_token_lifetime": timedelta(0)}, "ring_policy_holds_together"),
        ({"clock_skew": timedelta(0)}, "ring_policy_holds_together"),
        ({"verifier_leeway": -TICK}, "ring_policy_holds_together"),
        ({"realm_id": -1}, "fk_realms_realm_id"),
    ],
)
def test_a_ring_that_cannot_be(realm: Realm, columns: dict[str, Any], constraint: str) -> None:
    with refused(constraint):
        insert_ring(realm, **columns)


@pytest.mark.spec("keys.md Rows")
def test_a_ring_with_keys_and_a_realm_with_rings_stay(es256_ring: KeyRing) -> None:
    insert_key(es256_ring)
    for statement in ("DELETE FROM keys_keyring", "DELETE FROM realms_realm"):
        with refused("violates foreign key constraint"):
            execute(statement)
    assert ensure_default_realm(issuer=es256_ring.realm.issuer, now=NOW)[1] is False


def retired(ring: KeyRing) -> str:
    """Retire a ring whose signer ends it; the standby is withdrawn. Its kid is that of the last key."""
    signer, standby = pair(ring)
    KeyRing.objects.filter(pk=ring.pk).update(retired_at=NOW)
    move(signer, ends_ring=True)
    move(standby, withdrawn_at=NOW, sealed_private=None, destroyed_at=NOW)
    check_deferred()
    return signer


@pytest.mark.spec("keys.md Moving to another algorithm: the end of a retired ring")
def test_the_last_key_of_a_retired_ring_ends_it_for_ever(es256_ring: KeyRing) -> None:
    signer = retired(es256_ring)
    with refused("never taken back"):
        move(signer, ends_ring=False)
    KeyRing.objects.filter(pk=es256_ring.pk).update(retired_at=None)
    check_deferred()
    insert_key(es256_ring, published_at=NOW + DAY, activates_at=NOW + 3 * DAY)
    check_deferred()


@pytest.mark.spec("keys.md Moving to another algorithm: the end of a retired ring")
def test_a_ring_that_is_not_retired_does_not_end(es256_ring: KeyRing) -> None:
    signer, standby = pair(es256_ring)
    with refused("only the keys of a retired ring"):
        move(signer, ends_ring=True)
    with refused("only the keys of a retired ring"):
        move(standby, withdrawn_at=NOW, sealed_private=None, destroyed_at=NOW)


@pytest.mark.spec("keys.md Moving to another algorithm: the end of a retired ring")
def test_a_retired_ring_has_no_key_without_an_end(es256_ring: KeyRing) -> None:
    pair(es256_ring)
    with refused("ring_retired_ends"):
        KeyRing.objects.filter(pk=es256_ring.pk).update(retired_at=NOW)


@pytest.mark.spec("keys.md Moving to another algorithm: the end of a retired ring")
def test_nothing_is_made_for_a_retired_ring(es256_ring: KeyRing) -> None:
    retired(es256_ring)
    with refused("ring_retired_ends"):
        insert_key(es256_ring, activates_at=NOW + 9 * DAY)


@pytest.mark.spec("keys.md Moving to another algorithm: the end of a retired ring")
def test_a_withdrawn_key_relieves_nobody_never_signed_and_never_comes_back(es256_ring: KeyRing) -> None:
    retired(es256_ring)
    withdrawn = str(KeyPair.objects.exclude(withdrawn_at=None).get().kid)
    with refused("never taken back"):
        move(withdrawn, withdrawn_at=None)
    with refused("key_withdrawn_before_it_signed"):
        move(withdrawn, activates_at=NOW)


@pytest.mark.spec("keys.md Moving to another algorithm: the keys of mac rings can't be retired")
def test_a_ring_of_another_purpose_is_never_retired(mac_ring: KeyRing) -> None:
    with refused("ring_retires_only_where_it_signs"):
        KeyRing.objects.filter(pk=mac_ring.pk).update(retired_at=NOW)
