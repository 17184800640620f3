"""Every interleaving within the bound, over the real planner; and broken rules, which must be found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keys import planning, signer, timetable
from keys.policy import KeyPolicy
from keys.steps import Mint
from tests.keys.model.broken_rules import minted_when_it_is_needed, no_time, published_only_while_it_signs
from tests.keys.model.rules import POLICIES, POLICY, TICK, Rules
from tests.keys.model.search import BrokenStoryError, search
from tests.keys.model.world import State

DEEP = 150_000
SOON = 20_000
"""A broken rule has to be found within so many states: seconds."""


@pytest.mark.spec("keys.md The invariant: every interleaving for 3 keys, 3 workers and 2 verifiers")
def test_every_history_keeps_the_invariant(proved: Callable[[str], None]) -> None:
    rules = Rules((POLICY,))
    assert rules.faults() == []
    explored = search(State(), rules)
    proved(f"model of a ring: {explored}")
    assert explored.whole
    assert explored.states > 5_000


def story_that_breaks(rules: Rules | None = None, *, losses: int = 0) -> str:
    """The shortest story that breaks the invariant.

    Raises:
        pytest.fail.Exception: there is none within the first states.
    """
    try:
        explored = search(State(losses=losses), rules or Rules((POLICY,)), most_states=SOON)
    except BrokenStoryError as error:
        return str(error)
    pytest.fail(f"nothing was found in {explored}")


@pytest.mark.spec("keys.md The invariant (a): negative control")
@pytest.mark.parametrize("propagation", range(5))
def test_propagation_nought_and_others_that_are_too_short_are_found_broken(propagation: int) -> None:
    rules = Rules((replace(POLICY, propagation=propagation * TICK),))
    assert rules.faults(), "the real rules refuse such a policy"
    assert "refuses a token" in story_that_breaks(rules)


@pytest.mark.spec("keys.md The invariant (b): negative control")
def test_retention_nought_is_found_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyPolicy, "retention", no_time)
    assert "may not sign" in story_that_breaks(), "the signer itself refuses to outlive its key"
    monkeypatch.setattr(signer, "check_lifetime", lambda *_, **__: None)
    assert "refuses a token" in story_that_breaks(), "and without that line of defence a verifier is refused"


@pytest.mark.spec("keys.md The invariant: negative control: edits lie at least signer TTL + skew ahead")
@pytest.mark.parametrize("lead", [timedelta(0), POLICY.clock_skew, 2 * TICK], ids=["none", "skew alone", "TTL alone"])
def test_a_takeover_without_a_lead_is_found_broken(lead: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyPolicy, "lead", lambda *_: lead)
    assert "two workers whose clocks agree" in story_that_breaks()


@pytest.mark.spec("keys.md The invariant: negative control: a worker keeps its memory past the TTL")
@pytest.mark.parametrize("ticks", [3, 4])
def test_a_signer_that_remembers_past_its_ttl_is_found_broken(ticks: int) -> None:
    assert "two workers whose clocks agree" in story_that_breaks(Rules((POLICY,), memory=ticks * TICK))


@pytest.mark.spec("keys.md The invariant (b): negative control: a JWKS that drops a key early")
def test_a_jwks_that_drops_a_key_early_is_found_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "is_published", published_only_while_it_signs)
    assert "refuses a token" in story_that_breaks()


@pytest.mark.spec("keys.md The invariant (a): negative control: a standby that is minted too late")
def test_a_standby_that_is_minted_too_late_is_found_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_mint_standby", minted_when_it_is_needed)
    assert "refuses a token" in story_that_breaks()


@pytest.mark.spec("keys.md The invariant: negative control: clocks that lag, and a key that starts now")
def test_a_slow_worker_without_a_signer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = timetable.signing_key
    monkeypatch.setattr(timetable, "signing_key", lambda keys, now, *, skew: real(keys, now, skew=timedelta(0)))
    assert "nobody signs" in story_that_breaks(losses=1)


@pytest.mark.spec("keys.md Rows: the database refuses a gap")
def test_a_plan_with_a_gap_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = planning._first_keys

    def with_a_gap(*about: Any) -> tuple[Mint, Mint]:
        first, standby = real(*about)
        late = replace(standby.times, activates_at=standby.times.activates_at + TICK)
        return first, replace(standby, times=late)

    monkeypatch.setattr(planning, "_first_keys", with_a_gap)
    assert "the database refuses" in story_that_breaks()


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("keys.md The invariant: every interleaving, with compromises and changed policies")
@pytest.mark.parametrize(
    ("start", "policies"),
    [(State(losses=1), (POLICY,)), (State(changes=1), POLICIES), (State(losses=2, changes=2), POLICIES)],
    ids=["a compromise", "a changed policy", "two of each"],
)
def test_every_history_with_surprises_keeps_the_invariant(
    start: State, policies: tuple[KeyPolicy, ...], proved: Callable[[str], None]
) -> None:
    rules = Rules(policies)
    assert rules.faults() == []
    explored = search(start, rules, most_states=DEEP)
    proved(f"model of a ring, {start.losses} losses, {start.changes} changes: {explored}")
