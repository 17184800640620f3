"""Random operations over the model: ten thousand in the suite, a million under `make prove`."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from keys import planning, signer, timetable
from keys.policy import KeyPolicy
from tests.keys.model.broken_rules import minted_when_it_is_needed, no_time, published_only_while_it_signs
from tests.keys.model.rules import POLICY, TICK, Rules
from tests.keys.model.search import BrokenStoryError
from tests.keys.model.walk import MOST_KEYS, walk

SHORT_FORM, LONG_FORM = 10_000, 1_000_000
SEED = 5


@pytest.mark.spec("issue 5: random operations, the short form")
def test_ten_thousand_random_operations_keep_the_invariant(proved: Callable[[str], None]) -> None:
    walked = walk(SHORT_FORM, seed=SEED)
    proved(f"{walked}")
    assert walked.operations == SHORT_FORM


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("issue 5: make prove runs a million random operations")
def test_a_million_random_operations_keep_the_invariant(proved: Callable[[str], None]) -> None:
    began = time.monotonic()
    walked = walk(LONG_FORM, seed=SEED)
    proved(f"{walked} ({time.monotonic() - began:.0f} s)")
    assert walked.operations == LONG_FORM


def found(rules: Rules | None = None) -> str:
    """How a walk breaks the invariant.

    Raises:
        pytest.fail.Exception: it doesn't within the short form.
    """
    try:
        walked = walk(SHORT_FORM, seed=SEED, rules=rules or Rules((POLICY,), keys=MOST_KEYS))
    except BrokenStoryError as error:
        return str(error)
    pytest.fail(f"nothing was found: {walked}")


@pytest.mark.spec("keys.md The invariant (a): negative control")
def test_propagation_nought_is_found_broken() -> None:
    assert "refuses a token" in found(Rules((replace(POLICY, propagation=timedelta(0)),), keys=MOST_KEYS))


@pytest.mark.spec("keys.md The invariant (b): negative control")
def test_retention_nought_is_found_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyPolicy, "retention", no_time)
    assert "may not sign" in found()
    monkeypatch.setattr(signer, "check_lifetime", lambda *_, **__: None)
    assert "refuses a token" in found()


@pytest.mark.spec("keys.md The invariant: negative control: a takeover without a lead")
def test_a_takeover_without_a_lead_is_found_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyPolicy, "lead", no_time)
    assert "two workers whose clocks agree" in found()


@pytest.mark.spec("keys.md The invariant: negative control: a worker keeps its memory past the TTL")
def test_a_signer_that_remembers_past_its_ttl_is_found_broken() -> None:
    assert "two workers whose clocks agree" in found(Rules((POLICY,), keys=MOST_KEYS, memory=4 * TICK))


@pytest.mark.spec("keys.md The invariant (b): negative control: a JWKS that drops a key early")
def test_a_jwks_that_drops_a_key_early_is_found_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "is_published", published_only_while_it_signs)
    assert "refuses a token" in found()


@pytest.mark.spec("keys.md The invariant (a): negative control: a standby that is minted too late")
def test_a_standby_that_is_minted_too_late_is_found_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_mint_standby", minted_when_it_is_needed)
    assert "refuses a token" in found()
