"""Clients and what is stored of their secrets."""

import re
from datetime import datetime
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from audit.models import Event
from audit.vocabulary import EventName
from keys import api
from realms.models import Realm
from tests.provider import make_person, make_realm
from tests.tokens.clients import jwk, jwks, key, register, register_signer
from tokens.client_auth.secret import digest_of
from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.selectors import client_exists, client_of
from tokens.services.clients import ClientIdTaken, ClientRefused, add_secret, create_client, ensure_direct_client
from tokens.vocabulary import DIRECT_CLIENT_ID, AuthMethod

pytestmark = pytest.mark.spec("RFC 6749 §2.3.1")


@pytest.mark.spec("RFC 6749 §2.3.1 brute-force, RFC 6749 §10.10 unguessable, OIDC Core §16.19 secret-entropy")
def test_a_secret_is_seen_once_and_stored_as_a_digest(realm: Realm) -> None:
    client, secret = register(realm, "demo")
    assert len(secret) == 43
    assert secret not in repr(Client.objects.filter(pk=client.pk).values())
    assert client.secret_digests == [digest_of(secret)]
    assert str(client) == "demo"
    event = Event.objects.get(name=EventName.CLIENT_CREATED, target="demo")
    assert secret not in f"{event.details} {event.target}"


@pytest.mark.spec("RFC 6749 §10.10 unguessable")
def test_every_client_has_a_secret_of_its_own(realm: Realm) -> None:
    made = [register(realm, f"demo{number}") for number in range(3)]
    assert len({secret for _, secret in made}) == 3
    assert len({client.secret_digests[0] for client, _ in made}) == 3


@pytest.mark.spec("issue 2 of 6: two secrets valid at a time")
def test_a_new_secret_goes_first_and_the_third_drops_the_oldest(realm: Realm, now: datetime) -> None:
    client, first = register(realm, "demo")
    second, third = (add_secret(client, actor="user:x", now=now) for _ in range(2))
    assert Client.objects.get(pk=client.pk).secret_digests == [digest_of(third), digest_of(second)]
    events = Event.objects.filter(name=EventName.CLIENT_CHANGED, target="demo")
    assert [event.details for event in events] == [{"enabled": True, "new_secret": True}] * 2
    assert not any(secret in f"{event.details}" for event in events for secret in (first, second, third))


@pytest.mark.spec("RFC 6749 §10.1 no-secret-for-apps")
def test_whoever_has_no_secret_gets_none(realm: Realm, now: datetime) -> None:
    signer = register_signer(realm)
    public, none = register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())
    built_in = Client.objects.get(client_id=DIRECT_CLIENT_ID)
    assert none == ""
    for client in (signer, public, built_in):
        assert client.secret_digests == []
        with pytest.raises(ClientRefused, match="doesn't authenticate by a secret"):
            add_secret(client, actor="test", now=now)


def test_what_is_stored_of_a_jwk_set_is_what_is_used(realm: Realm) -> None:
    noisy = {"keys": [{**jwk(key(), "ES256", "k1"), "x5c": ["AAAA"], "note": "\0"}], "more": "\0"}
    client, _ = register(realm, "signer", auth_method=AuthMethod.PRIVATE_KEY_JWT, jwks=noisy)
    assert Client.objects.get(pk=client.pk).jwks == {"keys": [jwk(key(), "ES256", "k1")]}


def test_a_client_id_is_taken_in_its_realm_alone(realm: Realm) -> None:
    register(realm, "demo")
    with pytest.raises(ClientIdTaken, match="'demo'"):
        register(realm, "demo")
    register(make_realm("other"), "demo")
    assert client_exists("default", "demo")
    assert not client_exists("default", "nobody")
    assert not client_exists("nowhere", "demo")


@pytest.mark.parametrize("client_id", ["", "-a", "a b", "ä", "a/b", "a\0", "a\n", "\ud800", "x" * 65, "a'b", "<b>"])
def test_a_client_id_with_another_form_is_refused(client_id: str, realm: Realm, now: datetime) -> None:
    with pytest.raises(ClientRefused, match="1 to 64 letters"):
        register(realm, client_id)
    row = {"realm": realm, "client_id": client_id[:64].replace("\0", " ").replace("\ud800", " "), "kind": "public"}
    if len(client_id) <= 64:
        with pytest.raises(IntegrityError, match="client_id_form"), transaction.atomic():
            Client.objects.create(**row, created_at=now)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0", "a\nb", "\ud800", "\u202e"])
def test_a_name_that_cannot_be_stored_or_shown_is_refused(name: str, realm: Realm, now: datetime) -> None:
    with pytest.raises(ClientRefused, match="A name has"):
        create_client(realm=realm, client_id="demo", name=name, metadata=ClientMetadata(), actor="test", now=now)


@pytest.mark.spec("RFC 9700 §4.15, RFC 9700 §2.6 client-id, RFC 9700 §4.15.1 client-id, RFC 9700 §4.15.1 told-apart")
def test_a_client_is_not_called_what_a_person_is(realm: Realm) -> None:
    person = make_person(realm=realm, subject="b" * 22)
    with pytest.raises(ClientRefused, match="9700"):
        register(realm, person.subject)


@pytest.mark.spec("design: tokens.md, direct sign-in's grants belong to a built-in client")
def test_the_built_in_clients_name_is_not_to_be_had(realm: Realm) -> None:
    Client.objects.all().delete()
    with pytest.raises(ClientRefused, match="provider's own"):
        register(realm, DIRECT_CLIENT_ID)
    assert not Client.objects.exists()


def test_faults_of_metadata_and_keys_come_together_and_nothing_is_written(realm: Realm) -> None:
    events = Event.objects.count()
    with pytest.raises(ClientRefused) as refusal:
        register(realm, "demo", auth_method=AuthMethod.PRIVATE_KEY_JWT, jwks={"keys": []}, scopes=("a b",))
    assert "'a b' is no scope." in str(refusal.value)
    assert "1 to 20 keys" in str(refusal.value)
    with pytest.raises(ClientRefused, match="exactly when"):
        register(realm, "demo", jwks=jwks((key(), "ES256", "k1")))
    assert not client_exists("default", "demo")
    assert Event.objects.count() == events


SIGNS = jwk(key(), "ES256", "sig-1")
ENCRYPTS = {**jwk(key("ES384"), "ES384", "enc-1"), "use": "enc"}
ENCRYPTED = {"id_token_encryption_alg": "ECDH-ES", "id_token_encryption_enc": "A128GCM"}
ENCRYPTED_USERINFO = {
    "userinfo_alg": "ES256", "userinfo_encryption_alg": "ECDH-ES", "userinfo_encryption_enc": "A256GCM",
}  # fmt: skip


@pytest.mark.spec("RFC 7591 §2, OpenID Connect Registration §2")
@pytest.mark.parametrize(
    "metadata",
    [
        {"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED},
        {"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED_USERINFO},
        {"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED, "auth_method": AuthMethod.NONE, "grant_types": ()},
        {"jwks": {"keys": [SIGNS, ENCRYPTS]}, **ENCRYPTED, "auth_method": AuthMethod.PRIVATE_KEY_JWT},
    ],
)
def test_a_client_is_registered_with_a_key_for_everything_that_it_wants(metadata: dict[str, Any], realm: Realm) -> None:
    client, _ = register(realm, "demo", **metadata)
    stored = Client.objects.get(pk=client.pk)
    assert stored.jwks == metadata["jwks"]
    assert stored.id_token_encryption_alg == metadata.get("id_token_encryption_alg", "")
    assert stored.userinfo_encryption_enc == metadata.get("userinfo_encryption_enc", "")


@pytest.mark.spec("RFC 7591 §3.2.2, RFC 7518 §4.1, §5.1: offered algorithms alone")
@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"jwks": {"keys": [SIGNS]}, **ENCRYPTED}, "use enc and fits 'ECDH-ES'"),
        ({"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED, "id_token_encryption_alg": "RSA-OAEP-256"}, "'RSA-OAEP-256'"),
        ({"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED_USERINFO, "userinfo_encryption_alg": "RSA-OAEP-256"}, "fits"),
        ({"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED, "id_token_encryption_alg": "RSA1_5"}, "the alg 'RSA1_5'"),
        ({"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED, "id_token_encryption_alg": "dir"}, "the alg 'dir'"),
        ({"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED, "id_token_encryption_enc": "A128CBC-HS256"}, "A128CBC-HS256"),
        ({"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED_USERINFO, "userinfo_encryption_enc": "none"}, "the enc 'none'"),
        ({"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED_USERINFO, "userinfo_alg": ""}, "signed before it is encrypted"),
        ({"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED, "id_token_encryption_enc": ""}, "needs both algorithms"),
        ({**ENCRYPTED}, "exactly when"),
        ({"jwks": {"keys": [ENCRYPTS]}}, "exactly when"),
        ({"jwks": {"keys": [ENCRYPTS]}, "auth_method": AuthMethod.PRIVATE_KEY_JWT}, "one for signatures"),
        (
            {"jwks": {"keys": [ENCRYPTS]}, **ENCRYPTED, "auth_method": AuthMethod.PRIVATE_KEY_JWT},
            "one for signatures",
        ),
    ],
)
def test_a_client_without_a_fitting_key_or_algorithm_is_refused(
    metadata: dict[str, Any], why: str, realm: Realm
) -> None:
    with pytest.raises(ClientRefused, match=re.escape(why)):
        register(realm, "demo", **metadata)
    assert not client_exists("default", "demo")


def test_every_algorithm_that_discovery_lists_fits_into_a_column(realm: Realm) -> None:
    alg, enc = (max(names, key=len) for names in (api.encryption_algorithms(), api.content_encryptions()))
    values = {f"{what}_encryption_{name}": value for what in ("id_token", "userinfo")
              for name, value in (("alg", alg), ("enc", enc))}  # fmt: skip
    client, _ = register(realm, "longest", jwks={"keys": [ENCRYPTS]}, userinfo_alg="ES256", **values)
    Client.objects.get(pk=client.pk).full_clean()
    with pytest.raises(ClientRefused) as refusal:
        register(realm, "demo", jwks={"keys": [ENCRYPTS]}, **{**ENCRYPTED, "id_token_encryption_alg": "x" * 100_000})
    assert len(str(refusal.value)) < 2_000


def test_another_broken_rule_of_the_database_is_not_called_taken(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokens.services.clients.refuse_faults", lambda *_args, **_named: None)
    with pytest.raises(IntegrityError, match="client_keys_where_they_are_used"):
        register(realm, "demo", auth_method=AuthMethod.PRIVATE_KEY_JWT)


def test_the_direct_client_is_made_once(realm: Realm, now: datetime) -> None:
    client, created = ensure_direct_client(realm=realm, actor="test", now=now)
    assert not created
    assert client.secret_digests == []
    assert Event.objects.filter(name=EventName.CLIENT_CREATED, target=client.client_id).count() == 1


def test_a_disabled_client_is_none(realm: Realm) -> None:
    Client.objects.update(enabled=False)
    assert client_of(realm_id=realm.pk, client_id="signet-direct") is None


@pytest.mark.spec("RFC 8252 §8.4 kind-recorded")
@pytest.mark.parametrize(
    "change",
    [
        "kind = 'unheard_of'",
        "secret_digests = '[\"a\"]'",  # of a built-in client
        'kind = \'confidential\', secret_digests = \'["a", "b", "c"]\'',
        "kind = 'confidential', secret_digests = '{}'",
        "kind = 'confidential'",  # and proves nothing
        "auth_method = 'client_secret_basic'",  # of a built-in client
        "kind = 'public', auth_method = 'private_key_jwt', jwks = '{}'",
        "kind = 'confidential', auth_method = 'private_key_jwt'",
        "kind = 'confidential', auth_method = 'client_secret_basic', jwks = '{}'",
        "kind = 'confidential', auth_method = 'tls_client_auth'",
        "access_token_lifetime = interval '0'",
        "access_token_lifetime = interval '-1 second'",
    ],
)
def test_the_database_refuses_what_must_not_be(change: str, realm: Realm) -> None:
    with pytest.raises((IntegrityError, DataError)), transaction.atomic():
        update(change)


def update(change: str) -> None:
    """Change every client by hand."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE tokens_client SET {change}")  # noqa: S608  (the words above)


ENCRYPTED_ROW = "jwks = '{}', id_token_encryption_alg = 'ECDH-ES', id_token_encryption_enc = 'A256GCM'"
USERINFO_ROW = (
    "jwks = '{}', userinfo_alg = 'ES256', userinfo_encryption_alg = 'ECDH-ES', userinfo_encryption_enc = 'A256GCM'"
)


@pytest.mark.spec("house.md: database constraints before code rules")
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("jwks = '{}'", "client_keys_where_they_are_used"),
        (ENCRYPTED_ROW.replace("'{}'", "NULL"), "client_keys_where_they_are_used"),
        (USERINFO_ROW.replace("'{}'", "NULL"), "client_keys_where_they_are_used"),
        (ENCRYPTED_ROW.replace("'A256GCM'", "''"), "client_encryption_has_both_algorithms"),
        ("id_token_encryption_enc = 'A256GCM'", "client_encryption_has_both_algorithms"),
        (USERINFO_ROW.replace("'A256GCM'", "''"), "client_encryption_has_both_algorithms"),
        ("userinfo_encryption_enc = 'A256GCM'", "client_encryption_has_both_algorithms"),
        (USERINFO_ROW.replace("'ES256'", "''"), "client_encryption_has_both_algorithms"),
        ("subject_type = 'pairwise'", "client_pairwise_has_a_sector"),
        ("sector_identifier = 'example.test'", "client_pairwise_has_a_sector"),
        ("subject_type = 'other', sector_identifier = 'x'", "client_pairwise_has_a_sector"),
        ("subject_type = ''", "client_pairwise_has_a_sector"),
        ("refresh_idle_lifetime = interval '0'", "client_refresh_lifetimes_above_nought"),
        ("refresh_idle_lifetime = interval '-1 second'", "client_refresh_lifetimes_above_nought"),
        ("refresh_absolute_lifetime = interval '0'", "client_refresh_lifetimes_above_nought"),
        ("refresh_absolute_lifetime = interval '-1 day'", "client_refresh_lifetimes_above_nought"),
    ],
)
def test_what_is_registered_fits_together_in_the_database_too(change: str, constraint: str, realm: Realm) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        update(change)


@pytest.mark.parametrize(
    "change",
    [
        ENCRYPTED_ROW,
        USERINFO_ROW,
        "subject_type = 'pairwise', sector_identifier = 'example.test'",
        "refresh_idle_lifetime = interval '1 second', refresh_absolute_lifetime = interval '1 day'",
    ],
)
def test_what_fits_together_the_database_takes(change: str, realm: Realm) -> None:
    update(change)
