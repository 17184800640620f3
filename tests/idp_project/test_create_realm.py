"""`manage.py create_realm`: a further issuer with everything that it needs, once."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client as HttpClient

from audit.models import Event
from keys.errors import KeysError
from keys.models import KeyPair, KeyRing
from keys.services import rotation
from keys.services.minting import Material, make_material
from realms.models import Realm
from realms.vocabulary import Registration
from tests.keys.commands import Ran, run
from tokens.models import Client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """RSA with 4096 bits takes too long here; everything else of the ring is as it will be."""

    def material(ring: KeyRing) -> Material:
        return make_material(KeyRing(algorithm="RS256", bits=2048) if ring.bits else ring)

    monkeypatch.setattr(rotation, "make_material", material)


def created(*arguments: str) -> dict[str, Any]:
    found = run("create_realm", *arguments)
    assert found.code == 0, found.err
    told: dict[str, Any] = found.json
    return told


def refused(*arguments: str) -> Ran:
    before = Realm.objects.count()
    found = run("create_realm", *arguments)
    assert (found.code, found.out) == (2, "")
    assert (Realm.objects.count(), "Traceback" in found.err) == (before, False)
    return found


@pytest.mark.spec("issue 3 of 6: manage.py create_realm")
def test_a_realm_is_made_with_all_that_it_needs_and_signs_at_once(settings: LazySettings) -> None:
    told = created("shop")
    rings = ["expired_test ES256", "mac HMAC-SHA256", "sign ES256", "sign RS256 4096"]
    assert told == {
        "slug": "shop", "issuer": f"{settings.IDP_ISSUER}/realms/shop", "name": "shop", "enabled": True,
        "registration": "closed", "require_second_factor": False, "accent": "", "accent_dark": "",
        "access_token_lifetime": "PT10M",
        "refresh_idle_lifetime": "P7D",
        "refresh_absolute_lifetime": "P30D", "rings": rings, "created": True,
    }  # fmt: skip
    assert all(ring.keys.count() == 2 for ring in KeyRing.objects.all())
    assert Client.objects.get().client_id == "signet-direct"
    event = Event.objects.get(name="realm.created")
    assert (event.realm, event.actor, event.target) == ("shop", "command:create_realm", told["issuer"])
    answer = HttpClient().get("/realms/shop/.well-known/openid-configuration", secure=True)
    assert answer.json()["issuer"] == told["issuer"]


@pytest.mark.spec("issue 3 of 6: manage.py create_realm")
def test_every_option_reaches_its_column(db: None) -> None:
    created(
        "shop", "--name", "The Shöp", "--registration", "open", "--require-second-factor",
        "--accent", "#1f6f54", "--accent-dark", "#7ad6c7", "--access-token-lifetime", "PT5M",
        "--refresh-idle-lifetime", "P1D", "--refresh-absolute-lifetime", "P2DT12H",
    )  # fmt: skip
    realm = Realm.objects.get()
    assert (realm.name, realm.registration) == ("The Shöp", Registration.OPEN)
    assert realm.require_second_factor
    assert (realm.accent, realm.accent_dark) == ("#1f6f54", "#7ad6c7")
    lifetimes = (realm.access_token_lifetime, realm.refresh_idle_lifetime, realm.refresh_absolute_lifetime)
    assert lifetimes == (timedelta(minutes=5), timedelta(days=1), timedelta(hours=60))


@pytest.mark.spec("issue 3 of 6: idempotent")
def test_a_second_run_changes_nothing_and_says_so(db: None) -> None:
    first = created("shop", "--name", "Shop")
    keys, events = set(KeyPair.objects.values_list("kid", flat=True)), Event.objects.count()
    Realm.objects.update(registration="open")
    for again in (("shop",), ("shop", "--name", "Shop")):
        assert created(*again) == first | {"created": False, "registration": "open"}
    assert (set(KeyPair.objects.values_list("kid", flat=True)), Event.objects.count()) == (keys, events)
    assert (
        "another access_token_lifetime and name"
        in refused("shop", "--name", "Other", "--access-token-lifetime", "PT5M").err
    )
    assert Realm.objects.get().name == "Shop"


@pytest.mark.spec("issue 3 of 6: what was stopped in the middle is completed")
def test_a_run_that_was_stopped_is_completed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_named: object) -> None:
        raise KeysError("No key can be made.")

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "make_material", broken)
        found = run("create_realm", "shop")
        assert (found.code, found.out, "No key can be made." in found.err) == (1, "", True)
    assert (KeyRing.objects.count(), KeyPair.objects.count()) == (4, 0)
    assert created("shop")["created"] is False
    assert KeyPair.objects.count() == 8
    assert Event.objects.filter(name="realm.created").count() == 1


@pytest.mark.spec("house.md: all rows or none")
def test_a_realm_without_its_rings_is_never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_named: object) -> None:
        raise KeysError("No ring.")

    monkeypatch.setattr("keys.services.bootstrapping.add_ring", broken)
    assert run("create_realm", "shop").code == 1
    assert (Realm.objects.count(), Event.objects.count(), Client.objects.count()) == (0, 0, 0)


@pytest.mark.spec("keys.md Rows: an issuer never changes once made")
def test_the_issuer_follows_from_the_slug_and_never_moves(settings: LazySettings) -> None:
    assert created("default")["issuer"] == settings.IDP_ISSUER
    created("shop")
    settings.IDP_ISSUER = "https://elsewhere.example.test"
    found = run("create_realm", "shop")
    assert (found.code, "can't move to https://elsewhere.example.test/realms/shop" in found.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("",), "A slug has"),
        (("Shop",), "A slug has"),
        (("a/b",), "A slug has"),
        (("shop\n",), "A slug has"),
        (("shop-",), "A slug has"),
        (("x" * 64,), "A slug has"),
        (("shop", "--name", ""), "name: A name has"),
        (("shop", "--name", "x" * 201), "name: A name has"),
        (("shop", "--name", "a\nb"), "name: A name has"),
        (("shop", "--name", "\udcff"), "name: A name has"),
        (("shop", "--access-token-lifetime", "PT16M"), "15 minutes at most"),
        (("shop", "--access-token-lifetime", "PT0S"), "above nought"),
        (("shop", "--access-token-lifetime=-PT1M"), "ISO 8601"),
        (("shop", "--access-token-lifetime", "5 minutes"), "ISO 8601"),
        (("shop", "--access-token-lifetime", ""), "ISO 8601"),
        (("shop", "--refresh-idle-lifetime", "P999999999D"), "ten years"),
        (("shop", "--refresh-idle-lifetime", "P999999999DT999999999H"), "ISO 8601"),
        (("shop", "--refresh-idle-lifetime", "P31D"), "whole life of a grant"),
    ],
)
@pytest.mark.spec("issue 3 of 6: one sentence a fault")
def test_what_no_realm_can_be_is_refused(db: None, arguments: tuple[str, ...], why: str) -> None:
    assert why in refused(*arguments).err


@pytest.mark.spec("realms/hooks.py: no realm promises what its rings can't vouch for")
def test_a_grant_lives_no_longer_than_the_rings_vouch_for(db: None) -> None:
    found = refused("shop", "--refresh-absolute-lifetime", "P91D")
    assert "mac HMAC-SHA256 vouches for 90 days at most" in found.err
    assert (Realm.objects.count(), KeyRing.objects.count()) == (0, 0)
