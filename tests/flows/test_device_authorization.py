"""The device authorization endpoint: what a device gets, and who gets nothing."""

from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine

from accounts.budget import DEVICE_ADDRESS
from accounts.models import User
from accounts.services.attempts import Attempt, reserve
from keys.algorithms import Purpose
from realms.models import Realm
from tests.flows.code_flow import register
from tests.flows.device_flow import DEVICE_GRANT, Device, register_device
from tests.provider import Browser, distrust, make_realm
from tests.tokens.clients import asserted, assertion, register_signer
from tokens.models import DeviceAuthorization
from tokens.services.clients import ClientRefused
from tokens.services.device_authorization import purge_dead_device_authorizations
from tokens.vocabulary import AuthMethod, GrantType

ISSUER = "https://id.example.test"


@pytest.fixture
def device(realm: Realm, ana: User, browser: Browser, now: datetime) -> Device:
    found = register_device(realm, browser, now)
    found.app.sign_in()
    return found


def claims_of(token: str) -> dict[str, Any]:
    """The claims, unverified: that they verify is another test's."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def later(length: timedelta) -> datetime:
    """A moment from now."""
    return datetime.now().astimezone() + length


@pytest.mark.spec("RFC 8628 §3.2 members")
def test_a_device_gets_its_codes(device: Device) -> None:
    answer = device.ask()
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer["Content-Type"] == "application/json"
    codes = answer.json()
    assert codes.keys() == {
        "device_code", "user_code", "verification_uri", "verification_uri_complete",
        "verification_uri_complete_qr", "expires_in", "interval",
    }  # fmt: skip
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    assert codes["verification_uri"] == f"{ISSUER}/device"
    assert codes["verification_uri_complete"] == f"{ISSUER}/device?user_code={codes['user_code']}"
    assert len(answer.content) < 2_048


@pytest.mark.spec("RFC 8628 §5.2 entropy, RFC 8628 §6.1")
def test_nothing_that_is_stored_is_a_code(device: Device) -> None:
    codes = device.codes()
    row = DeviceAuthorization.objects.get()
    assert len(codes["device_code"]) == 88
    stored = repr([getattr(row, column.attname) for column in row._meta.concrete_fields])
    assert codes["device_code"] not in stored
    for text in (codes["user_code"], codes["user_code"].replace("-", "")):
        assert text not in stored
        assert text.encode() not in bytes(row.user_code_digest)


@pytest.mark.spec("RFC 8628 §3.1, RFC 6749 §3.3")
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, ["openid", "profile", "email", "notes:read"]),
        ("openid offline_access", ["openid", "offline_access"]),
        ("notes:read", ["notes:read"]),
    ],
)
def test_scopes_are_what_was_asked_for(device: Device, asked: str | None, granted: list[str]) -> None:
    device.codes(scope=asked)
    assert DeviceAuthorization.objects.get().scopes == granted


@pytest.mark.spec("OpenID Connect Core §11")
def test_a_client_that_can_not_refresh_gets_no_offline_access(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    register_device(realm, browser, now, grant_types=(GrantType.DEVICE_CODE,)).codes(scope="openid offline_access")
    assert DeviceAuthorization.objects.get().scopes == ["openid"]


@pytest.mark.spec("RFC 8628 §3.1 public-names-itself, RFC 6749 §5.2")
@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"scope": "admin"}, 400, "invalid_scope"),
        ({"scope": "a  b"}, 400, "invalid_scope"),
        ({"resource": "https://other.example"}, 400, "invalid_target"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "signet-direct"}, 401, "invalid_client"),
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"scope": "x" * 2_000}, 400, "invalid_request"),
        ({"scope": "a\0b"}, 400, "invalid_request"),
    ],
)
def test_what_is_wrong_is_refused(device: Device, changes: dict[str, str | None], status: int, error: str) -> None:
    answer = device.ask(**changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert not DeviceAuthorization.objects.exists()


@pytest.mark.spec("RFC 8628 §3.1 once, RFC 6749 §3.2")
def test_the_request_is_a_posted_form_with_each_parameter_once(device: Device) -> None:
    browser = device.app.browser
    assert browser.get("/device_authorization?client_id=tv").status_code == 405
    for body, kind, status in (
        ("client_id=tv&client_id=tv", "application/x-www-form-urlencoded", 400),
        ('{"client_id":"tv"}', "application/json", 415),
    ):
        assert browser.post("/device_authorization", body, content_type=kind).status_code == status


@pytest.mark.spec("RFC 8628 §3.1 client-authenticated, RFC 6749 §3.2.1, RFC 8628 §3.4 client-authenticated")
def test_a_confidential_client_proves_who_it_is(realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
    device = register_device(realm, browser, now, auth_method=AuthMethod.POST)
    assert device.ask(client_secret=None).status_code == 401
    assert device.ask(client_secret="wrong").status_code == 401
    codes = device.codes()
    assert device.poll(codes["device_code"], client_secret=None).status_code == 401
    assert device.error(codes["device_code"]) == "authorization_pending"
    register_signer(realm, grant_types=DEVICE_GRANT, scopes=("openid",))
    signed = asserted(assertion(realm, now))
    assert device.ask(client_id=None, client_secret=None, **signed).status_code == 200


@pytest.mark.spec("RFC 8628 §3.1")
def test_a_client_without_the_grant_type_is_refused(
    device: Device, realm: Realm, browser: Browser, now: datetime
) -> None:
    other = Device(register(realm, browser, now))
    answer = other.ask()
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert other.error(device.codes()["device_code"]) == "unauthorized_client"


@pytest.mark.spec("RFC 8414 §2, RFC 8628 §4, RFC 8628 §3.4 grant-type")
def test_discovery_lists_it(browser: Browser, realm: Realm) -> None:
    found = browser.get("/.well-known/openid-configuration").json()
    assert found["device_authorization_endpoint"] == f"{ISSUER}/device_authorization"
    assert "urn:ietf:params:oauth:grant-type:device_code" in found["grant_types_supported"]


@pytest.mark.spec("RFC 8628 §5.1")
def test_one_address_can_not_fill_the_table(device: Device) -> None:
    begin = later(timedelta(0))
    with time_machine.travel(begin, tick=False):
        for _ in range(DEVICE_ADDRESS.burst - 2):
            reserve(Attempt.DEVICE, address="127.0.0.1", now=begin)  # what each request does first
        answers = [device.ask() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_without_a_mac_key_nothing_is_written(device: Device) -> None:
    distrust(Purpose.MAC)
    assert device.ask().status_code == 503
    assert not DeviceAuthorization.objects.exists()


def test_each_realm_has_its_own(device: Device, now: datetime) -> None:
    there = register_device(make_realm("other"), Browser(), now)
    codes = there.codes()
    assert codes["verification_uri"] == f"{ISSUER}/realms/other/device"
    assert device.error(codes["device_code"]) == "invalid_grant"
    assert device.decide(codes["user_code"]).status_code == 422
    assert there.error(codes["device_code"]) == "authorization_pending"


@pytest.mark.spec("OpenID Connect Registration §2, id_token_signed_response_alg")
def test_a_client_of_devices_needs_a_ring_for_its_id_tokens(realm: Realm, browser: Browser, now: datetime) -> None:
    with pytest.raises(ClientRefused, match="no ring that signs ID tokens with RS256"):
        register_device(realm, browser, now, id_token_alg="RS256")


def test_what_is_dead_is_purged_in_batches(device: Device, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokens.services.purging.BATCH", 2)
    for _ in range(5):
        device.codes()
    assert purge_dead_device_authorizations(now + timedelta(hours=23)) == 0
    alive = device.codes()
    DeviceAuthorization.objects.filter(pk=DeviceAuthorization.objects.order_by("-created_at")[0].pk).update(
        expires_at=now + timedelta(days=3)
    )
    assert purge_dead_device_authorizations(now + timedelta(days=2)) == 5
    assert device.error(alive["device_code"]) == "authorization_pending"
