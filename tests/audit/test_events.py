"""audit/: what is recorded stays recorded, with ids and no secrets."""

import logging
import re
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from audit.models import Event
from audit.selectors import events_about
from audit.services import record
from audit.vocabulary import EventName
from tests.keys.sql import execute


def something(now: datetime, target: str = "kid-1", reason: str = "") -> None:
    record(EventName.KEY_CREATED, realm="default", actor="operator:7", target=target, now=now, reason=reason,
           details={"ring": "sign ES256", "moved": 3, "forced": False, "before": None})  # fmt: skip


@pytest.mark.spec("house.md audit/: append-only security events")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET reason = 'another'",
        "UPDATE audit_event SET id = id",
        "DELETE FROM audit_event",
        "DELETE FROM audit_event WHERE id > 0",
    ],
)
def test_an_event_is_never_changed_and_never_deleted(db: None, now: datetime, statement: str) -> None:
    something(now)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        execute(statement)
    assert Event.objects.count() == 1


@pytest.mark.spec("house.md audit/: append-only security events")
def test_the_models_own_ways_are_refused_too(db: None, now: datetime) -> None:
    something(now)
    event = Event.objects.get()
    event.reason = "another"
    for way in (event.save, event.delete, Event.objects.all().delete):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            way()
    assert Event.objects.get().reason == ""


@pytest.mark.spec("house.md audit/")
def test_an_event_says_what_happened_when_to_what_and_by_whom(db: None, now: datetime) -> None:
    something(now, reason="a drill")
    event = Event.objects.get()
    assert (event.name, event.realm, event.actor, event.target) == ("key.created", "default", "operator:7", "kid-1")
    assert (event.occurred_at, event.reason) == (now, "a drill")
    assert event.details == {"ring": "sign ES256", "moved": 3, "forced": False, "before": None}
    assert str(event) == "key.created kid-1"


@pytest.mark.spec("house.md audit/: in the transaction of what it tells of")
def test_an_event_of_something_that_was_rolled_back_never_was(db: None, now: datetime) -> None:
    with transaction.atomic():
        something(now)
        transaction.set_rollback(True)
    assert not Event.objects.exists()


@pytest.mark.spec("issue 2: megabyte fields are no error")
def test_words_that_are_too_long_are_cut(db: None, now: datetime) -> None:
    record(EventName.KEY_CREATED, realm="default", actor="a" * 5000, target="t" * 5000, now=now, reason="r" * 5000)
    event = Event.objects.get()
    assert (len(event.actor), len(event.target), len(event.reason), event.details) == (200, 500, 500, {})


@pytest.mark.spec("house.md: logs hold an event name and ids")
def test_the_log_line_has_ids_and_neither_reason_nor_details(
    db: None, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "signet.audit")
    something(now, reason="hunter2")
    assert caplog.messages == ["key.created realm=default target=kid-1 actor=operator:7"]


@pytest.mark.spec("house.md audit/")
def test_the_events_of_a_target_come_newest_first(db: None, now: datetime) -> None:
    for minutes, target in enumerate(["a", "b", "a"]):
        something(now + timedelta(minutes=minutes), target=target)
    assert [event.occurred_at.minute for event in events_about("a")] == [2, 0]


@pytest.mark.spec("audit/vocabulary.py: the noun, then the past participle")
def test_every_name_has_its_form_and_fits() -> None:
    for name in EventName:
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", name.value)
        assert len(name.value) <= 64
    assert len({name.value for name in EventName}) == len(list(EventName))
