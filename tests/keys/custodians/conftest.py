"""Each custodian of the table, one after the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from keys.custodians import Custodian
from tests.keys.custodians.benches import BENCHES, Bench


@pytest.fixture(params=BENCHES)
def bench(
    request: pytest.FixtureRequest, settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """One custodian at work."""
    with BENCHES[request.param](settings, tmp_path / "bench", monkeypatch) as found:
        yield found


@pytest.fixture
def custodian(bench: Bench) -> Custodian:
    """The custodian alone."""
    return bench.custodian
