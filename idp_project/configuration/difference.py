"""What has to change so that a database is like a configuration. Decided here, done in `applying`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from idp_project.configuration.document import Members, Place, Schema, Things, spoken_members


@dataclass(frozen=True, slots=True)
class Change:
    """A thing to make or to change.

    Attributes:
        place: which thing.
        before: the members that will differ, as they are; None where there is no such thing yet.
        after: the same members as they will be, or all of a new thing's.
    """

    place: Place
    before: Members | None
    after: Members

    @property
    def makes(self) -> bool:
        """Whether the thing is new."""
        return self.before is None


def overlaid(present: Things, wanted: Things) -> Things:
    """What there is, with what is wanted laid over it: of what isn't said, nothing changes."""
    return {**present, **{place: {**present.get(place, {}), **members} for place, members in wanted.items()}}


def difference(present: Things, desired: Things) -> tuple[Change, ...]:
    """The changes that lead from one to the other, each thing after what it needs.

    Arguments:
        present: what there is.
        desired: what there shall be; what it doesn't name stays.
    """
    return tuple(change for place in sorted(desired) if (change := _change(place, present.get(place), desired[place])))


def _change(place: Place, before: Members | None, after: Members) -> Change | None:
    if before is None:
        return Change(place, None, after)
    other = {name: value for name, value in after.items() if before[name] != value}
    return Change(place, {name: before[name] for name in other}, other) if other else None


def in_words(changes: tuple[Change, ...], schema: Schema) -> Iterator[str]:
    """The changes, a line each: `realms/default/clients/app/scope: "a" → "a b"`."""
    for change in changes:
        description = schema[change.place.kind]
        after = spoken_members(change.after, description)
        if change.before is None:
            told = {name: value for name, value in after.items() if value not in ("", None, [])}
            yield f"{change.place}: nothing → {_json(told)}"
            continue
        before = spoken_members(change.before, description)
        for name, value in after.items():
            yield f"{change.place}/{name}: {_json(before[name])} → {_json(value)}"


def _json(value: Any) -> str:
    """One line, whatever stands in it."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)
