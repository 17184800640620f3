"""The mark beside the file of dead keys: it is written whole, and a damaged one stops nobody."""

import os
import uuid
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from keys.errors import DatabaseRestored, DeadKeysUnreadable
from keys.models import MarkCount
from keys.restore_mark import RestoreMark, read_mark, write_mark
from keys.services.restore_marks import mark_database, restored

pytestmark = [pytest.mark.django_db, pytest.mark.spec("keys.md restore: a database that went back in time is noticed")]


@pytest.fixture
def mark(tmp_path: Path, settings: LazySettings) -> Path:
    settings.IDP_DEAD_KEYS_FILE = str(tmp_path / "dead_keys")
    return tmp_path / "dead_keys.mark"


def test_each_run_counts_the_database_first_and_then_the_mark(mark: Path) -> None:
    for count in (1, 2, 3):
        assert mark_database(timezone.now()) == 0
        found = read_mark()
        assert found is not None
        assert (found.count, MarkCount.objects.get().count) == (count, count)
        assert restored() == ""
    assert mark.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in mark.parent.iterdir()] == [mark.name]


def test_a_crash_between_database_and_mark_is_no_restore(mark: Path) -> None:
    mark_database(timezone.now())
    before = mark.read_bytes()
    mark_database(timezone.now())
    mark.write_bytes(before)
    assert restored() == ""
    assert mark_database(timezone.now()) == 0


@pytest.mark.parametrize("lost", ["older", "unknown"])
def test_a_database_that_went_back_is_noticed_until_the_epoch_is_raised(
    mark: Path, settings: LazySettings, lost: str
) -> None:
    for _ in range(3):
        mark_database(timezone.now())
    if lost == "older":
        MarkCount.objects.update(count=2)
    else:
        MarkCount.objects.all().delete()
    for _ in range(2):
        with pytest.raises(DatabaseRestored, match="Set IDP_HANDLE_EPOCH to 1"):
            mark_database(timezone.now())
    settings.IDP_HANDLE_EPOCH = 1
    assert restored() == ""
    assert mark_database(timezone.now()) == 1
    assert mark_database(timezone.now()) == 0
    settings.IDP_HANDLE_EPOCH = 0
    with pytest.raises(DatabaseRestored, match="set it to 1"):
        mark_database(timezone.now())


def _mark(count: str) -> bytes:
    return f'{{"id":"{uuid.UUID(int=7)}","count":{count},"epoch":0}}'.encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"id":7,"count":1,"epoch":0}',
        _mark("1e999"),
        _mark("-1"),
        _mark(str(2**63)),
        b"[" * 1024,
    ],
)
def test_a_damaged_mark_is_made_anew(mark: Path, raw: bytes, caplog: pytest.LogCaptureFixture) -> None:
    mark.write_bytes(raw)
    assert read_mark() is None
    assert "restore_mark.damaged" in caplog.text
    assert mark_database(timezone.now()) == 0
    assert read_mark() is not None


def test_a_mark_that_cannot_be_read_or_written_is_said(mark: Path, settings: LazySettings) -> None:
    os.mkfifo(mark)
    with pytest.raises(DeadKeysUnreadable, match="no regular file"):  # and /readyz doesn't wait for it
        read_mark()
    mark.unlink()
    mark.mkdir()
    with pytest.raises(DeadKeysUnreadable):
        read_mark()
    with pytest.raises(DeadKeysUnreadable):
        write_mark(RestoreMark(uuid.uuid4(), 1, 0))


def test_nobody_marks_where_no_file_is_named(settings: LazySettings) -> None:
    settings.IDP_DEAD_KEYS_FILE = ""
    assert mark_database(timezone.now()) == 0
    assert not MarkCount.objects.exists()
    assert restored() == ""
    write_mark(RestoreMark(uuid.uuid4(), 1, 0))
