"""The rules, as the TOML files have them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that falls to the server.

    Attributes:
        specification: its short name.
        section: where it stands, such as "4.1.2".
        name: what marks call it; one in its section.
        text: what it demands, in our own words.
        level: MUST, or SHOULD where all recommendations are listed too.
        absent: why it can't be broken, where it is about what Signet doesn't have; else "".
        declined: why a SHOULD isn't followed; else "".
    """

    specification: str
    section: str
    name: str
    text: str
    level: str = "MUST"
    absent: str = ""
    declined: str = ""

    @property
    def reference(self) -> str:
        """As a mark names it."""
        return f"{self.specification} §{self.section} {self.name}"


@dataclass(frozen=True, slots=True)
class Specification:
    """A specification with its rules.

    Attributes:
        names: how marks may call it; the table uses the first.
        title: as it is printed.
        address: where it can be read.
        rules: in the order of its sections.
    """

    names: tuple[str, ...]
    title: str
    address: str
    rules: tuple[Rule, ...]


def specifications(folder: Path = FOLDER) -> tuple[Specification, ...]:
    """Every specification, in the order of the file names."""
    return tuple(_read(path) for path in sorted(folder.glob("*.toml")))


def _read(path: Path) -> Specification:
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    names = tuple(found["names"])
    rules = [
        _rule(names[0], section, name, value)
        for section, members in found["rules"].items()
        for name, value in members.items()
    ]
    rules.sort(key=lambda rule: [int(number) for number in rule.section.split(".")])
    return Specification(names, found["title"], found["address"], tuple(rules))


def _rule(specification: str, section: str, name: str, value: str | dict[str, Any]) -> Rule:
    fields = {"text": value} if isinstance(value, str) else {"text": value.pop("rule"), **value}
    return Rule(specification, section, name, **fields)
