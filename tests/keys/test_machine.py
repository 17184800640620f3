"""The state machine of tests/keys/machine.py: services and database, in the suite and under `make prove`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from hypothesis import HealthCheck, Phase, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from keys import planning, published_set
from keys.policy import KeyPolicy
from keys.services import rings, rotation
from keys.signer import Signer
from realms.models import Realm
from tests.keys import machine
from tests.keys.fleet import InvariantBrokenError
from tests.keys.known_secrets import SECRET_A, SECRET_B
from tests.keys.machine import POLICY, RingMachine
from tests.keys.model.broken_rules import no_time, published_only_while_it_signs

SHORT_FORM, LONG_FORM, CONTROL = 15, 400, 150
STEPS = 40


@pytest.fixture(autouse=True)
def _two_secrets(settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"a:{SECRET_A},b:{SECRET_B}"


def run(realm: Realm, examples: int, policy: KeyPolicy = POLICY) -> int:
    """Run so many machines of at most 40 rules.

    Returns:
        How many operations that were.

    Raises:
        InvariantBrokenError: the invariant is broken.
    """
    whole = [Phase.generate]  # shrinking over a database takes minutes
    kind: type[RingMachine] = type("Machine", (RingMachine,), {"realm": realm, "policy": policy, "operations": 0})
    run_state_machine_as_test(
        seed(5)(kind),
        settings=hypothesis_settings(
            max_examples=examples, stateful_step_count=STEPS, deadline=None, database=None, phases=whole,
            suppress_health_check=list(HealthCheck), print_blob=False,
        ),
    )  # fmt: skip
    return kind.operations


@pytest.mark.spec("issue 5: a hypothesis state machine over services and database")
def test_the_services_keep_the_invariant(realm: Realm, proved: Callable[[str], None]) -> None:
    operations = run(realm, SHORT_FORM)
    proved(f"services and database: {operations:,} operations")


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("issue 5: a hypothesis state machine over services and database, the long form")
def test_the_services_keep_the_invariant_in_the_long_form(realm: Realm, proved: Callable[[str], None]) -> None:
    operations = run(realm, LONG_FORM)
    proved(f"services and database: {operations:,} operations, and none broke the invariant")


@pytest.fixture
def anything_goes(monkeypatch: pytest.MonkeyPatch, realm: Realm) -> None:
    """Policies are no longer validated, neither by the code nor by the database."""
    for module in (rotation, rings):
        monkeypatch.setattr(module, "validated", lambda policy, *_: policy)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE keys_keyring DROP CONSTRAINT ring_policy_holds_together")


@pytest.mark.spec("keys.md The invariant (a): negative control")
def test_propagation_nought_is_found_broken(realm: Realm, anything_goes: None) -> None:
    with pytest.raises(InvariantBrokenError, match="refused by a verifier"):
        run(realm, CONTROL, replace(POLICY, propagation=timedelta(0)))


@pytest.mark.spec("keys.md The invariant (b): negative control")
def test_retention_nought_is_found_broken(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyPolicy, "retention", no_time)
    with pytest.raises(InvariantBrokenError, match="may not sign"):
        run(realm, CONTROL)
    monkeypatch.setattr(machine, "check_lifetime", lambda *_, **__: None)
    with pytest.raises(InvariantBrokenError, match="refused by a verifier"):
        run(realm, CONTROL)


@pytest.mark.prove
@pytest.mark.spec("keys.md The invariant: negative control: a takeover without a lead")
def test_a_takeover_without_a_lead_is_found_broken(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyPolicy, "lead", no_time)
    with pytest.raises(InvariantBrokenError, match="clocks agree"):
        run(realm, CONTROL)


@pytest.mark.prove
@pytest.mark.spec("keys.md The invariant: negative control: a worker keeps its memory past the TTL")
def test_a_signer_that_remembers_past_its_ttl_is_found_broken(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Signer, "_is_fresh", lambda *_: True)
    with pytest.raises(InvariantBrokenError):
        run(realm, CONTROL)


@pytest.mark.prove
@pytest.mark.spec("keys.md The invariant (b): negative control: a JWKS that drops a key early")
def test_a_jwks_that_drops_a_key_early_is_found_broken(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_set, "is_published", published_only_while_it_signs)
    with pytest.raises(InvariantBrokenError, match="refused by a verifier"):
        run(realm, CONTROL)


@pytest.mark.prove
@pytest.mark.spec("keys.md The invariant (a): negative control: a standby that is minted too late")
def test_a_standby_that_is_minted_too_late_is_found_broken(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(waiting: planning.KeyFacts, policy: KeyPolicy, *about: Any, force: bool) -> object:
        at_once = replace(policy, propagation=policy.lead(timedelta(seconds=5)), rotation_period=timedelta(0))
        return planning_before(waiting, at_once, *about, force=force)

    planning_before: Callable[..., Any] = planning._mint_standby
    monkeypatch.setattr(planning, "_mint_standby", late)
    with pytest.raises(InvariantBrokenError, match="refused by a verifier"):
        run(realm, CONTROL)
