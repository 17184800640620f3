"""Who a client is: one method, one answer, whatever is wrong."""

import hmac
from datetime import datetime
from typing import Any

import pytest

from realms.models import Realm
from tests.provider import make_realm
from tests.tokens.clients import assertion, register, register_signer
from tokens.client_auth import BY_NAME, METHODS
from tokens.client_auth.secret import digest_of
from tokens.errors import InvalidClient
from tokens.models import Client
from tokens.parameters import PresentedClient
from tokens.services.client_authentication import authenticate
from tokens.services.clients import add_secret
from tokens.vocabulary import DIRECT_CLIENT_ID, AuthMethod

SECRET_METHODS = [AuthMethod.BASIC, AuthMethod.POST]


def proved(realm: Realm, now: datetime, method: AuthMethod, client_id: str, proof: str = "") -> Client:
    return authenticate(PresentedClient(method, client_id, proof), realm=realm, now=now)


def refused(realm: Realm, now: datetime, method: AuthMethod, client_id: str, proof: str = "") -> str:
    """Why, as the log has it; the public answer is always the same."""
    with pytest.raises(InvalidClient) as refusal:
        proved(realm, now, method, client_id, proof)
    assert refusal.value.public == InvalidClient.description
    return refusal.value.detail


def test_the_registry_has_every_method_once() -> None:
    assert set(BY_NAME) == set(AuthMethod)
    assert len(METHODS) == len(BY_NAME)


@pytest.mark.spec("RFC 6749 §2.3.1 basic")
@pytest.mark.parametrize("method", SECRET_METHODS)
def test_a_secret_proves_the_client_that_it_was_made_for(method: AuthMethod, realm: Realm, now: datetime) -> None:
    client, secret = register(realm, auth_method=method)
    _, others = register(realm, "other", auth_method=method)
    assert proved(realm, now, method, "machine", secret) == client
    for wrong in (others, secret[:-1], secret + "x", secret.swapcase(), "", "ö", client.secret_digests[0]):
        assert refused(realm, now, method, "machine", wrong) == "no_proof"


@pytest.mark.spec("issue 2 of 6: secrets that can be rolled")
def test_two_secrets_are_valid_and_a_third_drops_the_oldest(realm: Realm, now: datetime) -> None:
    client, first = register(realm)
    second = add_secret(client, actor="test", now=now)
    for secret in (first, second):
        assert proved(realm, now, AuthMethod.BASIC, "machine", secret)
    third = add_secret(client, actor="test", now=now)
    assert refused(realm, now, AuthMethod.BASIC, "machine", first) == "no_proof"
    for secret in (second, third):
        assert proved(realm, now, AuthMethod.BASIC, "machine", secret)


@pytest.mark.spec("RFC 6749 §2.1, RFC 6749 §10.1 no-secret-for-apps, RFC 8252 §8.4 public")
def test_a_public_client_only_says_who_it_is(realm: Realm, now: datetime) -> None:
    client, secret = register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())
    assert secret == ""
    assert proved(realm, now, AuthMethod.NONE, "app") == client
    assert refused(realm, now, AuthMethod.NONE, "nobody") == "unknown"


@pytest.mark.spec("RFC 9700 §2.5: the registered method and no other", "RFC 6749 §2.3.2 method-of-client")
@pytest.mark.parametrize("registered", list(AuthMethod))
@pytest.mark.parametrize("used", list(AuthMethod))
def test_another_method_than_the_registered_one_is_refused(
    registered: AuthMethod, used: AuthMethod, realm: Realm, now: datetime
) -> None:
    if registered is AuthMethod.PRIVATE_KEY_JWT:
        register_signer(realm)
        secret = ""
    else:
        _, secret = register(realm, "signer", auth_method=registered, grant_types=())
    proof = assertion(realm, now) if used is AuthMethod.PRIVATE_KEY_JWT else secret
    if used is registered:
        assert proved(realm, now, used, "signer", proof).client_id == "signer"
    else:
        assert refused(realm, now, used, "signer", proof) == "unknown"


@pytest.mark.spec("issue 2 of 6: no enumeration of clients by timing", "RFC 6749 §2.3.1 brute-force")
@pytest.mark.parametrize("method", SECRET_METHODS)
def test_an_unknown_client_costs_as_many_compares_and_queries(
    method: AuthMethod, realm: Realm, now: datetime, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    register(realm, "one", auth_method=method)
    add_secret(register(realm, "two", auth_method=method)[0], actor="test", now=now)
    other = next(found for found in SECRET_METHODS if found is not method)
    register(realm, "another-method", auth_method=other)
    compared: list[str] = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, two: compared.append(one) or real(one, two))  # type: ignore[func-returns-value]
    for client_id in ("one", "two", "nobody", "another-method", DIRECT_CLIENT_ID):
        compared.clear()
        with django_assert_num_queries(1):
            refused(realm, now, method, client_id, "wrong")
        assert compared == [digest_of("wrong")] * 2


@pytest.mark.spec("design: tokens.md, the grants of direct sign-in belong to a built-in client, and /token refuses it")
@pytest.mark.parametrize("method", list(AuthMethod))
def test_the_built_in_client_is_nobody(method: AuthMethod, realm: Realm, now: datetime) -> None:
    proof = assertion(realm, now, DIRECT_CLIENT_ID) if method is AuthMethod.PRIVATE_KEY_JWT else ""
    assert refused(realm, now, method, DIRECT_CLIENT_ID, proof) == "unknown"


@pytest.mark.spec("issue 2 of 6: a disabled client is stopped")
def test_a_disabled_client_and_one_of_another_realm_are_unknown(realm: Realm, now: datetime) -> None:
    _, secret = register(realm)
    register_signer(realm)
    other = make_realm("other")
    assert refused(other, now, AuthMethod.BASIC, "machine", secret) == "unknown"
    refused(other, now, AuthMethod.PRIVATE_KEY_JWT, "", assertion(other, now))
    Client.objects.update(enabled=False)
    assert refused(realm, now, AuthMethod.BASIC, "machine", secret) == "unknown"
    refused(realm, now, AuthMethod.PRIVATE_KEY_JWT, "", assertion(realm, now))


@pytest.mark.parametrize("client_id", ["", "a\0b", "\ud800", "x" * 65, "x" * 1_000_000, "machine\n", " machine", "ä"])
def test_what_no_client_is_called_asks_the_database_nothing(
    client_id: str, realm: Realm, now: datetime, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        for method in (AuthMethod.BASIC, AuthMethod.POST, AuthMethod.NONE):
            assert refused(realm, now, method, client_id, "x") == "unknown"
