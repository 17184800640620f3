"""Writing rows past the services, to see what the database itself refuses."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from keys.models import KeyRing
from tests.conftest import NOW

DAY = timedelta(days=1)


def execute(statement: str, parameters: dict[str, Any] | None = None) -> None:
    """One statement, as an operator with psql could give it."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or {})


def insert_key(ring: KeyRing, **columns: Any) -> str:
    """Insert a key; what isn't named is plain: published and signing since NOW, with no end.

    Returns:
        Its kid.
    """
    row: dict[str, Any] = {
        "id": uuid.uuid4(), "realm_id": ring.realm_id, "ring_id": ring.pk, "kid": uuid.uuid4().hex, "public_jwk": "{}",
        "custodian": "local", "custodian_reference": "", "sealed_private": b"x", "max_lifetime": DAY,
        "published_at": NOW, "activates_at": NOW, "created_at": NOW, **columns,
    }  # fmt: skip
    names = ", ".join(row)
    places = ", ".join(f"%({name})s" for name in row)
    execute(f"INSERT INTO keys_keypair ({names}) VALUES ({places})", row)  # noqa: S608  (names from above)
    return str(row["kid"])


def check_deferred() -> None:
    """Have the deferred constraints speak now, as a commit would."""
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute("SET CONSTRAINTS ALL DEFERRED")


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """The database refuses what happens inside, and says all of these words."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic():  # noqa: PT012
        yield
        check_deferred()
    said = f"{caught.value} {getattr(getattr(caught.value.__cause__, 'diag', None), 'constraint_name', '')}"
    for word in words:
        assert word in said
