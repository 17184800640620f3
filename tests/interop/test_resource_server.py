"""The example service through several rotations, and through a compromise, which no propagation prepares."""

from pathlib import Path

import pytest

from tests.interop.processes import wait_until
from tests.interop.provider import JWKS, Provider, kid_of
from tests.interop.resource_server import running_notes

pytestmark = pytest.mark.interop
SECONDS_OF_COOLDOWN = 10


@pytest.mark.spec("keys.md, the promise; keys.md, compromise")
def test_a_service_goes_on_through_rotations_and_a_compromise(settled: Provider, tmp_path: Path) -> None:
    with running_notes(settled, tmp_path) as notes:
        tokens = []
        for _ in range(3):
            tokens.append(notes.token())
            assert [notes.ask(token).status_code for token in tokens] == [200] * len(tokens)
            settled.publish_standbys()
            settled.rotate()
        last = notes.token()
        assert notes.ask(last).status_code == 200
        assert len({kid_of(token) for token in [*tokens, last]}) == len(tokens) + 1
        asked = settled.times_asked_for(JWKS)
        settled.manage("compromise_key", kid_of(last))
        wait_until(lambda: kid_of(notes.token()) != kid_of(last), seconds=20, what="another key signs")
        fresh = notes.token()
        wait_until(
            lambda: notes.ask(fresh).status_code == 200, seconds=2 * SECONDS_OF_COOLDOWN, what="it fetched the new key"
        )
        assert settled.times_asked_for(JWKS) > asked
        assert notes.ask(last).status_code == 401
