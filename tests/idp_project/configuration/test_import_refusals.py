"""What `manage.py import_config` refuses, in either way: in a sentence with its place, and without a trace."""

from typing import Any

import pytest
from django.conf import LazySettings

from idp_project.configuration.document import MAX_BYTES
from tests.idp_project.configuration.documents import PEOPLE, PRIVATE, document, imported, refused, shop
from tests.keys.commands import run

pytestmark = [pytest.mark.django_db, pytest.mark.spec("issue 3 of 6: import_config")]
TWO_HOSTS = {"redirect_uris": ["https://a.example.test/", "https://b.example.test/"]}
Patch = pytest.MonkeyPatch


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


def test_what_no_column_can_hold_is_refused_whatever_the_rules_say(rows: None, monkeypatch: Patch) -> None:
    monkeypatch.setattr("idp_project.configuration.checking.refuse_faults", lambda *_given, **_named: None)
    wanted = document(shop={"clients": {"machine": {"id_token_signed_response_alg": "x" * 99}}})
    refused(monkeypatch, wanted, "clients/machine/id_token_signed_response_alg: ", "at most 16 characters")


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
