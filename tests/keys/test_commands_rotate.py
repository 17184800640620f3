"""manage.py rotate_keys and list_keys: what cron and operators see (keys.md Rotation)."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.conf import LazySettings
from django.db import DatabaseError
from django.utils import timezone

from keys import hooks
from keys.errors import KeysError
from keys.management.commands import rotate_keys as rotate_command
from keys.models import KeyPair, KeyRing
from keys.services.rings import add_ring
from keys.services.rotation import RotationReport
from realms.models import Realm
from tests.conftest import ACTOR
from tests.keys.commands import Ran, run
from tests.keys.known_secrets import SECRET_B


@pytest.fixture(autouse=True)
def _no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks._hooks, "housekeeping", {})


def rotate(*arguments: str) -> Ran:
    return run("rotate_keys", *arguments)


def kids(purpose: str = "sign") -> list[str]:
    return list(KeyPair.objects.filter(ring__purpose=purpose).order_by("activates_at").values_list("kid", flat=True))


@pytest.mark.spec("keys.md rotate_keys: says what it did, what is due next and when; exit 0")
def test_a_run_says_what_it_did_and_what_comes_next(es256_ring: KeyRing) -> None:
    ran = rotate()
    assert ran.code == 0
    title, first, second, coming = ran.out.splitlines()
    signer, standby = kids()
    assert title == "default sign ES256:"
    assert first.startswith(f"  key {signer}: minted, published from 2")
    assert second.startswith(f"  key {standby}: minted")
    assert coming.startswith(f"  next: key {standby} takes over at 2")
    again = rotate()
    assert again.code == 0
    assert again.out.splitlines()[1] == "  nothing due"


@pytest.mark.spec("keys.md rotate_keys --json")
def test_json_says_the_same(es256_ring: KeyRing) -> None:
    document = rotate("--json").json
    signer, standby = kids()
    (ring,) = document["rings"]
    assert {name: ring[name] for name in ("realm", "purpose", "algorithm", "bits", "error")} == {
        "realm": "default", "purpose": "sign", "algorithm": "ES256", "bits": None, "error": None,
    }  # fmt: skip
    assert [(step["step"], step["kid"]) for step in ring["steps"]] == [("mint", signer), ("mint", standby)]
    assert ring["steps"][0]["max_lifetime"] == 7 * 24 * 3600
    assert (ring["next"]["action"], ring["next"]["kid"]) == ("takeover", standby)
    assert datetime.fromisoformat(ring["next"]["at"]) > timezone.now() + timedelta(days=89)
    assert document["dry_run"] is False
    forced = rotate("--json", "--force").json["rings"][0]["steps"]
    assert [step["step"] for step in forced] == ["set_start", "set_end"]
    assert forced[0]["activates_at"] == forced[1]["deactivates_at"]


@pytest.mark.spec("keys.md Rotation: a ring whose keys took long to make is no fault of the clock")
def test_each_ring_is_held_against_the_clock_of_its_own_moment(
    es256_ring: KeyRing, mac_ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[datetime] = []
    with time_machine.travel(timezone.now(), tick=False) as traveller:

        def slow(ring: KeyRing, *, now: datetime, **_: object) -> RotationReport:
            heard.append(now)
            traveller.shift(timedelta(minutes=10))
            return RotationReport([], None)

        monkeypatch.setattr(rotate_command, "rotate", slow)
        rotate()
    assert heard[1] - heard[0] == timedelta(minutes=10)


@pytest.mark.spec("keys.md rotate_keys --dry-run")
def test_a_dry_run_changes_nothing(es256_ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks.register_housekeeping("dead rows", lambda _now: pytest.fail("a dry run cleans nothing"))
    ran = rotate("--dry-run")
    assert ran.code == 0
    assert "  would: a new key: minted" in ran.out
    assert "  next: not scheduled" in ran.out
    assert rotate("--dry-run", "--json").json["rings"][0]["steps"][0]["kid"] is None
    assert not KeyPair.objects.exists()


@pytest.mark.spec("keys.md rotate_keys --dry-run")
def test_a_dry_run_says_what_would_come_next(es256_ring: KeyRing) -> None:
    rotate()
    would = rotate("--force", "--dry-run", "--json").json["rings"][0]
    assert would["next"]["at"] == would["steps"][0]["activates_at"]


@pytest.mark.spec("keys.md rotate_keys --realm --algorithm")
def test_a_run_can_be_narrowed_to_some_rings(es256_ring: KeyRing, mac_ring: KeyRing) -> None:
    other = Realm.objects.create(slug="b", name="B", issuer="https://b.example.test", created_at=timezone.now())
    add_ring(realm=other, algorithm="Ed25519", actor=ACTOR, now=timezone.now())
    assert [ring["algorithm"] for ring in rotate("--json", "--algorithm", "ES256").json["rings"]] == ["ES256"]
    assert [ring["algorithm"] for ring in rotate("--json", "--algorithm", "EdDSA").json["rings"]] == ["Ed25519"]
    assert {ring["realm"] for ring in rotate("--json", "--realm", "b").json["rings"]} == {"b"}
    assert len(rotate("--json").json["rings"]) == 3


@pytest.mark.spec("issue 2: an unknown realm or algorithm is named in the message; exit 2")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--realm", "nowhere"], "'nowhere'"),
        (["--algorithm", "HS256"], "no algorithm 'HS256'; there are ES256"),
        (["--algorithm", "ES512"], "no ring with ES512: add one with add_ring"),
        (["--realm", "default", "--algorithm", "ES512"], "'default' has no ring with ES512"),
    ],
)
@pytest.mark.parametrize("command", ["rotate_keys", "list_keys"])
def test_what_is_unknown_is_named(es256_ring: KeyRing, command: str, arguments: list[str], named: str) -> None:
    ran = run(command, *arguments)
    assert ran.code == 2
    assert named in ran.err
    assert not KeyPair.objects.exists()


@pytest.mark.spec("issue 2: bad input")
def test_without_any_ring_the_way_out_is_named(db: None) -> None:
    ran = rotate()
    assert (ran.code, "bootstrap" in ran.err) == (1, True)
    assert "bootstrap" in run("rotate_keys", "--realm", "default").err


@pytest.mark.spec("keys.md rotate_keys: one broken ring does not stop the others; exit 1")
def test_a_broken_ring_does_not_stop_the_others(
    es256_ring: KeyRing, mac_ring: KeyRing, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    KeyRing.objects.filter(pk=es256_ring.pk).update(propagation=timedelta(seconds=1))
    ran = rotate()
    assert ran.code == 1
    assert "default sign ES256:\n  FAILED: The propagation of 0:00:01" in ran.out
    assert len(kids("mac")) == 2
    assert "rotation.failed ring=" in caplog.text
    document = rotate("--json")
    assert document.code == 1
    assert {ring["algorithm"]: bool(ring["error"]) for ring in document.json["rings"]} == {
        "ES256": True, "HMAC-SHA256": False,
    }  # fmt: skip


@pytest.mark.spec("issue 2: a wrong master secret stops every command that needs it with the id, and mints nothing")
def test_a_wrong_master_secret_mints_nothing(es256_ring: KeyRing, mac_ring: KeyRing, settings: LazySettings) -> None:
    rotate("--algorithm", "ES256")
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    ran = rotate()
    assert ran.code == 1
    assert "'t1' is missing" in ran.out
    assert SECRET_B not in ran.out
    assert kids("mac") == []


@pytest.mark.spec("keys.md rotate_keys: ends with a round of housekeeping")
def test_housekeeping_runs_last_and_its_failures_are_an_exit_code(es256_ring: KeyRing) -> None:
    seen: list[int] = []

    def purge(_now: datetime) -> int:
        seen.append(KeyPair.objects.count())
        return 12

    def stumble(_now: datetime) -> int:
        raise DatabaseError("gone\n")

    def refuse(_now: datetime) -> int:
        raise KeysError("not now")

    hooks.register_housekeeping("dead rows", purge)
    hooks.register_housekeeping("nothing", lambda _now: 0)
    ran = rotate()
    assert (ran.code, seen) == (0, [2])
    assert ran.out.splitlines()[-1] == "dead rows: 12", "what was nothing isn't told"
    hooks.register_housekeeping("stumble", stumble)
    hooks.register_housekeeping("refuse", refuse)
    assert list(hooks.housekeeping()) == ["dead rows", "nothing", "stumble", "refuse"]
    ran = rotate("--json")
    assert ran.code == 1
    assert ran.json["housekeeping"] == {
        "dead rows": 12,
        "nothing": 0,
        "stumble": "FAILED: gone",
        "refuse": "FAILED: not now",
    }


@pytest.mark.spec("issue 2: list_keys --json prints every key with state and timetable")
def test_every_key_is_listed_with_state_and_timetable(bootstrapped: Realm, settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    document = run("list_keys", "--json").json
    assert len(document["keys"]) == 6
    states = {key["kid"]: key["state"] for key in document["keys"]}
    assert set(states.values()) <= {"active", "deactivated", "archived", "pre_active"}
    signer = KeyPair.objects.get(kid=kids()[0])
    row = next(key for key in document["keys"] if key["kid"] == signer.kid)
    assert row["activates_at"] == "2026-01-15T12:00:00Z"
    assert row["public_jwk"]["kid"] == signer.kid
    assert row["max_lifetime"] == 604_800
    assert (row["compromised_at"], row["destroyed_at"], row["custodian"]) == (None, None, "local")
    text = run("list_keys", "--algorithm", "ES256").out
    assert len(text.splitlines()) == 4
    assert (
        f"{states[signer.kid]:<12} {signer.kid}  local/sealed  signs from 2026-01-15T12:00:00Z until 2026-04-15" in text
    )
    assert "sealed_private" not in run("list_keys", "--json").out
