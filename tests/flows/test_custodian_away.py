"""`/token` and `/auth` while the custodian of the signing key is away: 503, nothing is spent, the JWKS stays up."""

import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from accounts.models import User
from keys.algorithms import Custody, Purpose
from keys.models import KeyRing
from keys.remote_calls import remote_calls
from keys.selectors import rings
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.flows.code_flow import App, register
from tests.keys.custodians.fake import FakeCustodian, on_the_table
from tests.provider import Browser, distrust
from tokens.models import Grant

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
    assert ready.status_code == 503
    assert "CustodianUnreachable" in json.dumps(ready.json())
    assert browser.get("/livez").status_code == 200
    assert browser.get("/.well-known/jwks.json").status_code == 200
