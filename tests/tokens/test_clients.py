"""Clients and what is stored of their secrets."""

from datetime import datetime

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import make_realm
from tests.tokens.clients import jwk, jwks, key, register, register_signer
from tokens.client_auth.secret import digest_of
from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.selectors import client_exists, client_of
from tokens.services.clients import ClientIdTaken, ClientRefused, add_secret, create_client, ensure_direct_client
from tokens.vocabulary import DIRECT_CLIENT_ID, AuthMethod

pytestmark = pytest.mark.spec("RFC 6749 §2.3.1")


def test_a_secret_is_seen_once_and_stored_as_a_digest(realm: Realm) -> None:
    client, secret = register(realm, "demo")
    assert len(secret) == 43
    assert secret not in repr(Client.objects.filter(pk=client.pk).values())
    assert client.secret_digests == [digest_of(secret)]
    assert str(client) == "demo"
    event = Event.objects.get(name=EventName.CLIENT_CREATED, target="demo")
    assert secret not in f"{event.details} {event.target}"


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


@pytest.mark.spec("RFC 9700 §4.15")
def test_a_client_is_not_called_what_a_person_is(realm: Realm, ana: User) -> None:
    with pytest.raises(ClientRefused, match="9700"):
        register(realm, ana.subject.replace("_", "a").replace("-", "a") if ana.subject[0] in "_-" else ana.subject)


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
    with pytest.raises((IntegrityError, DataError)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE tokens_client SET {change}")  # noqa: S608  (the words above)
