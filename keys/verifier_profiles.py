"""How known verifiers keep a copy of a JWKS: data with their sources, in `verifier_profiles.toml`."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, slots=True)
class VerifierProfile:
    """One kind of verifier.

    Attributes:
        name: short and unique, for command lines.
        title: as people know it.
        keeps: how long it keeps a copy before it fetches again; None: for ever.
        refetches: whether a kid that its copy lacks makes it fetch.
        cooldown: for how long after a fetch an unknown kid makes it fetch no more.
        source: where its documentation or code says so.
    """

    name: str
    title: str
    keeps: timedelta | None
    refetches: bool
    cooldown: timedelta
    source: str


@cache
def verifier_profiles() -> Sequence[VerifierProfile]:
    """Every profile, in the order of the file."""
    with _FILE.open("rb") as file:
        rows = tomllib.load(file)["verifier"]
    return tuple(
        VerifierProfile(
            name=row["name"],
            title=row["title"],
            keeps=timedelta(seconds=row["keeps_seconds"]) if "keeps_seconds" in row else None,
            refetches=row["refetches"],
            cooldown=timedelta(seconds=row["cooldown_seconds"]),
            source=row["source"],
        )
        for row in rows
    )
