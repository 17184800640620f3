"""The file of dead keys when a process is killed beside it: nothing that died is forgotten."""

import os
import signal
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from keys import dead_keys_file
from keys.dead_keys import Fate
from keys.dead_keys_file import dead_keys
from keys.models import KeyRing
from keys.selectors import key_by_kid, keys_of
from keys.services import dead_keys as keeping
from keys.services.compromise import compromise
from keys.services.dead_keys import remember_all
from keys.services.rotation import rotate
from tests.conftest import ACTOR
from tests.keys.processes import KILLED, in_child, killed_at, killed_before

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def file(tmp_path: Path, settings: LazySettings) -> Path:
    path = tmp_path / "dead_keys"
    path.touch()
    settings.IDP_DEAD_KEYS_FILE = str(path)
    return path


@pytest.fixture
def kid(es256_ring: KeyRing, file: Path) -> str:
    """The key that signs."""
    rotate(es256_ring, now=timezone.now(), actor=ACTOR)
    return min(keys_of(es256_ring.pk), key=lambda key: key.activates_at).kid


def healed(kid: str) -> None:
    """The next run writes down what is missing, once."""
    assert remember_all(timezone.now()) == 1
    assert dead_keys().fates == {kid: Fate.COMPROMISED}
    assert remember_all(timezone.now()) == 0


@pytest.mark.spec("keys.md dead keys: SIGKILL between the commit and the file is healed by the next rotate_keys")
def test_killed_between_the_commit_and_the_file(file: Path, kid: str) -> None:
    assert in_child(killed_at(keeping, "append", lambda: compromise(key_by_kid(kid), actor=ACTOR))) == KILLED
    assert key_by_kid(kid).compromised_at is not None
    assert file.read_bytes() == b""
    healed(kid)


@pytest.mark.spec("keys.md dead keys: a line that SIGKILL cut off is passed over, and written again")
def test_killed_in_the_middle_of_the_line(file: Path, kid: str) -> None:
    write = os.write

    def half(to: int, said: bytes) -> int:
        write(to, said[:100])
        os.kill(os.getpid(), signal.SIGKILL)
        return len(said)

    def cut_off() -> None:
        os.write = half  # type: ignore[assignment]
        compromise(key_by_kid(kid), actor=ACTOR)

    assert in_child(cut_off) == KILLED
    assert len(file.read_bytes()) == 100
    assert dead_keys().garbled == 1
    healed(kid)


@pytest.mark.spec("keys.md dead keys: nothing is in the file that is not committed, wherever a process is killed")
def test_killed_anywhere_the_file_is_never_ahead_of_the_database(file: Path, kid: str) -> None:
    for step in range(1, 40):
        outcome = in_child(killed_before(step, lambda: compromise(key_by_kid(kid), actor=ACTOR)))
        dead_keys_file.forget()
        if key_by_kid(kid).compromised_at is None:
            assert (outcome, dead_keys().fates) == (KILLED, {})
        else:
            break
    assert outcome == 0, "between the commit and the file stands no statement"
    assert dead_keys().fates == {kid: Fate.COMPROMISED}
