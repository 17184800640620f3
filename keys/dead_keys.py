"""Dead keys by name, as they are remembered outside the database: one line each, with a checksum.

A dump that is restored knows nothing of what died after it. What these lines say holds all the same: they
are only ever added to, in any order and by any number of writers, and a line that was cut off is passed over.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from keys.jwk import thumbprint

_DIGEST_CHARACTERS = 16
_MEMBERS = frozenset({"at", "fate", "key", "kid", "realm"})


class Fate(StrEnum):
    """How a key died. The later one weighs more."""

    DESTROYED = "destroyed"  # its private half is gone; its public half may go on verifying until its time is over
    COMPROMISED = "compromised"  # never trusted again


@dataclass(frozen=True, slots=True)
class DeadKey:
    """One dead key.

    Attributes:
        key: see `name_of`.
        fate: how it died.
        at: when, aware.
        kid, realm: for people; nothing is decided by them.
    """

    key: str
    fate: Fate
    at: datetime
    kid: str
    realm: str


def name_of(kid: str, public_jwk: Mapping[str, str] | None) -> str:
    """By what a key is known wherever it turns up: its thumbprint (RFC 7638), whatever its kid and realm.

    Arguments:
        kid: its kid; the 64 random bits of a symmetric key's, which has nothing public, are its name.
        public_jwk: its public half.
    """
    return thumbprint(public_jwk) if public_jwk else kid


@dataclass(frozen=True, slots=True)
class DeadKeys:
    """All that is remembered.

    Attributes:
        fates: by the name of the key.
        garbled: how many lines say nothing: cut off in a crash, or damaged.
    """

    fates: Mapping[str, Fate]
    garbled: int = 0

    def fate_of(self, kid: str, public_jwk: Mapping[str, str] | None) -> Fate | None:
        """How a key died; None where nobody says that it did."""
        return self.fates.get(name_of(kid, public_jwk)) if self.fates else None


def to_line(dead: DeadKey) -> str:
    """A dead key as a line, without its end."""
    members = {
        "at": dead.at.astimezone(UTC).isoformat(timespec="seconds"),
        "fate": dead.fate.value,
        "key": dead.key,
        "kid": dead.kid,
        "realm": dead.realm,
    }
    said = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return f"{_digest(said)} {said}"


def parse_dead_keys(text: str) -> DeadKeys:
    """What lines say, in whatever order. Empty ones say nothing, and neither do damaged ones, which are counted."""
    fates: dict[str, Fate] = {}
    garbled = 0
    for line in filter(None, text.split("\n")):
        said = _said(line)
        if said is None:
            garbled += 1
        elif fates.get(said[0]) is not Fate.COMPROMISED:
            fates[said[0]] = said[1]
    return DeadKeys(fates, garbled)


def merged(before: DeadKeys, now: DeadKeys) -> DeadKeys:
    """What was said before and what is said now: whatever died once is dead."""
    compromised = {name: fate for name, fate in before.fates.items() if fate is Fate.COMPROMISED}
    return DeadKeys({**before.fates, **now.fates, **compromised}, now.garbled)


def _said(line: str) -> tuple[str, Fate] | None:
    digest, _, said = line.partition(" ")
    if digest != _digest(said):
        return None
    try:
        members: Any = json.loads(said)
        if not (isinstance(members, dict) and members.keys() == _MEMBERS and isinstance(members["key"], str)):
            return None
        return members["key"], Fate(members["fate"])
    except (ValueError, RecursionError):
        return None


def _digest(said: str) -> str:
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARACTERS]


def lines(dead: Iterable[DeadKey]) -> bytes:
    """Lines to append in one go. The first begins anew, whatever was cut off before it."""
    return b"".join(f"\n{to_line(item)}\n".encode() for item in dead)
