"""What token requests rest on."""

from datetime import datetime, timedelta

import pytest

from accounts.visit import Visit
from realms.models import Realm
from tests.tokens.clients import API, OTHER_API, register
from tokens.errors import InvalidScope, InvalidTarget, UnauthorizedClient
from tokens.grants import BY_TYPE, GRANTS
from tokens.grants.client_credentials import ClientCredentials
from tokens.models import Client
from tokens.parameters import ClientCredentialsRequest
from tokens.services.tagging import refresh_token_for
from tokens.vocabulary import AuthMethod, GrantType

NOTHING = ClientCredentialsRequest((), ())


def test_the_registry_has_every_grant_type_once() -> None:
    assert set(BY_TYPE) == set(GrantType)
    assert len(GRANTS) == len(BY_TYPE)


@pytest.mark.spec("RFC 6749 §4.4, RFC 9068 §2.2")
def test_a_client_asks_for_itself(realm: Realm, now: datetime) -> None:
    client, _ = register(realm, scopes=("openid", "read", "email"), resources=(API, OTHER_API))
    found = ClientCredentials().authorize(NOTHING, client=client, realm=realm, now=now, visit=Visit())
    assert (found.subject, found.client_id, found.issuer) == ("machine", "machine", realm.issuer)
    assert (found.grant_id, found.auth_time, found.methods, found.roles) == (None, None, (), ())
    assert (found.scopes, found.audience) == (("read",), (API, OTHER_API))
    assert found.expires_at == now + realm.access_token_lifetime


@pytest.mark.spec("RFC 9068 §3 default-audience")
def test_without_resources_the_audience_is_the_issuer_alone(realm: Realm, now: datetime) -> None:
    client, _ = register(realm)
    found = ClientCredentials().authorize(NOTHING, client=client, realm=realm, now=now, visit=Visit())
    assert (found.audience, found.scopes) == ((realm.issuer,), ())
    with pytest.raises(ValueError, match="no refresh token"):
        refresh_token_for(found, realm=realm, now=now)


@pytest.mark.spec("RFC 6749 §3.3, RFC 8707 §2 invalid-target, RFC 9068 §2.2.3 scope-of-audience")
@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (ClientCredentialsRequest(("admin",), ()), InvalidScope),
        (ClientCredentialsRequest(("openid",), ()), InvalidScope),
        (ClientCredentialsRequest((), (OTHER_API,)), InvalidTarget),
        (ClientCredentialsRequest((), (API + "#part",)), InvalidTarget),
    ],
)
def test_more_than_is_registered_is_refused(
    request_: ClientCredentialsRequest, error: type[Exception], realm: Realm, now: datetime
) -> None:
    client, _ = register(realm, scopes=("openid", "read"), resources=(API,))
    with pytest.raises(error):
        ClientCredentials().authorize(request_, client=client, realm=realm, now=now, visit=Visit())


def test_a_clients_own_lifetime_never_exceeds_the_realms(realm: Realm, now: datetime) -> None:
    client, _ = register(realm, access_token_lifetime=timedelta(minutes=5))
    for realms, clients in ((10, 5), (3, 3)):
        realm.access_token_lifetime = timedelta(minutes=realms)
        found = ClientCredentials().authorize(NOTHING, client=client, realm=realm, now=now, visit=Visit())
        assert found.expires_at == now + timedelta(minutes=clients)


@pytest.mark.spec("RFC 6749 §4.4: only by confidential clients", "RFC 6749 §4.4 confidential-alone")
def test_a_public_client_gets_nothing_even_where_its_row_says_so(realm: Realm, now: datetime) -> None:
    register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())
    Client.objects.filter(client_id="app").update(grant_types=["client_credentials"])
    with pytest.raises(UnauthorizedClient):
        ClientCredentials().authorize(
            NOTHING, client=Client.objects.get(client_id="app"), realm=realm, now=now, visit=Visit()
        )
