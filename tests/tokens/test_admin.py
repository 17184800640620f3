"""Clients and grants in the admin."""

from datetime import datetime

import pytest

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import Browser, make_person
from tests.tokens.clients import register
from tests.tokens.grants import begin
from tokens.models import Client, Grant


@pytest.fixture
def admin(browser: Browser, db: None) -> Browser:
    browser.force_login(make_person("root", realm=None, is_staff=True, is_superuser=True))
    return browser


def test_a_client_can_be_renamed_and_switched_off_with_an_event(admin: Browser, realm: Realm) -> None:
    client, _secret = register(realm, "demo", grant_types=())
    page = f"/admin/tokens/client/{client.pk}/change/"
    assert client.secret_digests[0].encode() not in admin.get(page).content
    assert (
        admin.post(
            page,
            {
                "name": "Other",
                "client_id": "mine",
                "kind": "public",
                "require_pkce": "on",
                "access_token_alg": "ES256",
                "id_token_alg": "RS256",
            },
        ).status_code
        == 302
    )
    changed = Client.objects.get(pk=client.pk)
    assert (changed.name, changed.enabled, changed.client_id, changed.kind) == ("Other", False, "demo", "confidential")
    assert Event.objects.get(name=EventName.CLIENT_CHANGED).target == "demo"


def test_grants_are_not_made_and_neither_is_deleted_by_hand(
    admin: Browser, realm: Realm, ana: User, now: datetime
) -> None:
    begin(realm, ana, now)
    client, grant = Client.objects.get(), Grant.objects.get()
    for page in (f"client/{client.pk}/delete/", "grant/add/", f"grant/{grant.pk}/delete/"):
        assert admin.get(f"/admin/tokens/{page}").status_code == 403
    assert admin.post(f"/admin/tokens/grant/{grant.pk}/change/", {"generation": "7"}).status_code == 403
    assert Grant.objects.get().generation == 0


def test_grants_can_be_looked_at(admin: Browser, realm: Realm, ana: User, now: datetime) -> None:
    begin(realm, ana, now)
    grant = Grant.objects.get()
    assert str(grant.pk).encode() in admin.get("/admin/tokens/grant/").content
    assert admin.get(f"/admin/tokens/grant/?q={grant.pk}").status_code == 200
    assert ana.username.encode() in admin.get(f"/admin/tokens/grant/{grant.pk}/change/").content
    assert admin.get("/admin/tokens/client/").status_code == 200
