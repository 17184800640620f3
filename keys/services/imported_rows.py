"""The rows of imported keys: as they were, or set before a ring's first key."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keys.custodians import custodian_named
from keys.key_export import ExportedKey, ExportedRing
from keys.models import KeyPair, KeyRing
from keys.sealing import seal
from keys.selectors import PRIVATE_COLUMN

SLOT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SealedHalf:
    """A private half, sealed for a row to come."""

    row: uuid.UUID
    custodian: str
    blob: bytes = field(repr=False)


def sealed_halves(custodian_name: str, exported: ExportedRing) -> Mapping[str, SealedHalf]:
    """The private halves by kid, sealed for rows to come: outside of the lock, since a custodian may be far away."""
    custodian = custodian_named(custodian_name)
    found = {}
    for key in exported.keys:
        if key.private is not None:
            row = uuid.uuid4()
            context = PRIVATE_COLUMN.context(str(row), kid=key.kid, algorithm=exported.algorithm)
            found[key.kid] = SealedHalf(row, custodian_name, seal(key.private, context=context, custodian=custodian))
        elif key.custodian_reference:
            custodian_named(key.custodian)
    return found


def row_without_private_half(ring: KeyRing, key: ExportedKey, moment: datetime) -> KeyPair:
    """The row as it was, but without its private half."""
    return KeyPair(
        realm_id=ring.realm_id, ring=ring, kid=key.kid, public_jwk=key.public_jwk, custodian=ring.custodian,
        max_lifetime=key.max_lifetime, published_at=key.published_at, activates_at=key.activates_at,
        deactivates_at=key.deactivates_at, unpublishes_at=key.unpublishes_at,
        destroyed_at=key.destroyed_at or moment, withdrawn_at=key.withdrawn_at, ends_ring=key.ends_ring,
        created_at=key.created_at,
    )  # fmt: skip


def place_before(row: KeyPair, key: ExportedKey, *, until: datetime, moment: datetime) -> None:
    """Before the ring's first key: it signed elsewhere, and what it signed until now verifies until it has expired."""
    longest = moment + key.max_lifetime + 2 * row.ring.clock_skew + row.ring.verifier_leeway
    gone = min(key.unpublishes_at or longest, longest)
    row.ends_ring = False  # the ring went on
    row.published_at = min(key.published_at, until - SLOT)
    row.activates_at, row.deactivates_at, row.unpublishes_at = until - SLOT, until, max(gone, until)


def give_private_half(row: KeyPair, key: ExportedKey, materials: Mapping[str, SealedHalf]) -> None:
    """Its private half, sealed or by reference, where the export holds one."""
    if key.kid in materials:
        found = materials[key.kid]
        row.id, row.custodian, row.sealed_private = found.row, found.custodian, found.blob
        row.destroyed_at = None
    elif key.custodian_reference:
        row.custodian, row.custodian_reference, row.destroyed_at = key.custodian, key.custodian_reference, None
