"""The hash chain over security events (pure): what is hashed, and in which order.

A digest stands for one event with all its columns; a head stands for one batch of digests, in their order, and for
all batches before it. So a later head vouches for every earlier event.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

FIRST = bytes(32)
"""What the first batch names as the head before it."""


def digest_of(columns: Mapping[str, Any]) -> bytes:
    """The SHA-256 of an event.

    Arguments:
        columns: every column by its name, as the database gives them; moments are aware.
    """
    plain = {name: _moment(value) if isinstance(value, datetime) else value for name, value in columns.items()}
    return hashlib.sha256(_canonical(plain)).digest()


def head_of(*, number: int, previous: bytes, sealed_at: datetime, digests: Sequence[bytes]) -> bytes:
    """The head of one batch.

    Arguments:
        number: its place in the chain, from 1.
        previous: the head before it; `FIRST` where there is none.
        sealed_at: when, aware.
        digests: of its events, in their order.
    """
    facts = {
        "number": number,
        "previous": previous.hex(),
        "sealed_at": _moment(sealed_at),
        "events": len(digests),
        "digests": hashlib.sha256(b"".join(digests)).hexdigest(),
    }
    return hashlib.sha256(_canonical(facts)).digest()


def _canonical(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
