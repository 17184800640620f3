"""Two imports at once do what one after the other would do."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Event
from idp_project.configuration import applying, rows
from idp_project.configuration.applying import Imported, apply_import
from idp_project.configuration.document import parse
from idp_project.configuration.schema import SCHEMA
from idp_project.errors import ConfigurationRefused
from idp_project.provisioning import Site
from keys.models import KeyRing
from realms.models import Realm
from realms.services import ensure_realm
from realms.terms import Terms
from tests.keys.test_concurrent_writers import InThread, waiting_for_a_lock
from tokens.models import Client

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.spec("issue 3 of 6: all or nothing, idempotent"),
]
SITE = Site(base="https://id.example.test", expired_tokens=False)
TEXT = b'{"version": 1, "realms": {"shop": {"clients": {"app": {}}}}}'


def imported() -> Imported:
    return apply_import(parse(TEXT, SCHEMA), site=SITE, given={}, actor="test", now=timezone.now())


class Held:
    """Something that has begun, and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun, self.released = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.begun.set()
        assert self.released.wait(20)


def held_back(monkeypatch: pytest.MonkeyPatch, held: Held) -> None:
    """The first import waits once it is done, before it commits."""
    original: Callable[..., Any] = rows.rows_of
    first = threading.Event()

    def rows_of(*given: Any, **named: Any) -> Any:
        found = original(*given, **named)
        if not first.is_set():
            first.set()
            held.wait()
        return found

    monkeypatch.setattr(applying, "rows_of", rows_of)


def test_the_second_of_two_imports_finds_nothing_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    held, results = Held(), dict[str, Imported]()
    held_back(monkeypatch, held)
    one = InThread(lambda: results.update(one=imported()))
    assert held.begun.wait(20)
    two = InThread(lambda: results.update(two=imported()))
    while not waiting_for_a_lock():
        assert two.is_alive()
    held.released.set()
    assert [one.outcome(), two.outcome()] == [None, None]
    assert (len(results["one"].changes), results["two"].changes) == (5, ())
    assert [list(result.secrets) for result in results.values()] == [["shop"], []]
    assert (Realm.objects.count(), KeyRing.objects.count(), Client.objects.count()) == (1, 3, 2)
    assert Event.objects.filter(name="realm.created").count() == 1


def test_a_realm_that_a_command_makes_meanwhile_stops_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    held_back(monkeypatch, held)
    one = InThread(imported)
    assert held.begun.wait(20)
    ensure_realm(slug="shop", base=SITE.base, terms=Terms(name="Ours"), now=timezone.now())
    held.released.set()
    outcome = one.outcome()
    assert isinstance(outcome, ConfigurationRefused)
    assert "meanwhile: run it again" in str(outcome)
    assert (Realm.objects.get().name, KeyRing.objects.count(), Client.objects.count()) == ("Ours", 0, 0)


def test_an_import_that_takes_too_long_turns_the_other_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "LOCK_TIMEOUT", "50ms")
    held = Held()
    held_back(monkeypatch, held)
    one = InThread(imported)
    assert held.begun.wait(20)
    with pytest.raises(ConfigurationRefused, match="Another import is running"):
        imported()
    held.released.set()
    assert one.outcome() is None
