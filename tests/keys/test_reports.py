"""keys/reports.py and keys/hooks.py: how rings, keys and steps are told of."""

from datetime import timedelta
from typing import Any

import pytest

from keys import hooks, reports
from keys.models import KeyPair
from keys.sealing import SealedColumn
from keys.services.compromise import CompromiseReport
from keys.steps import Condemn, Mint, RaiseLifetime, Reopen, SetEnd, SetStart, Step, Wipe
from keys.timetable import Timetable
from tests.conftest import NOW

HOUR = timedelta(hours=1)
STEPS: list[tuple[Step, str, dict[str, Any]]] = [
    (
        Mint(Timetable(NOW, NOW + HOUR), HOUR),
        "minted, published from 2026-01-15T12:00:00Z, signs from 2026-01-15T13:00:00Z",
        {"step": "mint", "published_at": "2026-01-15T12:00:00Z", "activates_at": "2026-01-15T13:00:00Z",
         "max_lifetime": 3600},
    ),
    (
        SetStart("k", NOW),
        "takes over at 2026-01-15T12:00:00Z",
        {"step": "set_start", "activates_at": "2026-01-15T12:00:00Z"},
    ),
    (
        SetEnd("k", NOW, NOW + HOUR),
        "signs until 2026-01-15T12:00:00Z, published until 2026-01-15T13:00:00Z",
        {"step": "set_end", "deactivates_at": "2026-01-15T12:00:00Z", "unpublishes_at": "2026-01-15T13:00:00Z"},
    ),
    (RaiseLifetime("k", HOUR), "may sign for 1:00:00", {"step": "raise_lifetime", "max_lifetime": 3600}),
    (Reopen("k"), "goes on signing, its standby is gone", {"step": "reopen"}),
    (Wipe("k"), "private half wiped", {"step": "wipe"}),
    (Condemn("k"), "compromised, out of the JWKS", {"step": "condemn"}),
]  # fmt: skip


@pytest.mark.spec("keys.md rotate_keys: says what it did")
@pytest.mark.parametrize(("step", "words", "document"), STEPS, ids=lambda value: type(value).__name__)
def test_every_step_has_its_words_and_its_json(step: Step, words: str, document: dict[str, Any]) -> None:
    assert reports.in_words(step, "k") == f"key k: {words}"
    assert reports.in_words(step, "") == f"a new key: {words}"
    assert reports.step_as_json(step, "k") == {**document, "kid": "k"}
    assert reports.step_as_json(step, "")["kid"] is None


@pytest.mark.spec("keys.md rotate_keys")
def test_what_is_not_there_is_none() -> None:
    assert reports.moment(None) is None
    assert reports.next_as_json(None) is None


@pytest.mark.spec("keys.md compromise_key: where the successor has not propagated it says so, and for how long")
def test_the_consequences_of_a_compromise() -> None:
    gone = reports.consequences(CompromiseReport(("k",), None, None, {}, ()))
    assert len(gone) == 1
    assert "nothing is signed until" in gone[0]
    told = reports.consequences(CompromiseReport(("k",), "s", NOW, {"live grants": 2, "clients": 1}, ()))
    assert told[:3] == ["Hit at most: 2 live grants", "Hit at most: 1 client", "Signs from now on: s"]
    assert told[3].endswith("until 2026-01-15T12:00:00Z.")


@pytest.mark.spec("house.md keys/hooks.py")
def test_a_hook_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_hooks", hooks.Hooks())
    column = SealedColumn("keys.KeyPair", "sealed_private", "private-key")
    for _ in range(2):
        hooks.register_sealed_column(column)
        hooks.register_housekeeping("dead rows", lambda _now: 0)
    assert hooks.sealed_columns() == [column]
    assert list(hooks.housekeeping()) == ["dead rows"]


@pytest.mark.spec("keys.md list_keys: a timetable that is void isn't told")
@pytest.mark.parametrize(
    ("fate", "told"),
    [
        ({}, "signs from 2026-01-15T12:00:00Z until 2026-01-15T13:00:00Z"),
        ({"compromised_at": NOW}, "compromised at 2026-01-15T12:00:00Z"),
        ({"withdrawn_at": NOW}, "withdrawn at 2026-01-15T12:00:00Z, never signs"),
    ],
)
def test_a_key_s_turn(fate: dict[str, Any], told: str) -> None:
    assert reports.turn_in_words(KeyPair(activates_at=NOW, deactivates_at=NOW + HOUR, **fate)) == told


@pytest.mark.parametrize(("count", "told"), [(0, "0 clients"), (1, "1 client"), (2, "2 clients")])
def test_one_thing_is_told_in_the_singular(count: int, told: str) -> None:
    assert reports.counted(count, "clients") == told
