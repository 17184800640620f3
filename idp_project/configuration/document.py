"""The document of a configuration: strict JSON to things with their members, and back (RFC 8259, RFC 7591 §2).

    {"version": 1, "realms": {"default": {…, "rings": {"sign ES256": {…}}, "clients": {"app": {…}}, "upstreams": {…}}}}

A thing is a realm, a ring, a client or an upstream provider. The document names it by its place, and says of its
members what is to be said; a member or a thing that isn't there is one of which nothing is said.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from idp_project.configuration.forms import Form, Malformed
from idp_project.errors import ConfigurationRefused
from keys.compact import plain_object
from keys.errors import TokenRefused

VERSION = 1
MAX_BYTES = 16 * 1024 * 1024
_MAX_NAME = 64


class Kind(IntEnum):
    """What a thing is, in the order in which things are made: a client needs the realm's rings."""

    REALM = 0
    RING = 1
    CLIENT = 2
    UPSTREAM = 3


_FOLDERS = {Kind.RING: "rings", Kind.CLIENT: "clients", Kind.UPSTREAM: "upstreams"}


class Place(NamedTuple):
    """Where a thing stands in the document."""

    realm: str
    kind: Kind = Kind.REALM
    name: str = ""

    def __str__(self) -> str:
        within = f"/{_FOLDERS[self.kind]}/{_shown(self.name)}" if self.kind in _FOLDERS else ""
        return f"realms/{_shown(self.realm)}{within}"


Members = Mapping[str, Any]
Things = Mapping[Place, Members]


@dataclass(frozen=True, slots=True)
class Description:
    """What the document can say of one kind of thing.

    Attributes:
        members: the form of each member, in the order in which they are written.
        has_name: whether a thing can be called this.
        naming: what a name has to be, as a sentence goes on behind it.
    """

    members: Mapping[str, Form]
    has_name: Callable[[str], bool]
    naming: str


Schema = Mapping[Kind, Description]


def parse(text: bytes, schema: Schema) -> Things:
    """What a document says, by the place of each thing.

    Arguments:
        text: the JSON, UTF-8.
        schema: what can be said.

    Raises:
        ConfigurationRefused: it is too long, no JSON with each member once, of another version, or says what
            can't be said; one sentence a fault.
    """
    document = _json_object(text)
    if type(document.get("version")) is not int or document["version"] != VERSION:
        raise ConfigurationRefused([f"version: this is no configuration of version {VERSION}, the one that is known."])
    faults = [f"{_shown(name)}: there is no such member." for name in document if name not in ("version", "realms")]
    reader = _Reader(schema, faults, {})
    for slug, realm in reader.members_of(document.get("realms"), "realms"):
        reader.read_realm(slug, realm)
    if faults:
        raise ConfigurationRefused(faults)
    return reader.things


def render(things: Things, schema: Schema) -> dict[str, Any]:
    """The document that says these things, in an order that stays the same."""
    realms: dict[str, Any] = {}
    for place in sorted(things):
        spoken = spoken_members(things[place], schema[place.kind])
        if place.kind is Kind.REALM:
            realms[place.realm] = {**spoken, **{folder: {} for folder in _FOLDERS.values()}}
        else:
            realms[place.realm][_FOLDERS[place.kind]][place.name] = spoken
    return {"version": VERSION, "realms": realms}


def spoken_members(members: Members, description: Description) -> dict[str, Any]:
    """Members as JSON holds them, in the order of the description."""
    return {name: form.write(members[name]) for name, form in description.members.items() if name in members}


@dataclass(frozen=True, slots=True)
class _Reader:
    """What was read so far, and what was wrong with it."""

    schema: Schema
    faults: list[str]
    things: dict[Place, Members]

    def read_realm(self, slug: str, found: Any) -> None:
        place = Place(slug)
        if not self._take_name(slug, place):
            return
        within = dict(self.members_of(found, str(place)))
        folders = {kind: within.pop(folder, {}) for kind, folder in _FOLDERS.items()}
        self._read_members(place, within)
        for kind, folder in folders.items():
            for name, members in self.members_of(folder, f"{place}/{_FOLDERS[kind]}"):
                thing = Place(slug, kind, name)
                if self._take_name(name, thing):
                    self._read_members(thing, dict(self.members_of(members, str(thing))))

    def members_of(self, found: Any, where: str) -> Iterator[tuple[str, Any]]:
        """The members of what has to be an object."""
        if isinstance(found, dict):
            yield from found.items()
        else:
            self.faults.append(f"{where}: it has to be a JSON object.")

    def _take_name(self, name: str, place: Place) -> bool:
        description = self.schema[place.kind]
        if description.has_name(name):
            return True
        self.faults.append(f"{place}: {description.naming}")
        return False

    def _read_members(self, place: Place, found: Members) -> None:
        forms, read = self.schema[place.kind].members, {}
        for name, value in found.items():
            if name not in forms:
                self.faults.append(f"{place}/{_shown(name)}: there is no such member.")
                continue
            try:
                read[name] = forms[name].read(value)
            except Malformed as error:
                self.faults.append(f"{place}/{name}: it {error}.")
        self.things[place] = read


def _json_object(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_BYTES:
        raise ConfigurationRefused([f"A configuration has at most {MAX_BYTES} bytes."])
    try:
        return plain_object(text.decode("utf-8"), "The configuration")
    except UnicodeDecodeError:
        raise ConfigurationRefused(["The configuration is not UTF-8."]) from None
    except TokenRefused as error:
        raise ConfigurationRefused([str(error)]) from None


def _shown(name: str) -> str:
    """A name as it can be shown to an operator, whatever somebody wrote there."""
    short = name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"
    return short if short.isprintable() and "/" not in short else ascii(short)
