"""A configuration says who keeps the keys of a ring, and an import proves that they can before it writes."""

from typing import Any

import pytest

from audit.models import Event
from idp_project.configuration import applying
from keys.models import KeyPair, KeyRing
from tests.idp_project.configuration.documents import document, everything, exported, imported, refused

pytestmark = pytest.mark.spec("issue 5, 5: a ring can be moved between custodians as a normal rotation")


def ring(**members: Any) -> dict[str, Any]:
    return document(shop={"rings": {"sign ES256": members}})


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What custodians were asked to prove, and did."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(applying, "prove_custody", lambda **asked: found.append(asked))
    return found


def test_an_export_says_where_keys_are_kept(rows: None) -> None:
    said = exported()["realms"]["shop"]["rings"]["sign ES256"]
    assert (said["custodian"], said["custody"]) == ("local", "envelope")


def test_an_import_moves_a_ring_and_makes_no_key(
    shopped: dict[str, Any], proven: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(KeyPair.objects.order_by("pk").values())
    wanted = ring(custodian="pkcs11", custody="remote")
    ran = imported(monkeypatch, wanted)
    assert ran.code == 0, ran.err
    moved = KeyRing.objects.get(realm__slug="shop", algorithm="ES256", purpose="sign")
    assert (moved.custodian, moved.custody) == ("pkcs11", "remote")
    assert list(KeyPair.objects.order_by("pk").values()) == before
    assert proven == [{"custodian": "pkcs11", "custody": "remote", "algorithm": "ES256", "bits": None}]
    assert Event.objects.filter(name="ring.moved").count() == 1
    assert not Event.objects.filter(name="ring.policy_changed").exists()
    again = everything()
    assert imported(monkeypatch, wanted).code == 0
    assert everything() == again
    assert exported()["realms"]["shop"]["rings"]["sign ES256"]["custodian"] == "pkcs11"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"custodian": "nobody"}, "There is no custodian 'nobody'"),
        ({"custody": "remote"}, "The custodian 'local' signs nothing"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(
    rows: None, monkeypatch: pytest.MonkeyPatch, members: dict[str, str], said: str
) -> None:
    told = refused(monkeypatch, ring(**members), "sign ES256")
    assert said in told


def test_a_custodian_that_isnt_configured_gets_nothing(rows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything()
    ran = imported(monkeypatch, ring(custodian="pkcs11"))
    assert ran.code != 0
    assert "IDP_PKCS11_KEY" in ran.err
    assert everything() == before
