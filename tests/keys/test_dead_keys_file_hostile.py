"""The file of dead keys where it is replaced, emptied, something else than a file, or can't be written."""

import os
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from keys import dead_keys_file
from keys.dead_keys import DeadKey, Fate, lines
from keys.dead_keys_file import append, dead_keys, dead_keys_for_writing
from keys.errors import DeadKeysUnreadable
from keys.models import KeyRing
from keys.selectors import key_by_kid, keys_of
from keys.services.rotation import rotate
from tests.conftest import ACTOR
from tests.keys.commands import run


@pytest.fixture
def file(tmp_path: Path, settings: LazySettings) -> Path:
    """Where dead keys are remembered; it is there, and empty."""
    path = tmp_path / "dead_keys"
    path.touch()
    settings.IDP_DEAD_KEYS_FILE = str(path)
    return path


def dead(name: str, fate: Fate = Fate.COMPROMISED) -> DeadKey:
    return DeadKey(name, fate, timezone.now(), name, "default")


@pytest.mark.spec("keys.md dead keys: what is no regular file remembers nothing, and nobody waits for it")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(file: Path, settings: LazySettings, kind: str) -> None:
    write_one = [dead("one")]
    append(write_one)
    assert dead_keys().fates
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to(os.devnull)
    assert dead_keys().fates == {"one": Fate.COMPROMISED}, "what was read is still known"
    dead_keys_file.forget()
    for ask in (dead_keys, dead_keys_for_writing, lambda: append(write_one)):
        with pytest.raises(DeadKeysUnreadable):
            ask()


@pytest.mark.spec("keys.md dead keys: what a worker has read as dead stays dead in it")
def test_a_file_that_is_emptied_revives_nothing_in_a_process(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    append([dead("one"), dead("two")])
    assert len(dead_keys().fates) == 2
    file.write_text("")
    append([dead("one", Fate.DESTROYED)])
    assert dead_keys().fates == {"one": Fate.COMPROMISED, "two": Fate.COMPROMISED}
    assert "dead_keys.lines_lost lines=1" in caplog.text
    assert dead_keys_for_writing().fates == {"one": Fate.DESTROYED}, "so rotate_keys writes the others again"


@pytest.mark.spec("keys.md dead keys: read again when it has changed, however soon, and whatever its time says")
def test_every_change_of_the_file_is_noticed(file: Path) -> None:
    append([dead("one")])
    before = file.stat()
    assert dead_keys().fates == {"one": Fate.COMPROMISED}
    append([dead("two")])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # within one tick
    assert dead_keys().fates.keys() == {"one", "two"}
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # a tick of the kernel's clock: what dies takes longer
        file.write_bytes(lines([dead("one"), dead("six")]))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as cp -p and rsync do
    assert file.stat().st_size == before.st_size
    assert "six" in dead_keys().fates


@pytest.mark.spec("keys.md rotate_keys --dry-run: changes nothing, not even a file")
def test_a_dry_run_makes_no_file(file: Path, es256_ring: KeyRing) -> None:
    file.unlink()
    assert run("rotate_keys", "--dry-run").code == 0
    assert not file.exists()


@pytest.mark.spec("keys.md dead keys: compromise_key says when the file could not be written, and exits 1")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("as_json", [False, True])
def test_compromise_key_says_that_the_file_could_not_be_written(
    file: Path, es256_ring: KeyRing, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    rotate(es256_ring, now=timezone.now(), actor=ACTOR)
    key = min(keys_of(es256_ring.pk), key=lambda each: each.activates_at)
    monkeypatch.setattr(os, "write", lambda *_: 0)
    ran = run("compromise_key", key.kid, *(["--json"] if as_json else []))
    monkeypatch.undo()
    assert (ran.code, "can't be written: the disk is full" in ran.err) == (1, True)
    assert key_by_kid(key.kid).compromised_at is not None
    assert len([each for each in keys_of(es256_ring.pk) if each.compromised_at is None]) == 2, (
        "and its successor is made all the same"
    )
    assert not as_json or ran.json["condemned"] == [key.kid]
    assert run("rotate_keys").code == 0
    assert dead_keys().fates[key.kid] is Fate.COMPROMISED
