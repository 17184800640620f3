"""keys/policy.py: policies that break the invariant are refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from keys import conf
from keys.errors import WeakPolicy
from keys.policy import LONGEST_PERIOD, KeyPolicy, Periods, faults, validated

AROUND = Periods(timedelta(seconds=5), timedelta(minutes=5), timedelta(hours=1))
POLICY = KeyPolicy(
    rotation_period=timedelta(days=90),
    propagation=timedelta(hours=48),
    max_token_lifetime=timedelta(days=7),
    clock_skew=timedelta(minutes=5),
    verifier_leeway=timedelta(minutes=5),
)
TICK = timedelta(microseconds=1)


@pytest.mark.spec("keys.md Rows: the policy's defaults")
def test_the_settings_give_the_policy_of_the_design() -> None:
    assert conf.default_policy() == POLICY
    assert conf.periods() == AROUND
    assert validated(POLICY, AROUND) is POLICY


@pytest.mark.spec("keys.md The invariant: N covers everything between a row and a verifier")
def test_the_propagation_must_cover_the_whole_way() -> None:
    least = AROUND.least_propagation(POLICY.clock_skew)
    assert least == timedelta(minutes=5) + timedelta(hours=1) + 2 * timedelta(seconds=5) + timedelta(minutes=10)
    assert faults(replace(POLICY, propagation=least), AROUND) == []
    (fault,) = faults(replace(POLICY, propagation=least - TICK), AROUND)
    assert "propagation" in fault


@pytest.mark.spec("keys.md The invariant: a period shorter than N is refused")
def test_the_period_must_hold_propagation_and_lead() -> None:
    shortest = POLICY.propagation + POLICY.lead(AROUND.signer_ttl)
    assert faults(replace(POLICY, rotation_period=shortest), AROUND) == []
    (fault,) = faults(replace(POLICY, rotation_period=shortest - TICK), AROUND)
    assert "rotation period" in fault


@pytest.mark.spec("keys.md The invariant")
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"max_token_lifetime": timedelta(0)}, "token lifetime"),
        ({"max_token_lifetime": timedelta(-1)}, "token lifetime"),
        ({"clock_skew": timedelta(milliseconds=999)}, "skew"),
        ({"clock_skew": timedelta(-1)}, "skew"),
        ({"verifier_leeway": -TICK}, "leeway"),
        ({"patience": -TICK}, "patience"),
        ({"patience": LONGEST_PERIOD + TICK}, f"above {LONGEST_PERIOD.days} days"),
        ({"rotation_period": LONGEST_PERIOD + TICK}, f"above {LONGEST_PERIOD.days} days"),
    ],
)
def test_nought_and_negative_lengths_are_faults(changed: dict[str, timedelta], named: str) -> None:
    (fault,) = faults(replace(POLICY, **changed), AROUND)
    assert named in fault
    with pytest.raises(WeakPolicy, match=named):
        validated(replace(POLICY, **changed), AROUND)


@pytest.mark.spec("keys.md The invariant: every fault is said at once")
def test_all_faults_are_listed() -> None:
    nothing = KeyPolicy(*[timedelta(0)] * 5)
    assert len(faults(nothing, AROUND)) == 4


@pytest.mark.spec("keys.md The invariant (b)")
def test_retention_covers_the_longest_token_both_clocks_and_the_leeway() -> None:
    assert POLICY.retention(timedelta(days=3)) == timedelta(days=3, minutes=15)
    assert POLICY.lead(timedelta(seconds=5)) == timedelta(minutes=5, seconds=5)
