"""Changing what a client registered."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from audit.models import Event
from realms.models import Realm
from tests.tokens.clients import API, register
from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.registration import metadata_of
from tokens.services.client_changes import change_client, switch_direct_sign_in
from tokens.services.clients import ClientRefused, add_secret
from tokens.vocabulary import AuthMethod, GrantType, SubjectType

pytestmark = pytest.mark.spec("issue 3 of 6: validates everything with the same rules")


def changed(client: Client, now: datetime, *, enabled: bool = True, name: str = "Other", **other: Any) -> Client:
    metadata: ClientMetadata = replace(metadata_of(client), **other)
    return change_client(client, name=name, enabled=enabled, metadata=metadata, actor="test", now=now)


def test_a_change_is_saved_and_recorded_and_the_secrets_stay(realm: Realm, now: datetime) -> None:
    client, _secret = register(realm, "app", resources=(API,))
    stale = Client.objects.get(client_id="app")
    add_secret(client, actor="test", now=now)  # meanwhile
    changed(stale, now, scopes=("read",), enabled=False)
    client.refresh_from_db()
    assert (client.name, client.enabled, client.scopes, client.resources) == ("Other", False, ["read"], [API])
    assert len(client.secret_digests) == 2
    event = Event.objects.filter(name="client.changed").latest("pk")
    assert (event.target, event.actor, event.details) == ("app", "test", {"enabled": False, "new_secret": False})


def test_what_it_registers_is_what_it_would_ask_for_again(realm: Realm) -> None:
    metadata: dict[str, Any] = {
        "scopes": ("a",),
        "grant_types": (GrantType.CLIENT_CREDENTIALS,),
        "auth_method": AuthMethod.POST,
    }
    client, _secret = register(realm, "app", **metadata)
    assert metadata_of(client) == ClientMetadata(id_token_alg="ES256", **metadata)


@pytest.mark.parametrize(
    "other",
    [
        {"auth_method": AuthMethod.POST},
        {"subject_type": SubjectType.PAIRWISE, "sector_identifier": "a.example.test"},
    ],
)
def test_who_it_is_never_changes(realm: Realm, now: datetime, other: dict[str, Any]) -> None:
    client, _secret = register(realm, "app")
    with pytest.raises(ClientRefused, match="never changes: register another one"):
        changed(client, now, **other)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"name": ""}, "A name has"),
        ({"scopes": ("a b",)}, "is no scope"),
        ({"userinfo_alg": "HS256"}, "Nothing is signed with the alg 'HS256'"),
        ({"id_token_alg": "none"}, "Nothing is signed with the alg 'none'"),
    ],
)
def test_what_cannot_be_registered_is_refused(realm: Realm, now: datetime, other: dict[str, Any], why: str) -> None:
    client, _secret = register(realm, "app")
    events = Event.objects.count()
    with pytest.raises(ClientRefused, match=why):
        changed(client, now, **other)
    client.refresh_from_db()
    assert (client.name, client.scopes, Event.objects.count()) == ("app", [], events)


def test_direct_sign_in_is_switched_once(realm: Realm, now: datetime) -> None:
    for enabled in (False, False, True, True):
        assert switch_direct_sign_in(realm, enabled=enabled, actor="test", now=now).enabled is enabled
    assert Client.objects.filter(client_id="signet-direct", enabled=True).count() == 1
    told = Event.objects.filter(target="signet-direct", name="client.changed").order_by("pk")
    assert [event.details["enabled"] for event in told] == [False, True]
