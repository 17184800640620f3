"""export_keys and import_keys: into an empty ring as they were, beside others to verify alone, and never a dead one."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from audit.models import Event
from keys import api, dead_keys_file, key_export
from keys.algorithms import Purpose
from keys.dead_keys import DeadKey, Fate, name_of
from keys.dead_keys_file import append
from keys.errors import ExportRefused, KeysError, NoSigningKey
from keys.jwk import thumbprint_uri
from keys.key_export import ExportedRing, KeyExport, from_document, passphrase_seal
from keys.models import KeyPair, KeyRing
from keys.published_set import published_sets
from keys.selectors import key_by_kid
from keys.services.compromise import compromise
from keys.services.exporting import export_keys
from keys.services.importing import Outcome, import_ring
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.conftest import ACTOR
from tests.keys.commands import Ran, run

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PASSPHRASE = b"correct horse battery staple"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_export, "_stretched", lambda phrase, salt, _cost: hashlib.sha256(phrase + salt).digest())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def passphrase(folder: Path) -> str:
    path = folder / "passphrase"
    path.write_bytes(PASSPHRASE + b"\n")
    path.chmod(0o600)
    return str(path)


def wiped() -> None:
    """An installation that has lost its keys: the realm and nothing else."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE keys_keypair DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM keys_keypair")
        cursor.execute("ALTER TABLE keys_keypair ENABLE TRIGGER USER")
        cursor.execute("DELETE FROM keys_keyring")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    forget()


def forget() -> None:
    signer.forget()
    published_sets.forget()


def consistent() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def exported(now: datetime) -> KeyExport:
    document, _ = export_keys(realm=None, seal=passphrase_seal(PASSPHRASE), actor=ACTOR, now=now)
    return from_document(document, passphrase=PASSPHRASE, unwrap=None)


def take_in(export: KeyExport, now: datetime) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for ring in export.rings:
        found |= dict(import_ring(ring, actor=ACTOR, clock=lambda: now).outcomes)
    consistent()
    return found


def rows() -> dict[str, tuple[object, ...]]:
    names = ("kid", "public_jwk", "max_lifetime", "published_at", "activates_at", "deactivates_at", "unpublishes_at",
             "compromised_at", "destroyed_at", "created_at", "ring__algorithm")  # fmt: skip
    return {row[0]: row for row in KeyPair.objects.values_list(*names)}


def token(realm: Realm, now: datetime) -> api.SignedToken:
    at = int(now.timestamp())
    claims = {"iss": realm.issuer, "sub": "x", "aud": "y", "iat": at, "exp": at + 600}
    return api.sign_jwt(claims, realm=realm, typ="at+jwt", now=now)


def verifies(signed: api.SignedToken, realm: Realm, now: datetime) -> bool:
    forget()
    return api.verify_jwt(signed.token, realm=realm, typ="at+jwt", now=now).kid == signed.kid


def signing(kids: list[KeyPair]) -> KeyPair:
    return min(kids, key=lambda key: key.activates_at)


class TestIntoNothing:
    @pytest.mark.spec("keys.md import_keys: into a ring without keys they come as they were")
    def test_everything_comes_back_as_it_was(self, bootstrapped: Realm, now: datetime) -> None:
        later = now + 91 * DAY  # with a wiped key and a new standby
        for ring in KeyRing.objects.all():
            rotate(ring, now=later, actor=ACTOR, clock=lambda: later)
        signed = token(bootstrapped, later)
        tagger = api.tagging_kid(realm=bootstrapped, expires_at=later + HOUR, at=later)
        tag = api.mac(b"message", realm=bootstrapped, kid=tagger, now=later)
        before, export = rows(), exported(later)
        wiped()
        assert set(take_in(export, later).values()) == {Outcome.AS_EXPORTED}
        assert rows() == before
        assert verifies(signed, bootstrapped, later)
        assert token(bootstrapped, later).kid == signed.kid
        assert api.check_mac(b"message", tag, realm=bootstrapped, kid=tagger, now=later)
        assert Event.objects.filter(name="key.imported").count() == len(before)
        exports = Event.objects.get(name="keys.exported").details
        assert exports["sealed_by"] == "passphrase"

    @pytest.mark.spec("keys.md import_keys: a takeover that has passed meanwhile has passed")
    def test_a_takeover_that_has_passed_has_passed(self, bootstrapped: Realm, now: datetime) -> None:
        first = token(bootstrapped, now).kid
        export = exported(now)
        wiped()
        later = now + 100 * DAY
        take_in(export, later)
        second = token(bootstrapped, later).kid
        assert second != first
        for ring in KeyRing.objects.all():
            rotate(ring, now=later, actor=ACTOR, clock=lambda: later)
        consistent()
        assert token(bootstrapped, later).kid == second

    @pytest.mark.spec("keys.md import_keys: importing again changes nothing")
    def test_importing_twice_changes_nothing(self, bootstrapped: Realm, now: datetime) -> None:
        before, export = rows(), exported(now)
        assert set(take_in(export, now).values()) == {Outcome.LEFT}
        assert rows() == before

    @pytest.mark.spec("keys.md import_keys: a compromised key comes as compromised")
    def test_a_compromised_key_stays_so(self, bootstrapped: Realm, es256_ring: KeyRing, now: datetime) -> None:
        compromise(signing(list(KeyPair.objects.filter(ring=es256_ring))), actor=ACTOR, clock=lambda: now + HOUR)
        before, export = rows(), exported(now + HOUR)
        wiped()
        take_in(export, now + HOUR)
        assert rows() == before


class TestDead:
    @pytest.fixture(autouse=True)
    def _file(self, folder: Path, settings: LazySettings) -> None:
        (folder / "dead_keys").touch()
        settings.IDP_DEAD_KEYS_FILE = str(folder / "dead_keys")

    @pytest.mark.spec("keys.md export_keys: no private half leaves that is dead by the file of dead keys")
    @pytest.mark.parametrize("fate", list(Fate))
    def test_what_a_restored_dump_revived_is_not_exported(
        self, bootstrapped: Realm, es256_ring: KeyRing, now: datetime, fate: Fate
    ) -> None:
        dead = signing(list(KeyPair.objects.filter(ring=es256_ring)))
        append([DeadKey(dead.kid, fate, now, dead.kid, "default")])
        with pytest.raises(ExportRefused, match="run rotate_keys"):
            exported(now)
        rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
        halves = {key.kid: key.private for ring in exported(now).rings for key in ring.keys}
        assert halves[dead.kid] is None

    @pytest.mark.spec("keys.md import_keys: replaying an old export revives no key that died after it")
    @pytest.mark.parametrize("fate", list(Fate))
    def test_an_old_export_revives_nothing(
        self, bootstrapped: Realm, es256_ring: KeyRing, now: datetime, fate: Fate
    ) -> None:
        signed, export = token(bootstrapped, now), exported(now)
        dead = KeyPair.objects.get(kid=signed.kid)
        append([DeadKey(name_of(dead.kid, dead.public_jwk), fate, now, dead.kid, "default")])
        wiped()
        later = now + HOUR
        take_in(export, later)
        row = KeyPair.objects.get(kid=signed.kid)
        assert (row.compromised_at, row.sealed_private) == (later, None)
        assert row.destroyed_at == later
        assert token(bootstrapped, later).kid != signed.kid  # the standby took over
        assert signed.kid not in api.public_jwks("default", now=later).keys

    @pytest.mark.spec("keys.md import_keys: a key that is distrusted in the database is not revived")
    def test_a_key_that_died_here_is_left_dead(
        self, bootstrapped: Realm, es256_ring: KeyRing, now: datetime, settings: LazySettings
    ) -> None:
        settings.IDP_DEAD_KEYS_FILE = ""
        export = exported(now)
        key = signing(list(KeyPair.objects.filter(ring=es256_ring)))
        compromise(key, actor=ACTOR, clock=lambda: now + HOUR)
        assert take_in(export, now + HOUR)[key.kid] is Outcome.LEFT
        assert KeyPair.objects.get(pk=key.pk).compromised_at == now + HOUR

    @pytest.mark.spec("keys.md import_keys: all keys of a ring may be dead; the next rotation makes others")
    def test_a_ring_of_dead_keys_gets_others(self, bootstrapped: Realm, now: datetime) -> None:
        export = exported(now)
        append([
            DeadKey(name_of(key.kid, key.public_jwk), Fate.COMPROMISED, now, key.kid, "default")
            for key in KeyPair.objects.all()
        ])  # fmt: skip
        wiped()
        later = now + HOUR
        assert set(take_in(export, later).values()) == {Outcome.COMPROMISED}
        with pytest.raises(NoSigningKey):
            token(bootstrapped, later)
        for ring in KeyRing.objects.all():
            rotate(ring, now=later, actor=ACTOR, clock=lambda: later)
        forget()
        assert token(bootstrapped, later).kid
        consistent()


class TestBeside:
    @pytest.fixture
    def others(self, bootstrapped: Realm, now: datetime) -> tuple[KeyExport, api.SignedToken, tuple[str, bytes]]:
        """An export, and what its keys signed and tagged; the installation has made new keys since."""
        signed = token(bootstrapped, now)
        tagger = api.tagging_kid(realm=bootstrapped, expires_at=now + HOUR, at=now)
        tag = api.mac(b"message", realm=bootstrapped, kid=tagger, now=now)
        export = exported(now)
        wiped()
        for algorithm, purpose in (("ES256", Purpose.SIGN), ("HMAC-SHA256", Purpose.MAC)):
            ring = add_ring(realm=bootstrapped, algorithm=algorithm, purpose=purpose, actor=ACTOR, now=now)
            rotate(ring, now=now, actor=ACTOR, clock=lambda: now)
        return export, signed, (tagger, tag)

    @pytest.mark.spec("keys.md import_keys: beside other keys they verify and never sign")
    def test_they_verify_and_never_sign(
        self, bootstrapped: Realm, now: datetime, others: tuple[KeyExport, api.SignedToken, tuple[str, bytes]]
    ) -> None:
        export, signed, (tagger, tag) = others
        present = token(bootstrapped, now).kid
        before = rows()
        outcomes = take_in(export, now)
        assert outcomes[signed.kid] is Outcome.BESIDE
        assert {kid: row for kid, row in rows().items() if kid in before} == before
        assert verifies(signed, bootstrapped, now)
        assert token(bootstrapped, now).kid == present
        row = KeyPair.objects.get(kid=signed.kid)
        assert (row.sealed_private, row.destroyed_at) == (None, now)
        assert api.check_mac(b"message", tag, realm=bootstrapped, kid=tagger, now=now)
        assert api.tagging_kid(realm=bootstrapped, expires_at=now + HOUR, at=now) != tagger
        assert set(take_in(export, now).values()) == {Outcome.LEFT}

    @pytest.mark.spec(
        "keys.md import_keys: what was imported beside others leaves the JWKS in time, and rotation goes on"
    )
    def test_they_leave_in_time(
        self, bootstrapped: Realm, now: datetime, others: tuple[KeyExport, api.SignedToken, tuple[str, bytes]]
    ) -> None:
        export, signed, _ = others
        take_in(export, now)
        for days in (1, 8, 91, 200):
            later = now + days * DAY
            for ring in KeyRing.objects.all():
                rotate(ring, now=later, actor=ACTOR, clock=lambda later=later: later)  # type: ignore[misc]
            consistent()
            forget()
            assert (signed.kid in api.public_jwks("default", now=later).keys) == (days < 7)

    @pytest.mark.spec("keys.md import_keys: a key that is known to be dead comes as compromised")
    def test_a_dead_one_comes_as_compromised(
        self, folder: Path, bootstrapped: Realm, now: datetime, settings: LazySettings,
        others: tuple[KeyExport, api.SignedToken, tuple[str, bytes]],
    ) -> None:  # fmt: skip
        export, signed, _ = others
        settings.IDP_DEAD_KEYS_FILE = str(folder / "dead_keys")
        append([DeadKey(signed.kid, Fate.COMPROMISED, now, signed.kid, "default")])
        assert take_in(export, now)[signed.kid] is Outcome.COMPROMISED
        forget()
        assert signed.kid not in api.public_jwks("default", now=now).keys
        assert KeyPair.objects.get(kid=signed.kid).compromised_at == now


class TestRefusals:
    def refused(self, ring: ExportedRing, now: datetime) -> None:
        before = rows()
        with pytest.raises(KeysError):
            import_ring(ring, actor=ACTOR, clock=lambda: now)
        assert rows() == before

    @pytest.mark.spec("keys.md import_keys: another issuer, another realm")
    def test_another_issuer_is_refused(self, bootstrapped: Realm, now: datetime) -> None:
        ring = exported(now).rings[0]
        self.refused(replace(ring, issuer="https://other.example"), now)
        self.refused(replace(ring, realm="nowhere"), now)

    @pytest.mark.spec("keys.md import_keys: keys that are not what their ring says, or halves of two keys")
    def test_unsound_keys_are_refused(self, bootstrapped: Realm, now: datetime) -> None:
        export = exported(now)
        ring = next(ring for ring in export.rings if ring.purpose == "sign")
        mac = next(ring for ring in export.rings if ring.purpose == "mac")
        one, two = ring.keys
        assert one.public_jwk is not None
        wiped()
        for key in (
            replace(one, private=two.private),
            replace(one, private=b"rubbish"),
            replace(one, public_jwk=None),
            replace(one, public_jwk={**one.public_jwk, "alg": "ES384"}),
            replace(one, public_jwk={**one.public_jwk, "kid": "x"}),
            replace(one, public_jwk={**one.public_jwk, "d": "AAAA"}),
            replace(one, kid="a b"),
            replace(one, activates_at=one.activates_at - 400 * DAY),
            replace(one, deactivates_at=None, unpublishes_at=None),
            replace(one, max_lifetime=timedelta(0)),
        ):
            self.refused(replace(ring, keys=[key, two]), now)
        self.refused(replace(ring, keys=[one]), now)
        self.refused(replace(ring, keys=mac.keys), now)
        self.refused(replace(mac, keys=[replace(mac.keys[0], private=b"short")]), now)
        self.refused(replace(ring, algorithm="ES384"), now)
        self.refused(replace(ring, algorithm="HS256"), now)
        self.refused(replace(ring, purpose="signing"), now)
        self.refused(replace(ring, custodian="nobody"), now)


class TestCommands:
    @pytest.fixture
    def file(self, folder: Path) -> str:
        return str(folder / "keys.json")

    def export(self, file: str, passphrase: str) -> Ran:
        return run("export_keys", file, "--passphrase-file", passphrase)

    @pytest.fixture
    def keys(self, es256_ring: KeyRing) -> list[str]:
        rotate(es256_ring, now=timezone.now(), actor=ACTOR)
        return sorted(rows())

    @pytest.mark.spec("keys.md export_keys: written for its owner alone, and over nothing")
    def test_there_and_back(
        self, keys: list[str], realm: Realm, file: str, passphrase: str, folder: Path, settings: LazySettings
    ) -> None:
        settings.IDP_DEAD_KEYS_FILE = str(folder / "dead_keys")
        ran = self.export(file, passphrase)
        assert ran.code == 0, ran.err
        assert "default sign ES256: 2 keys, 2 with their private halves" in ran.out
        assert Path(file).stat().st_mode & 0o777 == 0o600
        again = self.export(file, passphrase)
        assert (again.code, "is there already" in again.err) == (2, True)
        wiped()
        dry = run("import_keys", file, "--passphrase-file", passphrase, "--dry-run")
        assert (dry.code, f"would: key {keys[0]}: as exported" in dry.out) == (0, True)
        assert not rows()
        assert not (folder / "dead_keys").exists(), "a dry run changes nothing"
        ran = run("import_keys", file, "--passphrase-file", passphrase)
        assert (ran.code, "default sign ES256: new ring" in ran.out) == (0, True)
        assert sorted(rows()) == keys
        event = Event.objects.filter(name="key.imported", target=keys[0]).get()
        assert event.details["thumbprint"] == thumbprint_uri(key_by_kid(keys[0]).public_jwk or {})

    @pytest.mark.spec("keys.md export_keys: the whole file or none")
    def test_a_full_disk_leaves_no_half_of_a_file(
        self, keys: list[str], file: str, passphrase: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_file: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        ran = self.export(file, passphrase)
        monkeypatch.undo()
        assert (ran.code, "No space left" in ran.err) == (2, True)
        assert not Path(file).exists()
        Path(file).symlink_to(Path(file).parent / "elsewhere")
        assert self.export(file, passphrase).code == 2, "nor does it follow a link"
        assert not (Path(file).parent / "elsewhere").exists()

    @pytest.mark.spec("keys.md export_keys --custodian")
    def test_under_a_custodian(self, keys: list[str], realm: Realm, file: str, passphrase: str) -> None:
        assert run("export_keys", file, "--custodian", "local").code == 0
        wiped()
        assert run("import_keys", file, "--passphrase-file", passphrase).code == 2
        assert run("import_keys", file).code == 0
        assert sorted(rows()) == keys
        assert run("export_keys", file + "2", "--custodian", "nobody").code == 2
        assert run("export_keys", file + "2", "--custodian", "local", "--passphrase-file", passphrase).code == 2

    @pytest.mark.spec("keys.md import_keys: wrong passphrases, altered files and files open to others")
    def test_what_is_refused(self, keys: list[str], realm: Realm, file: str, passphrase: str, folder: Path) -> None:
        assert self.export(file, passphrase).code == 0
        wrong = folder / "wrong"
        wrong.write_bytes(b"another passphrase altogether")
        wrong.chmod(0o600)
        ran = run("import_keys", file, "--passphrase-file", str(wrong))
        assert (ran.code, "doesn't open" in ran.err) == (2, True)
        assert run("import_keys", file, "--realm", "nowhere", "--passphrase-file", passphrase).code == 2
        assert run("import_keys", file).code == 2  # no terminal
        wrong.write_bytes(b"short")
        assert run("export_keys", file + "2", "--passphrase-file", str(wrong)).code == 2
        assert not Path(file + "2").exists()
        Path(file).chmod(0o644)
        assert run("import_keys", file, "--passphrase-file", passphrase).code == 2

    @pytest.mark.spec("keys.md import_keys: a ring that fails doesn't stop the others")
    def test_one_ring_that_fails_stops_no_other(
        self, keys: list[str], realm: Realm, file: str, passphrase: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_ring(realm=realm, algorithm="ES384", actor=ACTOR, now=timezone.now())
        assert self.export(file, passphrase).code == 0
        wiped()
        real: Callable[..., object] = import_ring

        def stumble(ring: ExportedRing, **options: object) -> object:
            if ring.algorithm == "ES384":
                raise ExportRefused("No.")
            return real(ring, **options)

        monkeypatch.setattr("keys.management.commands.import_keys.import_ring", stumble)
        ran = run("import_keys", file, "--passphrase-file", passphrase)
        assert (ran.code, "FAILED: No." in ran.err) == (1, True)
        assert sorted(rows()) == keys
        dead_keys_file.forget()
