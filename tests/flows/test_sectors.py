"""Pairwise subjects: whom a client knows a person by, and which clients share that."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, register
from tests.flows.test_code_exchange import claims_of
from tests.provider import Browser
from tokens import subjects
from tokens.services.clients import ClientRefused
from tokens.vocabulary import SubjectType

SAME_HOST, OTHER_HOST = "https://app.example.org/other", "https://other.example.org/cb"


def pairwise(realm: Realm, browser: Browser, now: datetime, client_id: str, **changes: Any) -> App:
    values: dict[str, Any] = {"client_id": client_id, "subject_type": SubjectType.PAIRWISE, **changes}
    return register(realm, browser, now, **values)


def subject(app: App, uri: str = CALLBACK) -> str:
    """Whom the client takes the person for."""
    code = app.authorize(redirect_uri=uri)["Location"].partition("code=")[2].partition("&")[0]
    found: str = claims_of(app.exchange(code, redirect_uri=uri).json()["id_token"])["sub"]
    return found


@pytest.mark.spec("OIDC Core §8.1 same-each-time, OIDC Core §8.1 sectors-apart, OIDC Core §8.1 sector-of-client")
def test_clients_with_redirect_uris_of_one_host_share_a_subject_and_others_do_not(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    one = pairwise(realm, browser, now, "one")
    sibling = pairwise(realm, browser, now, "sibling", redirect_uris=(SAME_HOST,))
    stranger = pairwise(realm, browser, now, "stranger", redirect_uris=(OTHER_HOST,))
    named = pairwise(realm, browser, now, "named", redirect_uris=(OTHER_HOST,), sector_identifier="app.example.org")
    one.sign_in()
    assert subject(one) == subject(one) == subject(sibling, SAME_HOST) == subject(named, OTHER_HOST)
    assert len({subject(one), subject(stranger, OTHER_HOST), ana.subject}) == 3


@pytest.mark.spec("OIDC Core §8.1 sector-of-client")
def test_a_client_of_several_hosts_names_its_sector(realm: Realm, browser: Browser, now: datetime) -> None:
    both = (CALLBACK, OTHER_HOST)
    with pytest.raises(ClientRefused, match="sector identifier"):
        pairwise(realm, browser, now, "app", redirect_uris=both)
    named = pairwise(realm, browser, now, "app", redirect_uris=both, sector_identifier="example.org")
    assert named.client.sector_identifier == "example.org"


@pytest.mark.spec("OIDC Core §8.1 one-way")
def test_without_the_realms_salt_nobody_finds_the_person_of_a_subject(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = pairwise(realm, browser, now, "app")
    app.sign_in()
    first = subject(app)
    assert ana.subject not in first
    sector, salt = "app.example.org", bytes(Realm.objects.get().pairwise_salt)
    assert len(salt) == 32  # too many to try
    assert first == subjects.pairwise(ana.subject, sector=sector, salt=salt)
    assert first != subjects.pairwise(ana.subject, sector=sector, salt=salt[::-1])
