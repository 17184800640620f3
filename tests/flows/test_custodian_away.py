"""The endpoints while the custodian of the signing key is away: 503, nothing is spent, the JWKS stays up."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from accounts.models import SignInChallenge, User
from audit.models import Seal
from idp_project.audit_seals import seal_audit
from keys.algorithms import Custody, Purpose
from keys.errors import CustodianUnreachable
from keys.history import histories
from keys.models import KeyRing
from keys.remote_calls import remote_calls
from keys.selectors import rings
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.flows.code_flow import App, register, sent_back
from tests.flows.device_flow import register_device
from tests.flows.test_direct_mfa import AGO, challenge_of, complete, enter
from tests.flows.test_direct_sign_in import sign_in
from tests.flows.test_refresh_and_logout import refresh
from tests.keys.custodians.fake import FakeCustodian, on_the_table
from tests.provider import Browser, distrust
from tests.second_factors import fitting, give_totp
from tokens.models import Client, Grant, LogoutDelivery
from tokens.services.logout_delivery import deliver_due
from tokens.vocabulary import LogoutFailure, ResponseType

pytestmark = pytest.mark.spec("issue 5, 5: an unreachable custodian makes signing fail with 503; the JWKS stays up")


@pytest.fixture
def fake() -> Iterator[FakeCustodian]:
    found = FakeCustodian()
    with on_the_table(found):
        yield found


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime, fake: FakeCustodian) -> App:
    """An app of a realm whose signing keys are kept by the custodian."""
    found = register(realm, browser, now)
    found.sign_in()
    ring = rings().get(purpose=Purpose.SIGN)
    KeyRing.objects.filter(pk=ring.pk).update(custodian=fake.name, custody=Custody.REMOTE)
    distrust(Purpose.SIGN)
    rotate(KeyRing.objects.get(pk=ring.pk), now=datetime.now(now.tzinfo), actor="test")
    signer.forget()
    return found


def come_back(fake: FakeCustodian) -> None:
    fake.back()
    remote_calls.forget()


def test_a_code_is_not_spent(app: App, fake: FakeCustodian) -> None:
    code = app.code()
    fake.away()
    refused = app.exchange(code)
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert Grant.objects.get().code_used_at is None
    come_back(fake)
    assert app.exchange(code).status_code == 200


def test_a_refresh_token_is_not_turned(app: App, fake: FakeCustodian) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    signer.forget()  # the last signature is longer ago than a worker trusts it
    fake.away()
    assert app.refresh(tokens["refresh_token"]).status_code == 503
    assert Grant.objects.get().generation == 0
    come_back(fake)
    assert app.refresh(tokens["refresh_token"]).status_code == 200
    assert Grant.objects.get().revoked_at is None


def test_the_probes_say_it_and_the_jwks_stays(app: App, browser: Browser, fake: FakeCustodian) -> None:
    fake.away()
    ready = browser.get("/readyz")
    said = ready.json()
    assert (ready.status_code, said["status"]) == (200, "degraded"), "no worker could do more"
    assert "overdue" not in said
    assert said["away"]
    assert all(ring.endswith("CustodianUnreachable") for ring in said["away"])
    assert browser.get("/livez").status_code == 200
    assert browser.get("/.well-known/jwks.json").status_code == 200


# --- Direct sign-in, and what fails in the moment of signing ------------------------------------------------------


class Goes:
    """A custodian that answers so many times more, and tells how many transactions were open when it was asked."""

    def __init__(self, fake: FakeCustodian, after: int = 1_000) -> None:
        self.left, self.inside, self.outside = after, list[int](), len(connection.savepoint_ids)
        fake.before_signing = self.asked

    def asked(self) -> None:
        self.inside.append(len(connection.savepoint_ids) - self.outside)
        self.left -= 1
        if self.left < 0:
            raise CustodianUnreachable("It went away just now.")


def test_direct_sign_in_spends_nothing(app: App, ana: User, fake: FakeCustodian, now: datetime) -> None:
    seed = give_totp(ana, now - AGO)
    challenge = challenge_of(app.browser)
    signer.forget()  # the last signature is longer ago than a worker trusts it
    fake.away()
    assert sign_in(app.browser).status_code == 503
    assert enter(app.browser, challenge, seed).status_code == 503
    assert not Grant.objects.exists()
    assert SignInChallenge.objects.get().completed_at is None
    come_back(fake)
    assert enter(app.browser, challenge, seed).status_code == 200  # the code of the app is not spent either


def test_it_signs_in_no_transaction(app: App, ana: User, fake: FakeCustodian, now: datetime) -> None:
    goes = Goes(fake)
    tokens = sign_in(app.browser).json()
    assert refresh(app.browser, tokens["refresh_token"]).status_code == 200
    assert app.exchange(app.code()).status_code == 200
    seed = give_totp(ana, now - AGO)
    assert complete(app.browser, challenge_of(app.browser), fitting(seed, timezone.now())).status_code == 200
    assert len(goes.inside) > 4
    assert set(goes.inside) == {0}


def test_who_signs_in_directly_while_it_goes_away_leaves_no_grant(
    app: App, ana: User, fake: FakeCustodian, now: datetime
) -> None:
    Goes(fake, after=1)
    assert sign_in(app.browser).status_code == 503
    assert not Grant.objects.exists()
    remote_calls.forget()
    seed = give_totp(ana, now - AGO)
    challenge = challenge_of(app.browser)
    signer.forget()
    Goes(fake, after=1)
    assert enter(app.browser, challenge, seed).status_code == 503
    assert not Grant.objects.exists()


@pytest.mark.parametrize("path", ["/token", "/auth/refresh"])
def test_a_refresh_that_it_left_in_the_middle_has_the_same_successor_when_it_comes_again(
    path: str, app: App, fake: FakeCustodian
) -> None:
    direct = path == "/auth/refresh"
    got = sign_in(app.browser) if direct else app.exchange(app.code(scope="openid offline_access"))
    token = got.json()["refresh_token"]

    def again() -> Any:
        return refresh(app.browser, token) if direct else app.refresh(token)

    signer.forget()
    Goes(fake, after=1)
    assert again().status_code == 503
    assert Grant.objects.get().generation == 1
    Goes(fake)
    remote_calls.forget()
    first, second = again(), again()
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["refresh_token"] == second.json()["refresh_token"]
    grant = Grant.objects.get()
    assert (grant.generation, grant.revoked_at) == (1, None)


# --- What else is signed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("response_type", ["code", "id_token", "code id_token", "id_token token"])
def test_the_authorization_endpoint_writes_no_grant_that_it_cant_sign_for(
    app: App, fake: FakeCustodian, response_type: str
) -> None:
    Client.objects.filter(pk=app.client.pk).update(response_types=list(ResponseType))
    signer.forget()
    fake.away()
    answer = app.authorize(response_type=response_type)
    if response_type == "code":  # a code is a handle: nothing is signed yet
        assert answer.status_code == 303
        assert app.exchange(sent_back(answer)["code"]).status_code == 503
        assert Grant.objects.get().code_used_at is None
        return
    assert answer.status_code == 503
    assert "id_token" not in answer.get("Location", "")
    assert not Grant.objects.exists()


def test_a_device_that_asks_meanwhile_gets_its_tokens_later(
    app: App, realm: Realm, fake: FakeCustodian, now: datetime
) -> None:
    device = register_device(realm, app.browser, now)
    codes = device.codes()
    assert device.decide(codes["user_code"]).status_code == 200
    signer.forget()
    fake.away()
    assert device.poll(codes["device_code"]).status_code == 503
    come_back(fake)
    with time_machine.travel(datetime.now(now.tzinfo) + timedelta(seconds=6)):
        assert device.poll(codes["device_code"]).status_code == 200


def test_a_logout_waits_in_the_outbox_until_it_can_be_signed(
    app: App, fake: FakeCustodian, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    Client.objects.filter(pk=app.client.pk).update(backchannel_logout_uri="https://app.example.org/logout")
    app.exchange(app.code())
    depths, outside, sent = list[int](), len(connection.savepoint_ids), list[str]()
    assert app.browser.get("/logout", {"id_token_hint": app.exchange(app.code()).json()["id_token"]}).status_code == 200
    signer.forget()
    fake.away()
    clock = FakeClock(datetime.now(now.tzinfo) + timedelta(minutes=1))

    def post(_uri: str, token: str) -> str:
        sent.append(token)
        return "200"

    deliver_due(clock=clock, post=post, chance=lambda: 0.5)
    waiting = LogoutDelivery.objects.get()
    assert (sent, waiting.delivered_at, waiting.last_outcome) == ([], None, LogoutFailure.NO_KEY)
    assert "custodian.unreachable" in caplog.text
    come_back(fake)
    fake.before_signing = lambda: depths.append(len(connection.savepoint_ids) - outside)
    clock.advance(timedelta(hours=1))
    deliver_due(clock=clock, post=post, chance=lambda: 0.5)
    assert len(sent) == 1
    assert set(depths) == {0}
    assert LogoutDelivery.objects.get().delivered_at is not None


def test_the_history_of_keys_is_503_and_the_jwks_stays(
    app: App, browser: Browser, fake: FakeCustodian, settings: LazySettings
) -> None:
    settings.IDP_JWKS_HISTORY = True
    histories.forget()
    fake.away()
    assert browser.get("/.well-known/jwks-history.json").status_code == 503
    assert browser.get("/.well-known/jwks.json").status_code == 200
    come_back(fake)
    assert browser.get("/.well-known/jwks-history.json").status_code == 200


def test_heads_of_the_audit_are_signed_in_no_transaction_and_by_a_later_run(app: App, fake: FakeCustodian) -> None:
    Seal.objects.create(number=1, previous=bytes(32), head=bytes(32), sealed_at=timezone.now())
    fake.away()
    with pytest.raises(CustodianUnreachable):
        seal_audit(timezone.now())
    assert Seal.objects.filter(token="").exists()
    come_back(fake)
    goes = Goes(fake)
    seal_audit(timezone.now())
    assert set(goes.inside) == {0}
    assert not Seal.objects.filter(token="").exists()
