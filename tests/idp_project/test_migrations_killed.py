"""A migration of algorithms that is killed anywhere is made up for by the next run."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest
from django.utils import timezone

from audit.models import Event
from audit.vocabulary import EventName
from idp_project.algorithm_migration import start
from keys import hooks
from keys.models import KeyPair, KeyRing
from keys.selectors import timetable_of
from keys.services.retirement import retire_rings
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.timetable import KeyState, state_at
from realms.models import Realm
from tests.keys.processes import KILLED, in_child, killed_before
from tests.tokens.clients import register
from tokens.models import Client
from tokens.services.algorithm_moves import Move, move_clients

pytestmark = [pytest.mark.django_db(transaction=True)]

ROUNDS = 20
LONG_AGO = timedelta(days=10)
CLIENTS = ("first", "second", "third")


@pytest.fixture(autouse=True)
def _no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The housekeeping of the apps above is theirs to test."""
    monkeypatch.setattr(hooks._hooks, "housekeeping", {})


@pytest.fixture
def realms() -> Iterator[Realm]:
    """Realms of their own, as many as one wants, each with rings for ES256 and Ed25519 that every verifier knows."""

    def make() -> Iterator[Realm]:
        for number in count():
            slug, then = f"r{number}", timezone.now() - LONG_AGO
            own = Realm.objects.create(slug=slug, name=slug, issuer=f"https://{slug}.example.test", created_at=then)
            for algorithm in ("ES256", "Ed25519"):
                ring = add_ring(realm=own, algorithm=algorithm, actor="test", now=then)
                rotate(ring, now=then, actor="test", clock=lambda moment=then: moment)  # type: ignore[misc]
            yield own

    return make()


def killed_everywhere(prepare: Callable[[], Callable[[], object]], check: Callable[[bool], None]) -> int:
    """Kill some work before each statement in turn; have it run again; look both times.

    Arguments:
        prepare: makes what is worked on anew, and gives back the work.
        check: looks at what is there; told whether the work has been made up for.

    Returns:
        How many were killed.
    """
    step = 0
    while True:
        step += 1
        work = prepare()
        outcome = in_child(killed_before(step, work))
        assert outcome in (0, KILLED)
        check(False)
        work()
        check(True)
        if outcome == 0:
            return step - 1


def kill_starts(realms: Iterator[Realm]) -> int:
    """A ring that is begun: it is there with both its keys, or a later run makes what is missing."""
    present: list[Realm] = []

    def prepare() -> Callable[[], object]:
        present[:] = [next(realms)]
        return lambda: start(
            realm=present[0], algorithm="ES384", bits=None, actor="test", reason="", clock=timezone.now
        )

    def check(done: bool) -> None:
        keys = KeyPair.objects.filter(ring__realm=present[0], ring__algorithm="ES384").order_by("activates_at")
        states = [state_at(timetable_of(key), timezone.now()) for key in keys]
        assert states in (
            [[KeyState.ACTIVE, KeyState.PRE_ACTIVE]] if done else [[], [KeyState.ACTIVE, KeyState.PRE_ACTIVE]]
        )

    return killed_everywhere(prepare, check)


def kill_moves(realm: Realm, now: datetime) -> int:
    """A share of the clients that moves: all of them or none, each with its event."""
    for client_id in CLIENTS:
        register(realm, client_id)

    def moved() -> set[str]:
        return set(Client.objects.filter(realm=realm, client_id__in=CLIENTS).values_list("access_token_alg", flat=True))

    def events() -> int:
        return Event.objects.filter(name=EventName.CLIENT_ALGORITHM_MOVED, realm=realm.slug).count()

    before: list[int] = []

    def prepare() -> Callable[[], object]:
        move_clients(Move("ES256", "Ed25519", percent=0, back=True), realm=realm, actor="test", now=now)
        before[:] = [events()]
        return lambda: move_clients(Move("ES256", "Ed25519", percent=100), realm=realm, actor="test", now=now)

    def check(done: bool) -> None:
        assert moved() in ([{"Ed25519"}] if done else [{"ES256"}, {"Ed25519"}])
        assert events() - before[0] == (len(CLIENTS) if moved() == {"Ed25519"} else 0)

    return killed_everywhere(prepare, check)


def kill_retirements(realms: Iterator[Realm]) -> int:
    """A ring that comes to its end: it goes on as before, or it has its end and nothing waits in it."""
    present: list[KeyRing] = []

    def prepare() -> Callable[[], object]:
        realm = next(realms)
        present[:] = [KeyRing.objects.get(realm=realm, algorithm="Ed25519")]
        return lambda: retire_rings(realm=realm, algorithm="Ed25519", actor="test")

    def check(done: bool) -> None:
        present[0].refresh_from_db()
        keys = list(KeyPair.objects.filter(ring=present[0]).order_by("activates_at"))
        retired = present[0].retired_at is not None
        assert retired or not done
        assert [key.ends_ring for key in keys] == [retired, False]
        assert (keys[1].withdrawn_at is not None) is (keys[1].sealed_private is None) is retired

    return killed_everywhere(prepare, check)


@pytest.mark.spec("issue 5: SIGKILL at every statement of migrate, the short form")
def test_a_migration_killed_anywhere_is_made_up_for(realms: Iterator[Realm]) -> None:
    assert kill_starts(realms) > 10
    assert kill_moves(next(realms), timezone.now()) > 5
    assert kill_retirements(realms) > 8


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.spec("issue 5: SIGKILL at every statement of migrate, the long form: twenty times each")
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_a_migration_killed_anywhere_is_made_up_for_every_time(realms: Iterator[Realm], turn: int) -> None:
    assert kill_starts(realms) > 0
    assert kill_moves(next(realms), timezone.now()) > 0
    assert kill_retirements(realms) > 0
