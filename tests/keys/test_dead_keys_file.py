"""The file of dead keys: what dies gets into it, and what it says holds against every row."""

import multiprocessing
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.utils import timezone

from audit.models import Event
from keys import api, dead_keys_file
from keys.dead_keys import DeadKey, Fate
from keys.dead_keys_file import append, dead_keys
from keys.errors import DeadKeysUnreadable, NoSigningKey, PublishedSetUnavailable, TokenRefused
from keys.models import KeyPair, KeyRing
from keys.published_set import published_sets
from keys.selectors import key_by_kid, keys_of
from keys.services.burial import bury
from keys.services.compromise import compromise
from keys.services.dead_keys import remember_all
from keys.services.retirement import retire_rings
from keys.services.rings import add_ring
from keys.services.rotation import preview, rotate
from keys.signer import signer
from realms.models import Realm
from tests.conftest import ACTOR
from tests.keys.commands import run

HOUR = timedelta(hours=1)


@pytest.fixture
def file(tmp_path: Path, settings: LazySettings) -> Path:
    """Where dead keys are remembered; it is there, and empty."""
    path = tmp_path / "dead_keys"
    path.touch()
    settings.IDP_DEAD_KEYS_FILE = str(path)
    return path


def forget() -> None:
    signer.forget()
    published_sets.forget()


def living(ring: KeyRing) -> list[KeyPair]:
    return sorted((key for key in keys_of(ring.pk) if key.compromised_at is None), key=lambda key: key.activates_at)


def write(key: KeyPair, fate: Fate, now: datetime) -> None:
    append([DeadKey(key.kid, fate, now, key.kid, "default")])


def token(realm: Realm, now: datetime) -> api.SignedToken:
    claims = {"iss": realm.issuer, "sub": "x", "aud": "y", "iat": int(now.timestamp()),
              "exp": int((now + HOUR).timestamp())}  # fmt: skip
    return api.sign_jwt(claims, realm=realm, typ="at+jwt", now=now)


@pytest.mark.spec("keys.md dead keys: written once the compromise is committed, and before it returns")
@pytest.mark.django_db(transaction=True)
def test_a_compromise_is_in_the_file_when_it_returns(file: Path, es256_ring: KeyRing, now: datetime) -> None:
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    key, standby = living(es256_ring)
    compromise(key, actor=ACTOR, clock=lambda: now)
    assert dead_keys().fates == {key.kid: Fate.COMPROMISED}
    assert standby.kid not in file.read_text()


@pytest.mark.spec("keys.md dead keys: what is rolled back never died")
@pytest.mark.django_db(transaction=True)
def test_a_compromise_that_is_rolled_back_is_not_in_the_file(file: Path, es256_ring: KeyRing, now: datetime) -> None:
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        compromise(living(es256_ring)[0], actor=ACTOR, clock=lambda: now)
        raise ZeroDivisionError
    assert dead_keys().fates == {}


@pytest.mark.spec("keys.md dead keys: a wiped private half is remembered as such")
@pytest.mark.django_db(transaction=True)
def test_a_wiped_key_is_remembered_as_destroyed(file: Path, es256_ring: KeyRing, now: datetime) -> None:
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    first = living(es256_ring)[0]
    later = es256_ring.rotation_period + now + HOUR
    rotate(es256_ring, now=later, actor=ACTOR, clock=lambda: later)
    assert dead_keys().fates == {first.kid: Fate.DESTROYED}


@pytest.mark.spec("keys.md dead keys: a crash between commit and file is healed by the next rotate_keys")
def test_the_next_rotate_keys_adds_what_a_crash_left_out(file: Path, es256_ring: KeyRing) -> None:
    rotate(es256_ring, now=timezone.now(), actor=ACTOR)
    key = living(es256_ring)[0]
    compromise(key, actor=ACTOR)  # the test's own transaction is never committed: that is the crash
    assert dead_keys().fates == {}
    assert "dead keys written down: 1" in run("rotate_keys").out
    assert dead_keys().fates == {key.kid: Fate.COMPROMISED}
    assert remember_all(timezone.now()) == 0


@pytest.mark.spec("keys.md dead keys: distrust never waits for the file")
@pytest.mark.django_db(transaction=True)
def test_a_file_that_cannot_be_written_takes_no_distrust_back(
    file: Path, es256_ring: KeyRing, now: datetime, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    key = living(es256_ring)[0]
    settings.IDP_DEAD_KEYS_FILE = str(file / "no folder")
    compromise(key, actor=ACTOR, clock=lambda: now)
    assert key_by_kid(key.kid).compromised_at == now
    assert f"dead_keys.not_written ring={es256_ring.pk} kids={key.kid}" in caplog.text


@pytest.mark.spec("keys.md dead keys: a compromised key neither signs, nor is published, nor verifies")
def test_a_compromised_key_is_dead_before_rotate_keys_ran(file: Path, bootstrapped: Realm, now: datetime) -> None:
    signed = token(bootstrapped, now)
    write(key_by_kid(signed.kid), Fate.COMPROMISED, now)
    forget()
    with pytest.raises(NoSigningKey):
        token(bootstrapped, now)
    assert signed.kid not in api.public_jwks("default", now=now).keys
    with pytest.raises(TokenRefused, match="No published key"):
        api.verify_jwt(signed.token, realm=bootstrapped, typ="at+jwt", now=now)


@pytest.mark.spec("keys.md dead keys: a running worker follows the file within its TTLs")
def test_a_running_worker_follows_the_file(file: Path, bootstrapped: Realm, now: datetime) -> None:
    signed = token(bootstrapped, now)
    write(key_by_kid(signed.kid), Fate.COMPROMISED, now)
    for memory in signer._memories.values():
        memory.read_at -= 6
    with pytest.raises(NoSigningKey):
        token(bootstrapped, now)


@pytest.mark.spec("keys.md dead keys: a destroyed key signs no more, and its public half goes on verifying")
def test_a_destroyed_key_goes_on_verifying(file: Path, bootstrapped: Realm, now: datetime) -> None:
    signed = token(bootstrapped, now)
    write(key_by_kid(signed.kid), Fate.DESTROYED, now)
    forget()
    with pytest.raises(NoSigningKey):
        token(bootstrapped, now)
    assert api.verify_jwt(signed.token, realm=bootstrapped, typ="at+jwt", now=now).kid == signed.kid


@pytest.mark.spec("keys.md dead keys: a key of the mac ring that is dead tags and checks nothing")
def test_a_dead_key_of_the_mac_ring_checks_no_tag(file: Path, bootstrapped: Realm, now: datetime) -> None:
    kid = api.tagging_kid(realm=bootstrapped, expires_at=now + HOUR, at=now)
    tag = api.mac(b"message", realm=bootstrapped, kid=kid, now=now)
    write(key_by_kid(kid), Fate.COMPROMISED, now)
    forget()
    assert not api.check_mac(b"message", tag, realm=bootstrapped, kid=kid, now=now)


@pytest.mark.spec("keys.md rotate_keys: first distrusts again what the file of dead keys knows")
def test_rotate_keys_condemns_again_and_says_why(file: Path, es256_ring: KeyRing, now: datetime) -> None:
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    key, standby = living(es256_ring)
    write(key, Fate.COMPROMISED, now)
    later = now + HOUR
    assert preview(es256_ring, now=later, clock=lambda: later).steps[0][1] == key.kid
    report = rotate(es256_ring, now=later, actor=ACTOR, clock=lambda: later)
    assert report.steps[0][1] == key.kid
    row = key_by_kid(key.kid)
    assert (row.compromised_at, row.destroyed_at, row.sealed_private) == (later, later, None)
    assert living(es256_ring)[0].kid == standby.kid
    assert living(es256_ring)[0].activates_at == later
    assert len(living(es256_ring)) == 2
    event = Event.objects.get(name="key.compromised")
    assert (event.target, event.reason) == (key.kid, "listed in the file of dead keys")
    assert rotate(es256_ring, now=later, actor=ACTOR, clock=lambda: later).steps == []


@pytest.mark.spec("keys.md dead keys: a destroyed key is wiped again; one that would sign is distrusted")
def test_a_destroyed_key_is_wiped_again_or_distrusted_where_it_would_sign(
    file: Path, es256_ring: KeyRing, now: datetime
) -> None:
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    first, second = living(es256_ring)
    after = second.activates_at + timedelta(seconds=1)  # before the regular wipe
    write(first, Fate.DESTROYED, now)
    rotate(es256_ring, now=after, actor=ACTOR, clock=lambda: after)
    row = key_by_kid(first.kid)
    assert (row.compromised_at, row.destroyed_at) == (None, after)
    write(second, Fate.DESTROYED, now)
    third = living(es256_ring)[-1]
    rotate(es256_ring, now=after, actor=ACTOR, clock=lambda: after)
    assert key_by_kid(second.kid).compromised_at == after
    assert key_by_kid(third.kid).activates_at == after


@pytest.mark.spec("keys.md dead keys: a retired ring comes to its end all the same")
@pytest.mark.parametrize("which", [0, 1])
def test_a_dead_key_of_a_ring_that_was_retired_is_distrusted_and_the_ring_ends(
    file: Path, realm: Realm, es256_ring: KeyRing, now: datetime, which: int
) -> None:
    add_ring(realm=realm, algorithm="Ed25519", actor=ACTOR, now=now)
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    near = living(es256_ring)[1].activates_at - timedelta(seconds=1)  # so the standby is the last key
    retire_rings(realm=realm, algorithm="ES256", actor=ACTOR, clock=lambda: near)
    ring = KeyRing.objects.get(pk=es256_ring.pk)
    assert [key.ends_ring for key in living(ring)] == [False, True]
    dead = living(ring)[which]
    write(dead, Fate.COMPROMISED, now)
    bury(ring, moment=near, actor=ACTOR)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert key_by_kid(dead.kid).compromised_at == near
    assert [(key.ends_ring, key.deactivates_at is not None) for key in living(ring)] == [(True, True)]


@pytest.mark.spec("keys.md dead keys: where all are dead, a new signer is made")
@pytest.mark.parametrize("fate", list(Fate))
def test_a_ring_whose_keys_are_all_dead_gets_new_ones(
    file: Path, es256_ring: KeyRing, now: datetime, fate: Fate
) -> None:
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    before = living(es256_ring)
    for key in before:
        write(key, fate, now)
    later = now + HOUR
    rotate(es256_ring, now=later, actor=ACTOR, clock=lambda: later)
    after = living(es256_ring)
    assert len(after) == 2
    assert not {key.kid for key in before} & {key.kid for key in after}
    assert after[0].activates_at == later
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.spec("keys.md dead keys: without the file a process trusts no key")
def test_a_process_that_never_read_the_file_trusts_no_key(file: Path, bootstrapped: Realm, now: datetime) -> None:
    file.unlink()
    dead_keys_file.forget()
    forget()
    with pytest.raises(NoSigningKey, match="file of dead keys"):
        token(bootstrapped, now)
    with pytest.raises(PublishedSetUnavailable):
        api.public_jwks("default", now=now)


@pytest.mark.spec("keys.md dead keys: a process that read the file once goes on with what it read")
def test_a_file_that_becomes_unreadable_stops_nobody_who_read_it(
    file: Path, bootstrapped: Realm, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    kid = token(bootstrapped, now).kid
    standby = next(key for key in keys_of(key_by_kid(kid).ring_id) if key.kid != kid)
    write(standby, Fate.COMPROMISED, now)
    assert dead_keys().fates == {standby.kid: Fate.COMPROMISED}
    file.unlink()
    forget()
    assert token(bootstrapped, now).kid == kid
    assert standby.kid not in api.public_jwks("default", now=now).keys
    assert "dead_keys.unreadable" in caplog.text


@pytest.mark.spec("keys.md rotate_keys: writes no keys while the file of dead keys can't be read")
def test_rotate_keys_refuses_where_the_file_cannot_be_made(
    tmp_path: Path, settings: LazySettings, es256_ring: KeyRing, now: datetime
) -> None:
    settings.IDP_DEAD_KEYS_FILE = str(tmp_path / "no folder" / "dead_keys")
    with pytest.raises(DeadKeysUnreadable):
        rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    assert not KeyPair.objects.exists()


@pytest.mark.spec("keys.md dead keys: rotate_keys makes the file, for no other user")
def test_the_first_rotation_makes_the_file(file: Path, es256_ring: KeyRing, now: datetime) -> None:
    file.unlink()
    rotate(es256_ring, now=now, actor=ACTOR, clock=lambda: now)
    assert file.stat().st_mode & 0o7137 == 0


@pytest.mark.spec("keys.md dead keys: a file without bounds is not read")
def test_a_file_that_is_absurdly_long_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_keys_file, "MOST_BYTES", 100)
    file.write_text("x" * 101)
    with pytest.raises(DeadKeysUnreadable, match="longer than 100 bytes"):
        dead_keys()


def _append_many(first: int, go: Callable[[], object]) -> None:
    go()
    for number in range(first, first + 200):
        append([DeadKey(f"key{number}", Fate.COMPROMISED, timezone.now(), "k" * 200, "default")])


@pytest.mark.spec("keys.md dead keys: several processes append at once, and nothing is lost")
def test_processes_that_append_at_once_lose_nothing(file: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    writers = [context.Process(target=_append_many, args=(1000 * n, barrier.wait)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    found = dead_keys()
    assert (len(found.fates), found.garbled) == (800, 0)


@pytest.mark.spec("keys.md dead keys: nobody keeps one unless a file is named")
def test_nothing_is_kept_where_no_file_is_named(settings: LazySettings) -> None:
    settings.IDP_DEAD_KEYS_FILE = ""
    append([DeadKey("one", Fate.COMPROMISED, timezone.now(), "one", "default")])
    assert dead_keys().fates == {}
    assert remember_all(timezone.now()) == 0
