"""rotate_keys --simulate: what an operator reads, what a program reads, and the exit code."""

from datetime import timedelta

import pytest

from keys.models import KeyPair, KeyRing
from keys.planning import plan_rotation
from tests.keys.commands import Ran, run

pytestmark = pytest.mark.spec("keys.md rotate_keys --simulate")


@pytest.fixture
def ring(es256_ring: KeyRing) -> KeyRing:
    """A ring with two keys, made by the clock that the command reads."""
    run("rotate_keys")
    return es256_ring


def simulate(*arguments: str) -> Ran:
    return run("rotate_keys", "--simulate", *arguments)


def rows() -> list[tuple[object, ...]]:
    return list(KeyPair.objects.order_by("kid").values_list())


def narrow(ring: KeyRing, propagation: timedelta) -> None:
    ring.propagation = propagation
    ring.save(update_fields=["propagation"])


def test_a_year_is_told_and_nothing_is_changed(ring: KeyRing) -> None:
    before, signer = rows(), KeyPair.objects.earliest("activates_at").kid
    standby = KeyPair.objects.latest("activates_at").kid
    ran = simulate("365d")
    assert (ran.code, rows()) == (0, before)
    title, *lines = ran.out.splitlines()
    assert title.startswith("default sign ES256, 2")
    turns = [line.split(maxsplit=1)[1].split("  ") for line in lines if line.startswith("  2")]
    told = [(turn[0], turn[-1].strip()) for turn in turns]
    assert told[:3] == [("takes over", standby), ("stops", signer), ("published", "to-come-1")]
    assert ("wiped", signer) in told
    assert ("unpublished", signer) in told
    assert f"  FAILS: load-once may refuse tokens of {standby} from 2" in ran.out
    assert "and those of 3 more keys" in ran.out
    assert "  load-once: no propagation helps; start again between publication and takeover" in lines
    assert lines[-1].startswith("  smallest safe propagation: 1 hour 35 minutes 10 seconds, for jose, pyjwt,")
    assert lines[-1].endswith("ktor; it is 2 days now")


@pytest.mark.parametrize("span", ["365", "365d", "P365D", "365 days"])
def test_a_span_may_be_written_as_days_as_iso_8601_or_in_words(ring: KeyRing, span: str) -> None:
    found = simulate(span, "--json").json["rings"][0]["timeline"]
    assert sum(event["event"] == "takes over" for event in found) == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["soon"], "--simulate takes a length of time"),
        (["0"], "--simulate takes a length of time"),
        (["-1"], "--simulate takes a length of time"),
        (["99999"], "--simulate takes a length of time"),
        (["P999999999D"], "--simulate takes a length of time"),
        (["365d", "--every", "PT1S"], "--every takes a length of time"),
        (["365d", "--verifiers", "jose,nobody"], "There is no verifier profile 'nobody'; there are jose, pyjwt,"),
        (["365d", "--verifiers", ""], "There is no verifier profile ''"),
        (["365d", "--force"], "--force does not go with --simulate."),
        (["365d", "--dry-run"], "--dry-run does not go with --simulate."),
    ],
)
def test_what_can_not_be_read_is_wrong_usage(ring: KeyRing, arguments: list[str], sentence: str) -> None:
    ran = simulate(*arguments)
    assert ran.code == 2
    assert sentence in ran.err


def test_verifiers_go_with_a_simulation_alone(ring: KeyRing) -> None:
    before = rows()
    ran = run("rotate_keys", "--verifiers", "jose")
    assert (ran.code, rows()) == (2, before)
    assert "--verifiers goes with --simulate alone." in ran.err


def test_a_verifier_that_nothing_helps_decides_the_exit_code_only_where_it_is_named(ring: KeyRing) -> None:
    assert simulate("365d").code == 0
    assert simulate("365d", "--verifiers", "jose,envoy").code == 0
    ran = simulate("365d", "--verifiers", "load-once")
    assert ran.code == 1
    assert "smallest safe propagation: none, see above" in ran.out


def test_too_short_a_propagation_names_verifier_key_and_moment_and_the_smallest_that_is_safe(ring: KeyRing) -> None:
    narrow(ring, timedelta(hours=1, minutes=20))
    assert simulate("365d", "--verifiers", "jose,pyjwt,go-oidc").code == 0
    ran = simulate("365d", "--verifiers", "jose,envoy,istio")
    assert ran.code == 1
    fails = [line for line in ran.out.splitlines() if "FAILS" in line]
    assert [line.split(": ")[1].split()[0] for line in fails] == ["envoy", "istio"]
    assert all("if takeovers are forced or cron is late" in line for line in fails)
    assert "smallest safe propagation: 1 hour 35 minutes 10 seconds, for jose, envoy, istio" in ran.out
    smallest = simulate("365d", "--verifiers", "envoy", "--json").json["rings"][0]["smallest_propagation"]
    assert smallest == timedelta(hours=1, minutes=25, seconds=10).total_seconds()
    narrow(ring, timedelta(seconds=smallest))
    assert simulate("365d", "--verifiers", "envoy").code == 0
    narrow(ring, timedelta(seconds=smallest - 1))
    assert simulate("365d", "--verifiers", "envoy").code == 1


def test_a_forced_takeover_that_is_too_near_fails_as_scheduled(ring: KeyRing) -> None:
    narrow(ring, timedelta(hours=1, minutes=20))
    assert run("rotate_keys", "--force").code == 0
    ran = simulate("365d", "--verifiers", "istio", "--json")
    first = ran.json["rings"][0]["failures"][0]
    assert (ran.code, first["verifier"], first["only_if_forced"]) == (1, "istio", False)
    assert first["kid"] == KeyPair.objects.latest("activates_at").kid
    assert first["signed_at"] == first["since"] < first["until"]


def test_json_holds_every_failure_one_by_one(ring: KeyRing) -> None:
    document = simulate("365d", "--verifiers", "load-once,jose", "--json").json
    (found,) = document["rings"]
    assert {failure["verifier"] for failure in found["failures"]} == {"load-once"}
    assert len(found["failures"]) == 4
    assert {failure["until"] for failure in found["failures"]} == {None}
    assert (found["helpless"], found["refused"], found["algorithm"]) == (["load-once"], None, "ES256")
    assert found["propagation"] == 2 * 24 * 3600


def test_a_ring_without_keys_is_played_from_its_first(es256_ring: KeyRing) -> None:
    ran = simulate("30d")
    assert ran.code == 0
    assert "published    to-come-1" in ran.out
    assert "takes over   to-come-1" in ran.out
    assert not KeyPair.objects.exists()


def test_a_policy_that_is_refused_is_named_and_fails(ring: KeyRing) -> None:
    narrow(ring, timedelta(minutes=10))
    ran = simulate("365d", "--verifiers", "pyjwt")
    assert ran.code == 1
    assert "  REFUSED by rotate_keys: The propagation of 0:10:00 is shorter than" in ran.out


def test_rings_that_no_verifier_looks_at_are_played_without_one(mac_ring: KeyRing) -> None:
    run("rotate_keys")
    ran = simulate("365d", "--verifiers", "load-once")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "  no verifier takes this ring's keys from the JWKS"
    assert simulate("365d", "--json").json["rings"][0]["smallest_propagation"] is None


def test_after_a_compromise_whoever_may_refuse_the_successor_is_named(ring: KeyRing) -> None:
    signer = KeyPair.objects.earliest("activates_at")
    assert run("compromise_key", signer.kid, "--reason", "a laptop was lost").code == 0
    successor = KeyPair.objects.filter(compromised_at=None).earliest("activates_at").kid
    ran = simulate("365d", "--verifiers", "pyjwt")
    assert ran.code == 1
    assert f"FAILS: pyjwt may refuse tokens of {successor} from 2" in ran.out
    assert f"stops        {signer.kid}" not in ran.out


def test_the_simulation_asks_the_planner_that_rotations_ask(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def counted(*args: object, **kwargs: object) -> object:
        asked.append(True)
        return plan_rotation(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("keys.planning.plan_rotation", counted)
    simulate("365d")
    assert len(asked) > 10
