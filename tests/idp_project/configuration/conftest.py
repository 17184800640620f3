"""A database that was imported into. RSA keys are short here: nothing looks at them, and long ones take long."""

from typing import Any

import pytest

from keys.models import KeyRing
from keys.services import rotation
from keys.services.minting import Material, make_material
from tests.idp_project.configuration.documents import document, imported, shop


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def material(ring: KeyRing) -> Material:
        return make_material(KeyRing(algorithm=ring.algorithm, bits=2048) if ring.bits else ring)

    monkeypatch.setattr(rotation, "make_material", material)


@pytest.fixture
def shopped(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A database with the realm `shop`, and what the import said."""
    ran = imported(monkeypatch, document(shop=shop()))
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json
    return found


@pytest.fixture
def rows(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without keys, which takes less long to make."""
    with monkeypatch.context() as patched:
        patched.setattr(
            "idp_project.management.commands.import_config.follow_with_keys", lambda *_given, **_named: None
        )
        assert imported(monkeypatch, document(shop=shop())).code == 0
