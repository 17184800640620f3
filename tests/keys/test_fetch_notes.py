"""keys/notes.py: what a worker remembers of fetches is bounded, whoever asks (issue 5, point 3)."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.fetchers import Fetcher
from keys.notes import MOST_NEWCOMERS, FetchNotes
from tests.conftest import NOW

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Version:
    etag: str = '"new"'
    keys: dict[str, object] = field(default_factory=lambda: {"a": 1, "b": 2})


def note(
    notes: FetchNotes, name: str, *held: str, realm: str = "default", served: Version = Version(), after: int = 0
) -> None:
    notes.note(realm, Fetcher("192.0.2.1", name), served, held=held, at=NOW + after * SECOND)


def test_the_latest_fetch_of_each_is_kept_and_each_version_once() -> None:
    notes = FetchNotes()
    assert not notes
    note(notes, "go", '"old"')
    note(notes, "go", '"new"', after=1)
    note(notes, "java", served=Version('"newer"', {"b": 2}), after=2)
    note(notes, "go", realm="other")
    assert notes
    taken = notes.take()
    assert {realm: list(map(str, fetches.visits)) for realm, fetches in taken.items()}.keys() == {"default", "other"}
    visits = taken["default"].visits
    assert visits[Fetcher("192.0.2.1", "go")].held == ('"new"',)
    assert taken["default"].versions == {'"new"': (("a", "b"), NOW), '"newer"': (("b",), NOW + 2 * SECOND)}
    assert not notes
    assert notes.take() == {}


@pytest.mark.spec("issue 5 point 3: bounded; a flood can't push out those that are seen regularly")
def test_a_flood_is_counted_and_whoever_has_a_slot_is_noted_all_the_same() -> None:
    notes = FetchNotes()
    notes.seat("default", [Fetcher("192.0.2.1", f"regular {n}") for n in range(500)])
    for n in range(10_000):
        note(notes, f"flood {n}")
    for n in range(500):
        note(notes, f"regular {n}")
    note(notes, "flood 0", '"again"')
    fetches = notes.take()["default"]
    assert len(fetches.visits) == MOST_NEWCOMERS + 500
    assert fetches.unseated == 10_000 - MOST_NEWCOMERS
    assert fetches.visits[Fetcher("192.0.2.1", "flood 0")].held == ('"again"',)
    note(notes, "one more")
    assert len(notes.take()["default"].visits) == 1, "the next round has room again"


def test_what_could_not_be_written_waits_and_what_is_newer_stays() -> None:
    notes = FetchNotes()
    note(notes, "go", '"old"')
    note(notes, "java", '"old"')
    taken = notes.take()
    note(notes, "go", '"new"', after=60)
    notes.give_back("default", taken["default"])
    visits = notes.take()["default"].visits
    assert visits[Fetcher("192.0.2.1", "go")].held == ('"new"',)
    assert visits[Fetcher("192.0.2.1", "java")].held == ('"old"',)


@given(st.lists(st.one_of(st.integers(0, 300), st.just("fails")), max_size=400))
def test_the_memory_is_bounded_through_any_outage(story: list[int | str]) -> None:
    notes = FetchNotes()
    notes.seat("default", [Fetcher("192.0.2.1", f"{n}") for n in range(40)])
    for act in story * 3:
        if act == "fails":
            for realm, fetches in notes.take().items():
                notes.give_back(realm, fetches)
        else:
            note(notes, f"{act}")
    for remembered in notes.take().values():
        assert len(remembered.visits) <= MOST_NEWCOMERS + 40
        assert remembered.newcomers <= MOST_NEWCOMERS
