"""`manage.py import_config`: a database becomes like a document, all of it or nothing."""

import json
from typing import Any

import pytest
from django.conf import LazySettings

from audit.models import Event
from idp_project.configuration import applying
from keys.errors import KeysError, MissingMasterSecret
from keys.models import KeyPair, KeyRing
from keys.services import rotation
from realms.models import Realm
from tests.idp_project.configuration.documents import CLIENTS, document, everything, exported, imported, shop
from tests.keys.commands import Ran, run
from tokens.client_auth.secret import digest_of
from tokens.models import Client
from tokens.services.clients import ClientIdTaken, create_client

pytestmark = [pytest.mark.django_db, pytest.mark.spec("issue 3 of 6: import_config")]
Patch = pytest.MonkeyPatch


def test_a_new_realm_is_made_whole_with_keys_and_secrets_shown_this_once(
    shopped: dict[str, Any], settings: LazySettings
) -> None:
    realm = Realm.objects.get()
    assert (realm.slug, realm.name, realm.issuer) == ("shop", "Shop", f"{settings.IDP_ISSUER}/realms/shop")
    rings = [str(ring) for ring in KeyRing.objects.all()]
    assert rings == ["expired_test ES256", "mac HMAC-SHA256", "sign ES256", "sign RS256 2048"]
    assert all(ring.keys.count() == 2 for ring in KeyRing.objects.all())
    assert set(Client.objects.values_list("client_id", flat=True)) == {*CLIENTS, "signet-direct"}
    secrets = shopped["client_secrets"]["shop"]
    assert secrets.keys() == {"machine", "off"}
    for client_id, secret in secrets.items():
        assert Client.objects.get(client_id=client_id).secret_digests == [digest_of(secret)]
    assert not Client.objects.get(client_id="off").enabled
    names = list(Event.objects.filter(actor="command:import_config").values_list("name", flat=True))
    assert (names.count("realm.created"), names.count("ring.created"), names.count("client.created")) == (1, 4, 5)
    assert names.count("key.created") == 8


@pytest.mark.spec("issue 3 of 6: idempotent")
def test_a_second_import_changes_nothing_and_says_so(shopped: dict[str, Any], monkeypatch: Patch) -> None:
    before = everything()
    for wanted in (document(shop=shop()), exported(), document(shop={}), document()):
        ran = imported(monkeypatch, wanted)
        assert (ran.code, ran.json, ran.err) == (0, {"changes": [], "client_secrets": {}}, "")
        assert imported(monkeypatch, wanted, "--dry-run") == Ran("Nothing would change.\n", "", 0)
    assert everything() == before


@pytest.mark.spec("issue 3 of 6: a dry run writes nothing")
def test_a_dry_run_tells_each_change_in_a_line_and_writes_nothing(shopped: dict[str, Any], monkeypatch: Patch) -> None:
    wanted = document(
        shop={
            "access_token_lifetime": "PT300S",
            "direct_sign_in": False,
            "rings": {"sign ES256": {"max_token_lifetime": "P8D"}, "sign ES384": {}},
            "clients": {"app": {"scope": "openid"}, "machine": {"access_token_lifetime": None}, "new": {}},
        }
    )
    before = everything()
    ran = imported(monkeypatch, wanted, "--dry-run")
    assert (ran.code, ran.err) == (3, "")
    assert everything() == before
    lines = ran.out.splitlines()
    assert lines[:3] == [
        'realms/shop/access_token_lifetime: "PT10M" → "PT5M"',
        "realms/shop/direct_sign_in: true → false",
        'realms/shop/rings/sign ES256/max_token_lifetime: "P7D" → "P8D"',
    ]
    assert lines[3].startswith('realms/shop/rings/sign ES384: nothing → {"rotation_period": ')
    assert lines[4:6] == [
        'realms/shop/clients/app/scope: "openid profile" → "openid"',
        'realms/shop/clients/machine/access_token_lifetime: "PT5M" → null',
    ]
    assert lines[6].startswith('realms/shop/clients/new: nothing → {"client_name": "new", "enabled": true, ')
    assert len(lines) == 7
    done = imported(monkeypatch, wanted)
    assert done.json["changes"] == lines
    assert done.json["client_secrets"].keys() == {"shop"}
    assert done.json["client_secrets"]["shop"].keys() == {"new"}
    assert imported(monkeypatch, wanted, "--dry-run").code == 0


def test_each_change_has_its_event_and_what_is_not_named_stays(shopped: dict[str, Any], monkeypatch: Patch) -> None:
    digests = list(Client.objects.order_by("pk").values_list("secret_digests", flat=True))
    newest = Event.objects.latest("pk").pk
    wanted = document(
        shop={
            "registration": "open",
            "direct_sign_in": False,
            "rings": {"sign ES256": {"max_token_lifetime": "P8D"}},
            "clients": {"machine": {"scope": "read", "enabled": False}},
        }
    )
    assert imported(monkeypatch, wanted).code == 0
    events = Event.objects.filter(pk__gt=newest).order_by("pk")
    told = [(event.name, event.target) for event in events if not event.name.startswith("key.")]
    assert told == [
        ("realm.changed", Realm.objects.get().issuer),
        ("client.changed", "signet-direct"),
        ("ring.policy_changed", "sign ES256"),
        ("client.changed", "machine"),
    ]
    assert events[0].details == {"registration": "closed → open"}
    assert {event.actor for event in events} == {"command:import_config"}
    machine = Client.objects.get(client_id="machine")
    assert (machine.scopes, machine.enabled, machine.resources) == (["read"], False, ["https://api.example.test"])
    assert list(Client.objects.order_by("pk").values_list("secret_digests", flat=True)) == digests


@pytest.mark.spec("keys.md Rotation: no token that is out breaks")
def test_the_timetable_follows_another_policy_at_once(shopped: dict[str, Any], monkeypatch: Patch) -> None:
    wanted = document(shop={"rings": {"sign ES256": {"max_token_lifetime": "P9D"}}})
    assert imported(monkeypatch, wanted).code == 0
    signer = KeyPair.objects.filter(ring__algorithm="ES256", ring__purpose="sign").earliest("activates_at")
    assert signer.max_lifetime.days == 9


@pytest.mark.spec("house.md: all rows or none")
def test_a_conflict_in_the_middle_leaves_nothing_behind(db: None, monkeypatch: Patch) -> None:
    made: list[str] = []

    def create(**named: Any) -> Any:
        made.append(named["client_id"])
        if len(made) == 3:
            raise ClientIdTaken("Taken.")
        return create_client(**named)

    monkeypatch.setattr("idp_project.configuration.rows.create_client", create)
    before = everything()
    ran = imported(monkeypatch, document(shop=shop()))
    assert (ran.code, ran.out, len(made)) == (2, "", 3)
    assert "Somebody else made the same meanwhile" in ran.err
    assert everything() == before == [[], [], [], [], []]


def test_without_a_master_secret_no_ring_is_added(shopped: dict[str, Any], monkeypatch: Patch) -> None:
    def broken(_keys: object) -> None:
        raise MissingMasterSecret("The master secret 't1' is missing.")

    monkeypatch.setattr(applying, "prove_master_secret", broken)
    before = everything()
    ran = imported(monkeypatch, document(shop={"rings": {"sign ES384": {}}}))
    assert (ran.code, ran.out) == (1, "")
    assert "Nothing was imported: The master secret 't1' is missing." in ran.err
    assert everything() == before


def test_keys_that_could_not_be_made_are_made_by_the_next_import(db: None, monkeypatch: Patch) -> None:
    def broken(_ring: object) -> None:
        raise KeysError("No key can be made.")

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "make_material", broken)
        ran = imported(monkeypatch, document(shop=shop()))
    assert (ran.code, ran.json["client_secrets"]["shop"].keys()) == (1, {"machine", "off"})
    assert "No key can be made. Then run rotate_keys." in ran.err
    assert (KeyRing.objects.count(), KeyPair.objects.count()) == (4, 0)
    again = imported(monkeypatch, document(shop=shop()))
    assert (again.code, again.json["changes"]) == (0, [])
    assert KeyPair.objects.count() == 8


def test_a_file_is_read(db: None, tmp_path: Any) -> None:
    file = tmp_path / "configuration.json"
    file.write_text(json.dumps(document()))
    assert run("import_config", str(file)).json["changes"] == []
