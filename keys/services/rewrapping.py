"""Moving every sealed value to the present secret of its custodian: online, resumable, no lock held meanwhile.

A value takes the place of the one that was read, in one statement; where that was wiped or changed since, it doesn't.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Manager, Model

from audit.services import record
from audit.vocabulary import EventName
from keys import envelope, hooks
from keys.custodians import custodian_named
from keys.sealing import SealedColumn, rewrap

BATCH = 100


@dataclass(frozen=True, slots=True)
class RewrapReport:
    """How many values moved, and how many values each master secret seals now."""

    moved: int
    sealed_by: dict[str, int]


def rewrap_all(*, actor: str, now: datetime) -> RewrapReport:
    """Put every sealed value under the present secret of its custodian.

    Values that are there already are left alone, so a run that was cut off goes on where it stopped.

    Arguments:
        actor: who asks, an opaque id.
        now: aware time of the change.

    Raises:
        MissingMasterSecret, SealBroken: a value doesn't open; those before it have moved.
        CustodianUnreachable, CustodianRefused, CustodianNotConfigured: a custodian doesn't rewrap; as above.
    """
    moved = sum(_rewrap_column(column) for column in hooks.sealed_columns())
    if moved:
        record(
            EventName.SECRETS_REWRAPPED,
            realm="",
            actor=actor,
            target="sealed values",
            now=now,
            details={"moved": moved},
        )
    return RewrapReport(moved, sealed_by())


def sealed_by() -> dict[str, int]:
    """How many values each master secret seals, by its id."""
    counted: Counter[str] = Counter()
    for column in hooks.sealed_columns():
        blobs = _sealed_rows(column).values_list(column.column, flat=True)
        counted.update(envelope.parse(bytes(blob)).secret_id for blob in blobs.iterator())
    return dict(counted)


def _sealed_rows(column: SealedColumn) -> Any:
    model: type[Model] = apps.get_model(column.label)
    rows: Manager[Model] = model._default_manager
    return rows.filter(**{f"{column.column}__isnull": False}).order_by("pk")


def _rewrap_column(column: SealedColumn) -> int:
    moved, last = 0, None
    while True:
        rows = _sealed_rows(column) if last is None else _sealed_rows(column).filter(pk__gt=last)
        batch = list(rows.values_list("pk", flat=True)[:BATCH])
        if not batch:
            return moved
        moved += _rewrap_batch(column, batch)
        last = batch[-1]


def _rewrap_batch(column: SealedColumn, primary_keys: Sequence[Any]) -> int:
    names = [name for name in (column.kid_field, column.algorithm_field, column.custodian_field) if name]
    moved = 0
    for row in list(_sealed_rows(column).filter(pk__in=primary_keys).values("pk", column.column, *names)):
        custodian = custodian_named(row.get(column.custodian_field, "local"))
        blob = bytes(row[column.column])
        if envelope.parse(blob).secret_id == custodian.wrapping_id():
            continue
        context = column.context(
            str(row["pk"]),
            kid=row.get(column.kid_field, ""),
            algorithm=row.get(column.algorithm_field, ""),
        )
        rewrapped = rewrap(blob, context=context, custodian=custodian)  # it may be far away: no row is locked
        as_read = _sealed_rows(column).filter(pk=row["pk"], **{column.column: blob})
        moved += as_read.update(**{column.column: rewrapped})
    return moved
