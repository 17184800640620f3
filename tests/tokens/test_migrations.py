"""What a migration does to the rows that are there."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.models import Session, User
from realms.models import Realm
from tokens.models import Client, Grant

BEFORE = [("tokens", "0002_grant_rules"), ("realms", "0002_issuer_is_immutable")]
AFTER = [("tokens", "0003_clients_prove_who_they_are")]


@pytest.mark.django_db(transaction=True)
def test_clients_of_before_prove_who_they_are_as_they_did() -> None:
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()  # what else builds on these goes back with them
    executor.migrate(BEFORE)
    try:
        apps = executor.loader.project_state(BEFORE).apps
        now = timezone.now()
        realm = apps.get_model("realms", "Realm").objects.create(
            slug="old", name="Old", issuer="https://old.example.test", created_at=now
        )
        for kind, digests in (("confidential", ["0" * 64]), ("public", []), ("built_in", [])):
            apps.get_model("tokens", "Client").objects.create(
                realm=realm, client_id=kind, name=kind, kind=kind, secret_digests=digests, created_at=now
            )
        executor = MigrationExecutor(connection)
        executor.migrate(AFTER)
        after = executor.loader.project_state(AFTER).apps.get_model("tokens", "Client")
        found = {client.client_id: client for client in after.objects.filter(realm__slug="old")}
        assert {name: client.auth_method for name, client in found.items()} == {
            "confidential": "client_secret_basic",
            "public": "none",
            "built_in": "none",
        }
        assert found["confidential"].secret_digests == ["0" * 64]
        for client in found.values():
            assert (client.grant_types, client.scopes, client.resources, client.introspects) == ([], [], [], [])
            assert (client.jwks, client.access_token_lifetime, client.enabled) == (None, None, True)
    finally:
        MigrationExecutor(connection).migrate(latest)


@pytest.mark.spec("production.md Upgrades: migrate first, then restart the workers one after another")
def test_workers_of_the_version_before_go_on_writing_after_the_migration(
    realm: Realm, ana: User, now: datetime
) -> None:
    executor = MigrationExecutor(connection)
    before = [("tokens", "0006_grants_of_a_session"), ("accounts", "0003_sessions_and_claims")]
    apps = executor.loader.project_state(before).apps
    session = apps.get_model("accounts", "Session").objects.create(
        user_id=ana.pk, realm_id=realm.pk, auth_time=now, created_at=now
    )
    ends = now + timedelta(hours=1)
    grant = apps.get_model("tokens", "Grant").objects.create(
        realm_id=realm.pk,
        client_id=Client.objects.get(realm=realm).pk,
        user_id=ana.pk,
        session_id=session.pk,
        auth_time=now,
        created_at=now,
        rotated_at=now,
        idle_expires_at=ends,
        absolute_expires_at=ends,
    )
    assert Session.objects.get(pk=session.pk).lineage == ""
    assert Grant.objects.get(pk=grant.pk).claims == {}
