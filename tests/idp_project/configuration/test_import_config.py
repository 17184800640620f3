"""`manage.py import_config`: a database becomes like a document, all of it or nothing."""

import json
from typing import Any

import pytest
from django.conf import LazySettings

from audit.models import Event
from idp_project.configuration import applying
from idp_project.configuration.document import MAX_BYTES
from keys.errors import KeysError, MissingMasterSecret
from keys.models import KeyPair, KeyRing
from keys.services import rotation
from realms.models import Realm
from tests.idp_project.configuration.documents import (
    CLIENTS,
    PEOPLE,
    PRIVATE,
    document,
    everything,
    exported,
    imported,
    shop,
)
from tests.keys.commands import Ran, run
from tokens.client_auth.secret import digest_of
from tokens.models import Client
from tokens.services.clients import ClientIdTaken, create_client

pytestmark = [pytest.mark.django_db, pytest.mark.spec("issue 3 of 6: import_config")]
TWO_HOSTS = {"redirect_uris": ["https://a.example.test/", "https://b.example.test/"]}
Patch = pytest.MonkeyPatch


@pytest.fixture
def shopped(db: None, monkeypatch: Patch) -> dict[str, Any]:
    """A database with the realm `shop`, and what the import said."""
    ran = imported(monkeypatch, document(shop=shop()))
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json
    return found


@pytest.fixture
def rows(db: None, monkeypatch: Patch) -> None:
    """The same without keys, which takes less long to make."""
    with monkeypatch.context() as patched:
        patched.setattr(
            "idp_project.management.commands.import_config.follow_with_keys", lambda *_given, **_named: None
        )
        assert imported(monkeypatch, document(shop=shop())).code == 0


def refused(monkeypatch: Patch, wanted: Any, *why: str) -> str:
    """Both ways refuse it, in the same words, and nothing is written."""
    before = everything()
    ran = imported(monkeypatch, wanted)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert imported(monkeypatch, wanted, "--dry-run") == ran
    assert everything() == before
    assert "Traceback" not in ran.err
    for part in why:
        assert part in ran.err
    return ran.err


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


def test_lifetimes_and_policies_are_held_against_each_other_as_they_will_be(rows: None, monkeypatch: Patch) -> None:
    longer = {"refresh_absolute_lifetime": "P100D"}
    refused(monkeypatch, document(shop=longer), "rings/mac HMAC-SHA256/max_token_lifetime", "100 days")
    both = longer | {"rings": {"mac HMAC-SHA256": {"max_token_lifetime": "P101D"}}}
    assert imported(monkeypatch, document(shop=both)).code == 0
    shorter = {"mac HMAC-SHA256": {"max_token_lifetime": "P99D"}}
    refused(monkeypatch, document(shop={"rings": shorter}), "refresh tokens live for 100 days")


def test_a_client_may_rest_on_what_the_same_document_makes(shopped: dict[str, Any], monkeypatch: Patch) -> None:
    client = {"clients": {"new": {"access_token_signed_response_alg": "ES384", "access_token_lifetime": "PT12M"}}}
    refused(monkeypatch, document(shop=client), "no ring that signs access tokens with ES384", "at most the realm's")
    whole = client | {"rings": {"sign ES384": {}}, "access_token_lifetime": "PT15M"}
    assert imported(monkeypatch, document(shop=whole)).code == 0


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"issuer": "https://elsewhere.example.test/realms/shop"}, "realms/shop/issuer: it never changes"),
        ({"clients": {"app": {"subject_type": "public", "sector_identifier": ""}}}, "app/subject_type: it never"),
        ({"clients": {"app": {"sector_identifier": "other.example.test"}}}, "app/sector_identifier: it never changes"),
        ({"clients": {"machine": {"token_endpoint_auth_method": "client_secret_post"}}}, "machine/token_endpoint_auth"),
        ({"clients": {"app": {"token_endpoint_auth_method": "client_secret_basic"}}}, "register another client"),
        ({"name": ""}, "realms/shop/name: A name has"),
        ({"access_token_lifetime": "PT16M"}, "realms/shop/access_token_lifetime: An access token lives for 15"),
        ({"refresh_idle_lifetime": "P31D"}, "refresh_idle_lifetime: It can't be longer"),
        ({"refresh_absolute_lifetime": "P3651D"}, "ten years"),
        ({"rings": {"sign ES256": {"propagation": "PT1S"}}}, "rings/sign ES256: The propagation of"),
        ({"rings": {"sign ES256": {"rotation_period": "P1D"}}}, "rings/sign ES256: The rotation period of"),
        ({"rings": {"sign ES256": {"clock_skew": "P3000D"}}}, "rings/sign ES256: The propagation of"),
        ({"rings": {"sign ES256": {"clock_skew": "PT0S"}}}, "clock skew must be a second"),
        ({"clients": {"app": {"client_name": ""}}}, "clients/app: A name has"),
        ({"clients": {"app": {"redirect_uris": []}}}, "redirect URIs exactly when"),
        ({"clients": {"app": {"redirect_uris": ["http://app.example.test/cb"]}}}, "The redirect URI"),
        ({"clients": {"app": {"require_pkce": False}}}, "RFC 9700 §2.1.1"),
        ({"clients": {"machine": {"scope": "a  b"}}}, "'' is no scope"),
        ({"clients": {"machine": {"access_token_lifetime": "PT11M"}}}, "at most the realm's"),
        ({"clients": {"machine": {"id_token_signed_response_alg": "none"}}}, "Nothing is signed with the alg 'none'"),
        ({"clients": {"machine": {"userinfo_signed_response_alg": "HS256"}}}, "Nothing is signed with the alg"),
        ({"clients": {"machine": {"id_token_signed_response_alg": "x" * 99}}}, "Nothing is signed with the alg"),
        ({"clients": {"app": {"userinfo_encrypted_response_alg": "x" * 99}}}, "Nothing is encrypted with the alg"),
        ({"clients": {"signer": {"jwks": None}}}, "JWK Set exactly when"),
        ({"clients": {"new": {"jwks": {"keys": []}}}}, "jwks: it is refused: A JWK Set has a list"),
        (
            {"clients": {"new": {**PEOPLE, **TWO_HOSTS, "subject_type": "pairwise"}}},
            "Pairwise subjects need",
        ),
        ({"clients": {"new": {"sector_identifier": "a" * 300, "subject_type": "pairwise"}}}, "Pairwise subjects need"),
        ({"clients": {"new": {"client_uri": "https://a.test/" + "x" * 1990}}}, "client_uri: it has to be a text"),
    ],
)
def test_what_the_commands_and_the_admin_refuse_is_refused_with_its_place(
    rows: None, monkeypatch: Patch, members: dict[str, Any], fault: str
) -> None:
    assert "realms/shop" in refused(monkeypatch, document(shop=members), fault)


def test_a_new_realm_has_no_other_issuer_than_its_slug_gives_it(
    db: None, monkeypatch: Patch, settings: LazySettings
) -> None:
    wrong = document(shop=shop(issuer="https://staging.example.test/realms/shop"))
    refused(monkeypatch, wrong, f"realms/shop/issuer: here it is {settings.IDP_ISSUER}/realms/shop")
    right = document(shop=shop(issuer=f"{settings.IDP_ISSUER}/realms/shop"))
    assert imported(monkeypatch, right).code == 0


def test_a_client_is_never_called_what_a_person_is(rows: None, monkeypatch: Patch) -> None:
    monkeypatch.setattr("tokens.services.clients.subject_exists", lambda name: name == "ana")
    refused(monkeypatch, document(shop={"clients": {"ana": {}}}), "clients/ana: A client can't be called")


def test_all_faults_are_told_a_line_each(rows: None, monkeypatch: Patch) -> None:
    told = refused(
        monkeypatch, document(shop={"name": "", "clients": {"app": {"client_name": ""}}}, b={"name": "\u200e"})
    )
    places = ["realms/b/name", "realms/shop/name", "realms/shop/clients/app"]
    assert [line.split(":")[0] for line in told.splitlines()] == places


@pytest.mark.spec("issue 3 of 6: secrets never in clear")
def test_a_private_key_is_refused_and_never_repeated(
    rows: None, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    private = {"clients": {"signer": {"jwks": {"keys": [PRIVATE["keys"][0] | {"d": "canary-of-d"}]}}}}
    told = refused(monkeypatch, document(shop=private), "clients/signer/jwks: it is refused", "this one has leaked")
    named = {"clients": {"app": {"client_secret": "canary-secret", "secret_digests": ["canary-digest"]}}}
    told += refused(monkeypatch, document(shop=named), "app/client_secret: there is no such member")
    assert "canary" not in told + caplog.text


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no plain JSON|not plain JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "version: this is no configuration of version 1"),
        (b'{"version": 2, "realms": {}}', "version: this is no"),
        (b'{"version": true, "realms": {}}', "version: this is no"),
        (b'{"version": 1.0, "realms": {}}', "version: this is no"),
        (b'{"version": "1", "realms": {}}', "version: this is no"),
        (b'{"version": 1}', "realms: it has to be a JSON object"),
        (b'{"version": 1, "realms": []}', "realms: it has to be a JSON object"),
        (b'{"version": 1, "realms": {}, "upstreams": {}}', "upstreams: there is no such member"),
        (b'{"version": 1, "realms": {}, "realms": {}}', "each member once"),
        (b'{"version": 1, "realms": {"a": {"name": "a", "name": "a"}}}', "each member once"),
        (b'{"version": NaN, "realms": {}}', "not plain JSON"),
        (b'{"version": 1, "realms": {"a": {"name": Infinity}}}', "not plain JSON"),
        (b'{"version": 1' + b"0" * 5000 + b"}", "not plain JSON"),
        (b'{"version": 1, "realms": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "not plain JSON"),
        (b"\xff", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not plain JSON"),
        (b'{"version": 1, "realms": {}} x', "not plain JSON"),
        (b" " * (MAX_BYTES + 1), f"at most {MAX_BYTES} bytes"),
    ],
)  # fmt: skip
@pytest.mark.spec("RFC 8259 §4")
def test_what_is_no_configuration_is_refused(db: None, monkeypatch: Patch, text: bytes, why: str) -> None:
    told = refused(monkeypatch, text)
    assert any(part in told for part in why.split("|"))
    assert len(told) < 200


@pytest.mark.parametrize("name", ["/nowhere/at/all", "/", "a\0b"])
def test_a_file_that_cannot_be_read_is_told(db: None, name: str) -> None:
    ran = run("import_config", name)
    assert (ran.code, ran.out) == (2, "")
    assert "can't be read" in ran.err


def test_a_file_is_read(db: None, tmp_path: Any) -> None:
    file = tmp_path / "configuration.json"
    file.write_text(json.dumps(document()))
    assert run("import_config", str(file)).json["changes"] == []
