"""Clients and what is stored of their secrets."""

from datetime import datetime

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import make_realm
from tokens.models import Client
from tokens.selectors import client_exists, client_of
from tokens.services.clients import ClientIdTaken, create_client, ensure_direct_client, secret_matches

pytestmark = pytest.mark.spec("RFC 6749 §2.3.1")


def test_a_secret_is_seen_once_and_stored_as_a_digest(realm: Realm, now: datetime) -> None:
    client, secret = create_client(realm=realm, client_id="demo", name="Demo", actor="test", now=now)
    assert len(secret) == 43
    assert secret not in repr(Client.objects.filter(pk=client.pk).values())
    assert secret_matches(client, secret)
    assert not secret_matches(client, secret + "x")
    assert str(client) == "demo"
    event = Event.objects.get(name=EventName.CLIENT_CREATED, target="demo")
    assert secret not in f"{event.details} {event.target}"


def test_both_of_two_secrets_match(realm: Realm, now: datetime) -> None:
    client, first = create_client(realm=realm, client_id="demo", name="Demo", actor="test", now=now)
    other, second = create_client(realm=realm, client_id="other", name="Other", actor="test", now=now)
    client.secret_digests += other.secret_digests
    client.save()
    assert secret_matches(client, first)
    assert secret_matches(client, second)
    assert not secret_matches(other, first)


def test_a_client_id_is_taken_in_its_realm_alone(realm: Realm, now: datetime) -> None:
    create_client(realm=realm, client_id="demo", name="Demo", actor="test", now=now)
    with pytest.raises(ClientIdTaken, match="'demo'"):
        create_client(realm=realm, client_id="demo", name="Demo", actor="test", now=now)
    create_client(realm=make_realm("other"), client_id="demo", name="Demo", actor="test", now=now)
    assert client_exists("default", "demo")
    assert not client_exists("default", "nobody")
    assert not client_exists("nowhere", "demo")


@pytest.mark.parametrize("client_id", ["", "-a", "a b", "ä", "a/b"])
def test_a_client_id_with_another_form_is_refused(client_id: str, realm: Realm, now: datetime) -> None:
    with pytest.raises(IntegrityError, match="client_id_form"):
        create_client(realm=realm, client_id=client_id, name="Demo", actor="test", now=now)


def test_the_direct_client_is_made_once(realm: Realm, now: datetime) -> None:
    client, created = ensure_direct_client(realm=realm, actor="test", now=now)
    assert not created
    assert not secret_matches(client, "")
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
    ],
)
def test_the_database_refuses_what_must_not_be(change: str, realm: Realm) -> None:
    with pytest.raises((IntegrityError, DataError)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE tokens_client SET {change}")  # noqa: S608  (the words above)
