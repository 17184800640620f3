"""`manage.py export_config`: what there is, as import_config takes it, and nothing secret."""

import base64
import json
import logging

import pytest
from django.conf import LazySettings
from django.db import connection

from idp_project.configuration.schema import REGISTERED
from keys.models import KeyPair
from realms.models import Realm
from tests.idp_project.configuration.documents import CLIENTS, document, exported, imported, shop
from tests.keys.commands import run
from tokens.models import Client

pytestmark = [pytest.mark.django_db, pytest.mark.spec("issue 3 of 6: export_config")]
Patch = pytest.MonkeyPatch


def forget_everything() -> None:
    """As on the day when the tables were made."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is deferred would stand in the way
        cursor.execute("TRUNCATE realms_realm CASCADE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    assert not Client.objects.exists()


def test_an_export_makes_an_equal_database_of_an_empty_one(db: None, monkeypatch: Patch) -> None:
    assert imported(monkeypatch, document(shop=shop(registration="open", direct_sign_in=False), b=shop())).code == 0
    before = exported()
    assert list(before["realms"]) == ["b", "shop"]
    forget_everything()
    ran = imported(monkeypatch, before)
    assert ran.code == 0, ran.err
    assert exported() == before
    assert imported(monkeypatch, before).json["changes"] == []
    assert (Realm.objects.count(), Client.objects.filter(enabled=False).count()) == (2, 3)


def test_the_text_is_always_the_same(db: None, monkeypatch: Patch) -> None:
    imported(monkeypatch, document(shop=shop()))
    first = run("export_config").out
    Client.objects.filter(client_id="app").update(name="Äpp")  # rows move when they are written
    assert run("export_config").out == first
    assert '"client_name": "Äpp"' in first
    assert list(json.loads(first)["realms"]["shop"]["clients"]) == sorted(CLIENTS)


def test_everything_that_can_be_registered_is_said(db: None, monkeypatch: Patch) -> None:
    imported(monkeypatch, document(shop=shop()))
    clients = exported()["realms"]["shop"]["clients"]
    for members in clients.values():
        assert members.keys() == {"client_name", "enabled", *REGISTERED}
    for client_id, given in CLIENTS.items():
        assert {name: clients[client_id][name] for name in given} == given
    ring = exported()["realms"]["shop"]["rings"]["mac HMAC-SHA256"]
    assert ring == {
        "rotation_period": "P90D", "propagation": ring["propagation"], "max_token_lifetime": "P90D",
        "clock_skew": ring["clock_skew"], "verifier_leeway": ring["verifier_leeway"], "patience": "PT0S",
        "custodian": "local", "custody": "envelope",
    }  # fmt: skip


@pytest.mark.spec("issue 3 of 6: secrets never in clear")
def test_no_secret_is_exported_or_logged(
    db: None, monkeypatch: Patch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    done = imported(monkeypatch, document(shop=shop()))
    told = run("export_config").out
    again = imported(monkeypatch, json.loads(told)).out
    captured = capfd.readouterr()
    secrets = list(done.json["client_secrets"]["shop"].values())
    digests = [digest for client in Client.objects.all() for digest in client.secret_digests]
    assert (len(secrets), len(digests)) == (2, 2)
    salts = [bytes(salt) for salt in Realm.objects.values_list("pairwise_salt", flat=True)]
    sealed = [bytes(half) for half in KeyPair.objects.values_list("sealed_private", flat=True) if half is not None]
    encoded = [text for raw in salts + sealed for text in (raw.hex(), base64.b64encode(raw).decode())]
    kids = list(KeyPair.objects.values_list("kid", flat=True))
    for text in (told, again):
        for never in (*secrets, *digests, *encoded, *kids):
            assert never not in text
    logged = caplog.text + captured.out + captured.err
    assert "client.created realm=shop" in logged
    for never in (*secrets, *digests, *encoded):
        assert never not in logged


def test_only_the_realms_that_are_named_are_exported(db: None, monkeypatch: Patch) -> None:
    imported(monkeypatch, document(a={}, b={}, c={}))
    assert list(exported("--realm", "b", "--realm", "a")["realms"]) == ["a", "b"]
    ran = run("export_config", "--realm", "a", "--realm", "nowhere")
    assert (ran.code, ran.out, ran.err) == (2, "", "There is no realm 'nowhere'.")


def test_without_issuers_it_fits_another_stage(db: None, monkeypatch: Patch, settings: LazySettings) -> None:
    imported(monkeypatch, document(shop=shop()))
    whole, portable = exported(), exported("--portable")
    assert "issuer" not in portable["realms"]["shop"]
    forget_everything()
    settings.IDP_ISSUER = "https://stage.example.test"
    assert imported(monkeypatch, whole).code == 2
    assert imported(monkeypatch, portable).code == 0
    assert Realm.objects.get().issuer == "https://stage.example.test/realms/shop"
    assert exported("--portable") == portable


def test_the_default_realm_of_bootstrap_comes_back(realm: Realm, monkeypatch: Patch) -> None:
    assert run("bootstrap").code == 0
    before = exported()
    forget_everything()
    assert imported(monkeypatch, before).code == 0
    assert exported() == before
    assert run("bootstrap").out == ""


def test_an_empty_database_is_an_empty_configuration(db: None) -> None:
    assert exported() == {"version": 1, "realms": {}}
