"""`manage.py serve`: what would break the provider is refused in words; then the server takes the process over."""

import base64
import importlib
import itertools
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from idp_project.environment import Environment
from idp_project.server_command import CONNECTIONS_PER_WORKER, server_command, usable_cores
from keys.services.rings import add_ring
from realms.models import Realm

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the process was replaced by, of which there is one at most."""
    commands: list[list[str]] = []

    def replace(program: str, command: list[str]) -> None:
        assert program == command[0]
        commands.append(command)

    monkeypatch.setattr(os, "execv", replace)
    monkeypatch.setattr(connections, "close_all", lambda: None)  # the test's transaction goes on
    return commands


def options_of(command: Sequence[str]) -> dict[str, str]:
    return dict(itertools.pairwise(command))


def test_a_sound_installation_is_served(realm: Realm, started: list[list[str]]) -> None:
    call_command("serve")
    assert len(started) == 1
    assert started[0][-1] == "idp_project.wsgi:application"


def test_the_server_is_one_process_group_without_a_parent_that_stays(started: list[list[str]]) -> None:
    command = server_command(Environment())
    assert command[:4] == [sys.executable, "-P", "-m", "granian"]
    assert options_of(command)["--interface"] == "wsgi"


def test_it_listens_on_this_machine_alone_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "IDP_BIND", "IDP_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    options = options_of(server_command(Environment()))
    assert (options["--host"], options["--port"]) == ("127.0.0.1", "8080")
    assert options["--workers"] == str(usable_cores())
    monkeypatch.setenv("IDP_BIND", "192.0.2.1")
    monkeypatch.setenv("PORT", "9090")
    monkeypatch.setenv("IDP_WORKERS", "3")
    options = options_of(server_command(Environment()))
    assert (options["--host"], options["--port"], options["--workers"]) == ("192.0.2.1", "9090", "3")


def test_idle_connections_dont_starve_others() -> None:
    assert int(options_of(server_command(Environment()))["--backpressure"]) == CONNECTIONS_PER_WORKER >= 1000


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("1000 100000", 1), ("", 8)]
)
def test_a_container_gets_the_workers_that_it_may_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == cores


def test_every_failed_check_is_a_line_with_its_id_and_a_silenced_one_is_none(
    realm: Realm, started: list[list[str]], monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.SILENCED_SYSTEM_CHECKS = ["test.E003"]
    found = [
        checks.Error("Bad.", hint="Change it.", id="test.E001"),
        checks.Critical("Worse.", id="test.E002"),
        checks.Error("Known.", id="test.E003"),
        checks.Warning("Hm.", id="test.W001"),
    ]
    monkeypatch.setattr(checks, "run_checks", lambda **_options: found)
    with pytest.raises(CommandError) as refusal:
        call_command("serve")
    assert str(refusal.value).splitlines() == ["test.E001: Bad. Change it.", "test.E002: Worse."]
    assert started == []


def test_checks_for_deployment_and_those_that_ask_the_database_are_among_them(
    realm: Realm, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def run_checks(**options: Any) -> list[checks.CheckMessage]:
        asked.append(options)
        return []

    monkeypatch.setattr(checks, "run_checks", run_checks)
    call_command("serve")
    assert all(options["include_deployment_checks"] for options in asked)
    assert [options["databases"] for options in asked] == [None, ["default"]]


def test_missing_migrations_are_refused(
    realm: Realm, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda _self, _targets: [("one", False)])
    with pytest.raises(CommandError, match=r"^1 migrations are not applied: run manage\.py migrate first\.$"):
        call_command("serve")
    assert started == []


@pytest.mark.django_db
def test_a_database_without_a_realm_is_refused(started: list[list[str]]) -> None:
    with pytest.raises(CommandError, match=r"run manage\.py bootstrap first"):
        call_command("serve")
    assert started == []


def test_another_issuer_is_refused_in_one_sentence(
    realm: Realm, started: list[list[str]], settings: LazySettings
) -> None:
    settings.IDP_ISSUER = "https://other.example.test"
    with pytest.raises(CommandError) as refusal:
        call_command("serve")
    assert "https://other.example.test" in str(refusal.value)
    assert realm.issuer in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert started == []


@pytest.fixture
def empty_file(tmp_path: Path) -> Path:
    path = tmp_path / "empty.env"
    path.touch(mode=0o600)
    return path


def run_without(name: str, env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a sound environment that lacks one variable."""
    environment = {
        "IDP_ISSUER": "https://id.example.test",
        "IDP_SECRET_KEY": secrets.token_urlsafe(60),
        "IDP_MASTER_SECRETS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "DATABASE_URL": "postgres://nobody:hush-hush@127.0.0.1:9/none",
        "IDP_ENV_FILE": str(env_file),  # a .env in the checkout must not fill the gap
    }
    environment.pop(name, None)
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["IDP_ISSUER", "IDP_SECRET_KEY", "IDP_MASTER_SECRETS", "DATABASE_URL"])
@pytest.mark.parametrize(("arguments", "code"), [(["manage.py", "serve"], 2), (["-c", "import idp_project.wsgi"], 3)])
def test_a_missing_setting_is_one_sentence(empty_file: Path, name: str, arguments: list[str], code: int) -> None:
    refused = run_without(name, empty_file, *arguments)
    assert refused.returncode == code
    assert refused.stderr.startswith(f"signet: {name} ")
    assert refused.stderr.count("\n") == 1


def test_a_database_that_is_away_is_one_sentence_without_its_password(empty_file: Path) -> None:
    refused = run_without("", empty_file, "manage.py", "serve")
    assert refused.returncode == 1
    assert refused.stderr.startswith("signet: the database can't be reached: ")
    assert refused.stderr.count("\n") == 1
    assert "hush-hush" not in refused.stderr


@pytest.mark.spec("RFC 9700 §4.13 forwarding-headers")
@pytest.mark.parametrize(
    ("proxies", "seen"), [([], "10.0.0.9"), (["10.0.0.9"], "203.0.113.7"), (["10.0.0.8"], "10.0.0.9")]
)
def test_only_a_trusted_proxy_says_where_a_request_comes_from(
    realm: Realm, monkeypatch: pytest.MonkeyPatch, settings: LazySettings, proxies: list[str], seen: str
) -> None:
    wsgi = importlib.import_module("idp_project.wsgi")  # reads the keys, so not before a test may
    addresses: list[str] = []
    monkeypatch.setattr(wsgi, "get_wsgi_application", lambda: lambda env, _: addresses.append(env["REMOTE_ADDR"]))
    settings.IDP_TRUSTED_PROXIES = proxies
    wsgi.build_application()({"REMOTE_ADDR": "10.0.0.9", "HTTP_X_FORWARDED_FOR": "198.51.100.1, 203.0.113.7"}, None)
    assert addresses == [seen]


@pytest.mark.spec("issue 5: dead-man: a late rotation is said, and takes no server down")
def test_an_overdue_rotation_is_said_and_the_server_starts(
    realm: Realm, started: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ring = add_ring(realm=realm, algorithm="ES256", actor="test", now=realm.created_at)
    assert ring.looked_after_at is None
    call_command("serve")
    assert len(started) == 1
    said = capsys.readouterr().err
    assert said.startswith("keys.E008: Ring default sign ES256: ")
    assert "No key of this ring may sign since" in said
