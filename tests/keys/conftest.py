"""What the tests of keys share."""

import pytest

from keys.custodians.local import LocalCustodian
from realms.models import Realm


@pytest.fixture
def sealed_for_good(bootstrapped: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing can be unsealed, so whatever is served was served without a secret."""

    def explode(*_: object, **__: object) -> bytes:
        raise AssertionError("something was unsealed")

    monkeypatch.setattr(LocalCustodian, "unwrap", explode)
