"""`POST /revoke`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from accounts.models import User
from accounts.services.sign_in import SignedIn
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.test_direct_sign_in import sign_in
from tests.flows.test_introspection import introspect
from tests.flows.test_token import ask, error, post
from tests.provider import ISSUER, Browser, make_person, make_realm
from tests.tokens.clients import basic, register
from tokens.models import Client, Grant, SpentToken
from tokens.services.grants import begin_grant
from tokens.services.issuance import Tokens, issue
from tokens.vocabulary import AuthMethod, RevocationReason


@pytest.fixture
def service(realm: Realm) -> dict[str, str]:
    """The headers of a service that introspects."""
    return basic("service", register(realm, "service", grant_types=(), introspects=(ISSUER,))[1])


def begin(realm: Realm, person: User, client: Client, now: datetime) -> Tokens:
    """What a person's grant to a client gives."""
    signed_in = SignedIn(person, (), now, ("pwd",))
    authorization = begin_grant(
        realm=realm, client=client, signed_in=signed_in, scopes=("openid", "offline_access"), now=now
    )
    return issue(authorization, realm=realm, now=now)


def revoke(browser: Browser, token: str, headers: dict[str, str], **more: str) -> None:
    answer = post(browser, "/revoke", {"token": token, **more}, headers)
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer["Cache-Control"] == "no-store"


def active(browser: Browser, token: str, headers: dict[str, str]) -> Any:
    return introspect(browser, token, headers).json()["active"]


@pytest.mark.spec("RFC 7009 §2.1 hint-extended, RFC 7009 §2.1 at-once, RFC 7662 §4 revocation")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_an_access_token_is_revoked_by_itself(
    hint: str, browser: Browser, realm: Realm, service: dict[str, str]
) -> None:
    _, secret = register(realm)
    first, second = (ask(browser, "machine", secret).json()["access_token"] for _ in range(2))
    for _ in range(2):
        revoke(browser, first, basic("machine", secret), token_type_hint=hint)
        assert not active(browser, first, service)
    assert active(browser, second, service)
    assert SpentToken.objects.count() == 1


@pytest.mark.spec(
    "RFC 7009 §2.1: with a refresh token goes its whole grant",
    "RFC 7009 §2 refresh-tokens, RFC 7009 §2.1 with-its-tokens, RFC 7009 §2.1 at-once",
)
def test_a_refresh_token_is_revoked_with_its_grant(
    browser: Browser, realm: Realm, ana: User, now: datetime, service: dict[str, str]
) -> None:
    client, secret = register(realm, "web", grant_types=())
    made, other = begin(realm, ana, client, now), begin(realm, ana, client, now)
    assert made.refresh_token is not None
    assert active(browser, made.access_token, service)
    for _ in range(2):
        revoke(browser, made.refresh_token, basic("web", secret))
    assert not active(browser, made.access_token, service)
    assert active(browser, other.access_token, service)
    event = Event.objects.get(name=EventName.GRANT_ENDED)
    assert (event.actor, event.details["reason"]) == ("client:web", "revoked")
    assert Grant.objects.get(pk=event.target).revocation_reason == RevocationReason.REVOKED


def test_an_access_token_of_a_grant_leaves_the_grant(
    browser: Browser, realm: Realm, ana: User, now: datetime, service: dict[str, str]
) -> None:
    client, secret = register(realm, "web", grant_types=())
    made = begin(realm, ana, client, now)
    revoke(browser, made.access_token, basic("web", secret))
    assert not active(browser, made.access_token, service)
    assert Grant.objects.get().revoked_at is None


@pytest.mark.spec("RFC 7009 §2.1, §5: public clients may revoke what is theirs")
def test_a_public_client_revokes_what_is_its_own(
    browser: Browser, realm: Realm, ana: User, now: datetime, service: dict[str, str]
) -> None:
    client, _ = register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())
    made = begin(realm, ana, client, now)
    revoke(browser, made.access_token, {}, client_id="app")
    assert not active(browser, made.access_token, service)


def refuse(browser: Browser, token: str, headers: dict[str, str], **more: str) -> None:
    """Revoke in vain what another client was issued."""
    answer = post(browser, "/revoke", {"token": token, **more}, headers)
    assert error(answer) == (400, "invalid_grant")
    assert answer.json()["error_description"] == "The token was issued to another client."
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.spec(
    "RFC 7009 §2.1 token-of-client, RFC 7009 §2.1 another-clients-is-an-error, RFC 7009 §5 guessing",
)
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", ""])
def test_somebody_elses_token_stays_and_the_client_learns_that_it_does(
    hint: str, browser: Browser, realm: Realm, ana: User, now: datetime, service: dict[str, str]
) -> None:
    _, secret = register(realm)
    register(realm, "page", auth_method=AuthMethod.NONE, grant_types=())
    client, _ = register(realm, "web", grant_types=())
    made, direct = begin(realm, ana, client, now), sign_in(browser).json()
    for token in (made.access_token, made.refresh_token, direct["access_token"], direct["refresh_token"]):
        assert token is not None
        refuse(browser, token, basic("machine", secret), token_type_hint=hint)
        refuse(browser, token, {}, client_id="page", token_type_hint=hint)
    assert active(browser, made.access_token, service)
    assert active(browser, direct["access_token"], service)
    assert not SpentToken.objects.exists()
    assert not Grant.objects.exclude(revoked_at=None).exists()


@pytest.mark.spec("RFC 7009 §2.2 invalid-is-fine")
def test_somebody_elses_token_that_is_over_or_garbled_is_no_error(
    browser: Browser, realm: Realm, ana: User, now: datetime
) -> None:
    _, secret = register(realm)
    client, _ = register(realm, "web", grant_types=())
    made = begin(realm, ana, client, now)
    assert made.refresh_token is not None
    for token in (made.access_token, made.refresh_token):
        revoke(browser, token[:-8] + "AAAAAAAA", basic("machine", secret))
    Grant.objects.update(idle_expires_at=now)
    with time_machine.travel(now + realm.access_token_lifetime):
        for token in (made.access_token, made.refresh_token):
            revoke(browser, token, basic("machine", secret))
    Grant.objects.all().delete()
    revoke(browser, made.refresh_token, basic("machine", secret))


def test_a_client_of_the_same_name_in_another_realm_is_somebody_else(
    browser: Browser, realm: Realm, service: dict[str, str]
) -> None:
    _, secret = register(realm)
    _, others = register(make_realm("other"))
    token = ask(browser, "machine", secret).json()["access_token"]
    answer = post(browser, "/realms/other/revoke", {"token": token}, basic("machine", others))
    assert answer.status_code == 200
    assert active(browser, token, service)


@pytest.mark.spec("RFC 7009 §2.2: an invalid token is no error", "RFC 7009 §2.2 invalid-is-fine, RFC 7009 §5 guessing")
@pytest.mark.parametrize("token", ["x", "a.b.c", "..", ".", "é", "x" * 12_000, "A" * 80, "\ufeff"])
def test_what_is_no_token_is_revoked_already(token: str, browser: Browser, realm: Realm) -> None:
    _, secret = register(realm)
    revoke(browser, token, basic("machine", secret))


@pytest.mark.spec(
    "RFC 7009 §2.1: the client is authenticated first",
    "RFC 7009 §2.1 client-authenticated, RFC 7009 §5 guessing",
)
def test_whoever_is_not_known_revokes_nothing(browser: Browser, realm: Realm, service: dict[str, str]) -> None:
    _, secret = register(realm)
    token = ask(browser, "machine", secret).json()["access_token"]
    for headers, form in (
        ({}, {}),
        ({}, {"client_id": "machine"}),
        (basic("machine", "wrong"), {}),
        (basic("nobody", secret), {}),
        ({"authorization": f"Bearer {token}"}, {}),
    ):
        assert error(post(browser, "/revoke", {"token": token, **form}, headers)) == (401, "invalid_client")
    for form in ({}, {"token": ""}, {"token": "a\0"}, {"token": "x" * 12_289}):
        assert error(post(browser, "/revoke", form, basic("machine", secret))) == (400, "invalid_request")
    assert active(browser, token, service)


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("RFC 7009 §2.1")
def test_twenty_revocations_at_once_end_a_grant_once() -> None:
    realm = make_realm()
    client, secret = register(realm, "web", grant_types=())
    token = begin(realm, make_person(realm=realm), client, timezone.now()).refresh_token
    assert token is not None
    together = Barrier(20)

    def race(_number: int) -> int:
        try:
            together.wait()
            browser = Browser(raise_request_exception=False)
            return int(post(browser, "/revoke", {"token": token}, basic("web", secret)).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(race, range(20))) == {200}
    assert Event.objects.filter(name=EventName.GRANT_ENDED).count() == 1
