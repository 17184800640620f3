"""RSA keys are short here: nothing looks at them, and long ones take long to make."""

import pytest

from keys.models import KeyRing
from keys.services import rotation
from keys.services.minting import Material, make_material


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def material(ring: KeyRing) -> Material:
        return make_material(KeyRing(algorithm=ring.algorithm, bits=2048) if ring.bits else ring)

    monkeypatch.setattr(rotation, "make_material", material)
