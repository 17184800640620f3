"""Clients in the admin: the same rules as the command's, and a secret that is shown once."""

import json
import logging
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages

from audit.models import Event
from audit.vocabulary import EventName
from keys import api
from realms.models import Realm
from tests.provider import Browser, make_person, make_realm
from tests.tokens.clients import API, jwk, jwks, key, register, register_signer
from tokens.client_auth.secret import digest_of
from tokens.client_fieldsets import GROUPS
from tokens.forms import ClientForm
from tokens.models import Client
from tokens.services.clients import add_secret
from tokens.vocabulary import DIRECT_CLIENT_ID, AuthMethod

ADD = "/admin/tokens/client/add/"
SHOWN = re.compile(rb'<code id="client-secret">([A-Za-z0-9_-]{43})</code>')


@pytest.fixture
def admin(browser: Browser, db: None) -> Browser:
    browser.force_login(make_person("root", realm=None, is_staff=True, is_superuser=True))
    return browser


def form(realm: Realm, **changes: Any) -> dict[str, Any]:
    """What the form sends."""
    return {
        "realm": str(realm.pk),
        "client_id": "demo",
        "name": "Demo",
        "enabled": "on",
        "auth_method": "client_secret_basic",
        "jwks": "",
        "redirect_uris": "",
        "post_logout_redirect_uris": "",
        "require_pkce": "on",
        "id_token_alg": "RS256",
        "access_token_alg": "ES256",
        "subject_type": "public",
        "grant_types": ["client_credentials"],
        "scopes": "read\r\nwrite\r\n",
        "resources": API,
        "introspects": "",
        "access_token_lifetime": "",
        **changes,
    }


def page_of(client: Client, name: str = "change") -> str:
    return f"/admin/tokens/client/{client.pk}/{name}/"


def shown(answer: Any) -> str:
    """The secret on a page."""
    found = SHOWN.search(answer.content)
    assert found is not None
    return found[1].decode()


@pytest.mark.spec("issue 2 of 6: secrets made by the server, shown once")
def test_a_client_is_registered_and_its_secret_shown_once_and_kept_nowhere(
    admin: Browser, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = admin.post(ADD, form(realm))
    secret = shown(answer)
    client = Client.objects.get(client_id="demo")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert client.secret_digests == [digest_of(secret)]
    assert (client.kind, client.auth_method, client.enabled) == ("confidential", "client_secret_basic", True)
    assert (client.grant_types, client.scopes, client.resources) == (["client_credentials"], ["read", "write"], [API])
    assert not list(get_messages(answer.wsgi_request))
    for path in (page_of(client), page_of(client, "history"), page_of(client, "secret"), "/admin/"):
        assert secret.encode() not in admin.get(path).content
        assert client.secret_digests[0].encode() not in admin.get(path).content
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.object_repr) == (str(client.pk), "demo")
    event = Event.objects.get(name=EventName.CLIENT_CREATED, target="demo")
    assert event.actor.startswith("user:")
    cookies = "".join(morsel.value for morsel in admin.cookies.values())
    kept = f"{entry.change_message} {event.details} {cookies} {dict(admin.session)} {caplog.text}"
    assert secret not in kept


def test_a_client_without_a_secret_is_registered_as_others_are(admin: Browser, realm: Realm) -> None:
    text = json.dumps(jwks((key(), "ES256", "k1")))
    for client_id, changes in (
        ("signer", {"auth_method": "private_key_jwt", "jwks": text}),
        ("app", {"auth_method": "none", "grant_types": []}),
        ("off", {"auth_method": "none", "grant_types": [], "enabled": ""}),
    ):
        assert admin.post(ADD, form(realm, client_id=client_id, **changes)).status_code == 302
    found = {client.client_id: client for client in Client.objects.all()}
    assert found["signer"].jwks == jwks((key(), "ES256", "k1"))
    assert [found[name].kind for name in ("signer", "app")] == ["confidential", "public"]
    assert not found["off"].enabled
    assert b"kty" in admin.get(page_of(found["signer"])).content


ENCRYPTION_KEYS = json.dumps({"keys": [{**jwk(key("ES384"), "ES384", "enc-1"), "use": "enc"}]})
ENCRYPTION = {"id_token_encryption_alg": "ECDH-ES", "id_token_encryption_enc": "A128GCM", "jwks": ENCRYPTION_KEYS}


@pytest.mark.spec("OpenID Connect Registration §2")
def test_encryption_is_registered_and_taken_back_with_its_keys(admin: Browser, realm: Realm) -> None:
    assert shown(admin.post(ADD, form(realm, **ENCRYPTION)))
    client = Client.objects.get(client_id="demo")
    assert (client.id_token_encryption_alg, client.id_token_encryption_enc) == ("ECDH-ES", "A128GCM")
    assert client.jwks == json.loads(ENCRYPTION_KEYS)
    page = admin.get(page_of(client)).content.decode()
    for name in (*api.encryption_algorithms(), *api.content_encryptions()):
        assert page.count(f'<option value="{name}"') == 2  # for ID tokens and for userinfo
    assert "RSA1_5" not in page
    assert admin.post(page_of(client), form(realm)).status_code == 302
    client.refresh_from_db()
    assert (client.id_token_encryption_alg, client.jwks) == ("", None)


FULL = {
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "redirect_uris": "https://app.example.org/cb\r\nhttps://other.example.org/cb",
    "post_logout_redirect_uris": "https://app.example.org/bye",
    "cors_origins": "https://app.example.org\r\nhttp://127.0.0.1:3000",
    "id_token_alg": "ES256",
    "userinfo_alg": "ES256",
    "opaque_access_tokens": "on",
    "require_second_factor": "on",
    "require_dpop": "on",
    "subject_type": "pairwise",
    "sector_identifier": "example.org",
    "refresh_idle_lifetime": "P1D",
    "refresh_absolute_lifetime": "P7D",
    "backchannel_logout_uri": "https://app.example.org/backchannel",
    "backchannel_logout_session_required": "on",
    "client_uri": "https://app.example.org/",
    "logo_uri": "https://app.example.org/logo.svg",
    "policy_uri": "https://app.example.org/privacy",
    "tos_uri": "https://app.example.org/terms",
    "contacts": "ops@example.org",
    "scopes": "openid",
}


@pytest.mark.spec("RFC 7591 §2, OpenID Connect Registration §2")
def test_whatever_a_client_can_register_the_form_registers_and_shows_again(admin: Browser, realm: Realm) -> None:
    shown(admin.post(ADD, form(realm, **FULL)))
    client = Client.objects.get(client_id="demo")
    assert client.redirect_uris == ["https://app.example.org/cb", "https://other.example.org/cb"]
    assert client.cors_origins == ["https://app.example.org", "http://127.0.0.1:3000"]
    assert (client.subject_type, client.sector_identifier) == ("pairwise", "example.org")
    assert (client.refresh_idle_lifetime, client.refresh_absolute_lifetime) == (timedelta(days=1), timedelta(days=7))
    assert client.require_dpop
    assert (client.opaque_access_tokens, client.backchannel_logout_session_required) == (True, True)
    assert client.require_second_factor
    assert (client.userinfo_alg, client.contacts) == ("ES256", ["ops@example.org"])
    for name in ("backchannel_logout_uri", "client_uri", "logo_uri", "policy_uri", "tos_uri"):
        assert getattr(client, name) == FULL[name]
    page = admin.get(page_of(client)).content.decode()
    for text in ("https://app.example.org/backchannel", "https://app.example.org/terms", "http://127.0.0.1:3000"):
        assert text in page


@pytest.mark.spec("design: a new operator isn't lost")
def test_every_field_stands_in_one_group_and_the_rare_ones_are_folded(admin: Browser, realm: Realm) -> None:
    names = [name for group in GROUPS for name in group.names]
    assert sorted(names) == sorted({*ClientForm.Meta.fields, "kind", "created_at"})
    page = admin.get(ADD).content.decode()
    places = [page.index(f">{group.heading}</h2>") for group in GROUPS]
    assert places == sorted(places)
    assert page.count("<details") == sum(group.folded for group in GROUPS) == 4
    client, _ = register(realm, "demo")
    page = admin.get(page_of(client)).content.decode()
    assert all(f">{group.heading}</h2>" in page for group in GROUPS)
    assert 'name="client_id"' not in page


def test_a_fault_in_a_folded_group_opens_it(admin: Browser, realm: Realm) -> None:
    page = admin.post(ADD, form(realm, refresh_idle_lifetime="soon")).content.decode()
    assert page.count("<details") == 3
    assert "Enter a valid duration" in page


def test_the_form_begins_with_what_most_clients_have(admin: Browser, realm: Realm) -> None:
    begun = admin.get(ADD).context["adminform"].form
    assert (begun["realm"].value(), begun["auth_method"].value()) == (realm.pk, "client_secret_basic")
    assert begun["require_pkce"].value() is True
    other = make_realm("other", purposes=())
    assert admin.get(f"{ADD}?realm={other.pk}").context["adminform"].form["realm"].value() == str(other.pk)


PRIVATE = {"keys": [{**jwk(key(), "ES256", "k1"), "d": "canary"}]}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "scope": ({"scopes": "a b"}, "is no scope"),
    "resource": ({"resources": API + "#x"}, "no absolute URI"),
    "introspects": ({"introspects": "api"}, "no absolute URI"),
    "twice": ({"scopes": "a\na"}, "twice"),
    "long": ({"scopes": "x" * 501}, "at most 500"),
    "lifetime": ({"access_token_lifetime": "01:00:00"}, "at most the realm"),
    "no lifetime": ({"access_token_lifetime": "00:00:00"}, "at least a second"),
    "absurd lifetime": ({"access_token_lifetime": "9" * 30}, "The number of days must be between"),
    "public and client_credentials": ({"auth_method": "none"}, "RFC 6749"),
    "public and introspects": ({"auth_method": "none", "grant_types": [], "introspects": API}, "RFC 7662"),
    "no keys": ({"auth_method": "private_key_jwt"}, "exactly when"),
    "keys without use": ({"jwks": json.dumps(jwks((key(), "ES256", "k1")))}, "exactly when"),
    "another method": ({"auth_method": "tls_client_auth"}, "Select a valid choice"),
    "another grant type": ({"grant_types": ["password"]}, "Select a valid choice"),
    "client_id": ({"client_id": "a b"}, "client_id"),
    "client_id of ours": ({"client_id": DIRECT_CLIENT_ID}, "provider's own"),
    "name": ({"name": "a\u202e"}, "A name has"),
    "NUL in the name": ({"name": "a\0"}, "Null characters"),
    "NUL in a scope": ({"scopes": "a\0"}, "is no scope"),
    "surrogate": ({"resources": "u:\ufffd"}, "no absolute URI"),
    "redirect URI": ({"redirect_uris": "http://evil.example/cb"}, "isn't this machine"),
    "redirect URI without use": ({"redirect_uris": "https://app.example.org/cb"}, "exactly when"),
    "origin with a path": ({"cors_origins": "https://app.example.org/"}, "is no origin"),
    "origin null": ({"cors_origins": "null"}, "is no origin"),
    "any origin": ({"cors_origins": "*"}, "is no origin"),
    "script for a logo": ({"logo_uri": "javascript:alert(1)"}, "The address"),
    "pairwise without a sector": ({"subject_type": "pairwise"}, "sector identifier"),
    "idle too long": ({"refresh_idle_lifetime": "P8D"}, "at most the realm"),
    "absolute too long": ({"refresh_absolute_lifetime": "P31D"}, "at most the realm"),
    "contact": ({"contacts": "nobody"}, "no email address"),
    "no ring": ({"access_token_alg": "ES512"}, "no ring that signs access tokens"),
    "no JSON": ({"jwks": "{"}, "JSON"),
    "no object": ({"jwks": "[]"}, "JSON object"),
    "NaN": ({"jwks": '{"keys":[{"kty":NaN}]}'}, "JSON"),
    "absurd number": ({"jwks": '{"keys":' + "9" * 5_000 + "}"}, "JSON"),
    "deep": ({"jwks": "[" * 50_000}, "JSON"),
    "too long": ({"jwks": " {" + " " * 70_000 + "}"}, "65536"),
    "member twice": ({"jwks": '{"keys":[],"keys":[]}'}, "each member once"),
    "NUL in a kid": ({"jwks": '{"keys":[{"kty":"EC","kid":"\\u0000"}]}'}, "no JWK"),
    "surrogate in a kid": ({"jwks": '{"keys":[{"kty":"EC","kid":"\\ud800"}]}'}, "no JWK"),
    "kty a list": ({"jwks": '{"keys":[{"kty":["EC"]}]}'}, "no JWK"),
    "unknown alg": ({**ENCRYPTION, "id_token_encryption_alg": "RSA1_5"}, "Select a valid choice"),
    "unknown enc": ({**ENCRYPTION, "id_token_encryption_enc": "A128CBC-HS256"}, "Select a valid choice"),
    "alg without enc": ({**ENCRYPTION, "id_token_encryption_enc": ""}, "needs both algorithms"),
    "no key that fits": ({**ENCRYPTION, "id_token_encryption_alg": "RSA-OAEP-256"}, "use enc and fits"),
    "userinfo not signed": (
        {"userinfo_encryption_alg": "ECDH-ES", "userinfo_encryption_enc": "A128GCM", "jwks": ENCRYPTION_KEYS},
        "signed before it is encrypted",
    ),
    "no key that signs": ({"auth_method": "private_key_jwt", "jwks": ENCRYPTION_KEYS}, "one for signatures"),
    "private": ({"auth_method": "private_key_jwt", "jwks": json.dumps(PRIVATE)}, "this one has leaked"),
}


@pytest.mark.spec("issue 2 of 6: both validate alike")
@pytest.mark.parametrize(("changes", "why"), REFUSED.values(), ids=REFUSED)
def test_what_the_command_refuses_the_admin_refuses(
    changes: dict[str, Any], why: str, admin: Browser, realm: Realm
) -> None:
    clients = Client.objects.count()
    answer = admin.post(ADD, form(realm, **changes))
    assert answer.status_code == 200
    errors = " ".join(str(error) for errors in answer.context["adminform"].form.errors.values() for error in errors)
    assert why in errors
    assert "canary" not in errors
    assert "Constraint" not in errors  # the rule's sentence, and not the name of the database's as well
    assert Client.objects.count() == clients


def test_a_client_id_that_is_taken_is_told(admin: Browser, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    register(realm, "demo")
    answer = admin.post(ADD, form(realm))
    assert answer.status_code == 200
    assert b"already" in answer.content
    monkeypatch.setattr(Client, "validate_constraints", lambda *_args, **_named: None)  # taken since the form looked
    monkeypatch.setattr(Client, "validate_unique", lambda *_args, **_named: None)
    answer = admin.post(ADD, form(realm))
    assert (answer.status_code, answer["Location"]) == (302, ADD)
    assert [str(message) for message in get_messages(answer.wsgi_request)] == [
        "The realm default has a client 'demo' already."
    ]
    assert Client.objects.filter(client_id="demo").count() == 1


@pytest.mark.spec("issue 2 of 6: two valid at a time so that they can be rolled")
def test_a_new_secret_is_shown_once_and_the_third_drops_the_oldest(
    admin: Browser, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client, first = register(realm, "demo")
    page = page_of(client, "secret")
    assert page.encode() in admin.get(page_of(client)).content
    question = admin.get(page)
    assert SHOWN.search(question.content) is None
    assert "no-store" in question["Cache-Control"]
    second, third = (shown(admin.post(page)) for _ in range(2))
    assert Client.objects.get(pk=client.pk).secret_digests == [digest_of(third), digest_of(second)]
    events = Event.objects.filter(name=EventName.CLIENT_CHANGED, target="demo")
    assert [event.details["new_secret"] for event in events] == [True, True]
    kept = f"{dict(admin.session)} {caplog.text} {[morsel.value for morsel in admin.cookies.values()]}"
    assert not any(secret in kept for secret in (first, second, third))


@pytest.mark.parametrize("client_id", ["signer", "app", DIRECT_CLIENT_ID])
def test_whoever_has_no_secret_gets_none(client_id: str, admin: Browser, realm: Realm) -> None:
    register_signer(realm)
    register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())
    client = Client.objects.get(client_id=client_id)
    assert page_of(client, "secret").encode() not in admin.get(page_of(client)).content
    answer = admin.post(page_of(client, "secret"))
    assert answer.status_code == 302
    assert "doesn't authenticate by a secret" in str(next(iter(get_messages(answer.wsgi_request))))
    assert Client.objects.get(pk=client.pk).secret_digests == []


def test_secrets_are_for_operators_who_may_change_clients(browser: Browser, realm: Realm) -> None:
    client, _ = register(realm, "demo")
    page = page_of(client, "secret")
    assert browser.post(page).status_code == 302  # to the sign-in
    viewer = make_person("viewer", realm=None, is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_client"))
    browser.force_login(viewer)
    assert browser.get(page_of(client)).status_code == 200
    for answer in (browser.get(page), browser.post(page), browser.get(ADD), browser.post(ADD, form(realm))):
        assert answer.status_code == 403
    assert len(Client.objects.get(pk=client.pk).secret_digests) == 1


def test_a_secret_is_not_made_by_another_site(realm: Realm) -> None:
    client, _ = register(realm, "demo")
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(make_person("root", realm=None, is_staff=True, is_superuser=True))
    assert strict.post(page_of(client, "secret")).status_code == 403
    assert len(Client.objects.get(pk=client.pk).secret_digests) == 1


def test_a_secret_of_nobody_is_not_found(admin: Browser, realm: Realm) -> None:
    assert admin.get("/admin/tokens/client/999999/secret/").status_code == 404


def test_what_a_client_may_do_can_be_changed_and_who_it_is_cannot(admin: Browser, realm: Realm) -> None:
    client, _ = register(realm, "demo")
    changes = form(
        realm, client_id="other", auth_method="none", kind="public", scopes="admin", access_token_lifetime="60"
    )
    assert admin.post(page_of(client), changes).status_code == 302
    changed = Client.objects.get(pk=client.pk)
    assert (changed.client_id, changed.kind, changed.auth_method) == ("demo", "confidential", "client_secret_basic")
    assert (changed.scopes, changed.access_token_lifetime) == (["admin"], timedelta(minutes=1))
    assert changed.secret_digests == client.secret_digests
    event = Event.objects.get(name=EventName.CLIENT_CHANGED)
    assert (event.target, event.details) == ("demo", {"enabled": True, "new_secret": False})
    assert "is no scope" in admin.post(page_of(client), form(realm, scopes="a b")).content.decode()
    assert Client.objects.get(pk=client.pk).scopes == ["admin"]


def test_the_keys_of_a_client_can_be_changed_and_not_taken_away(admin: Browser, realm: Realm) -> None:
    client = register_signer(realm)
    text = json.dumps(jwks((key("ES384"), "ES384", "k2")))
    assert admin.post(page_of(client), form(realm, jwks=text)).status_code == 302
    assert Client.objects.get(pk=client.pk).jwks == json.loads(text)
    history = json.loads(LogEntry.objects.get().change_message)
    assert "JWK Set" in str(history)
    assert admin.post(page_of(client), form(realm, jwks=text)).status_code == 302
    assert "JWK Set" not in LogEntry.objects.first().change_message  # type: ignore[union-attr]
    assert b"exactly when" in admin.post(page_of(client), form(realm, jwks="")).content
    assert b"JSON" in admin.post(page_of(client), form(realm, jwks="{")).content
    assert Client.objects.get(pk=client.pk).jwks == json.loads(text)


@pytest.mark.spec("issue 2 of 6: a secret made while a form was open is not lost")
def test_a_change_leaves_a_secret_alone_that_was_made_meanwhile(
    admin: Browser, realm: Realm, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = register(realm, "demo")
    real = Client.full_clean
    made: list[str] = []

    def meanwhile(self: Client, *args: Any, **named: Any) -> None:
        made.append(add_secret(client, actor="test", now=now))
        real(self, *args, **named)

    monkeypatch.setattr(Client, "full_clean", meanwhile)
    assert admin.post(page_of(client), form(realm, name="Other")).status_code == 302
    changed = Client.objects.get(pk=client.pk)
    assert changed.name == "Other"
    assert changed.secret_digests[0] == digest_of(made[-1])


@pytest.mark.spec("design: tokens.md, the built-in client")
def test_the_built_in_client_can_be_renamed_and_switched_off_and_no_more(admin: Browser, realm: Realm) -> None:
    client = Client.objects.get(client_id=DIRECT_CLIENT_ID)
    page = admin.get(page_of(client)).content
    assert b'name="name"' in page
    assert not any(f'name="{name}"'.encode() in page for name in ("scopes", "jwks", "grant_types", "auth_method"))
    changes = form(realm, name="Direct", enabled="", scopes="admin", introspects=API)
    assert admin.post(page_of(client), changes).status_code == 302
    changed = Client.objects.get(pk=client.pk)
    assert (changed.name, changed.enabled, changed.client_id) == ("Direct", False, DIRECT_CLIENT_ID)
    assert (changed.scopes, changed.introspects, changed.grant_types) == ([], [], [])
    assert Event.objects.get(name=EventName.CLIENT_CHANGED).details["enabled"] is False


def test_a_client_is_not_deleted(admin: Browser, realm: Realm) -> None:
    client, _ = register(realm, "demo")
    assert admin.post(page_of(client, "delete"), {"post": "yes"}).status_code == 403
    assert b"delete_selected" not in admin.get("/admin/tokens/client/").content
