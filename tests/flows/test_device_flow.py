"""What a device gets at the token endpoint, and what may happen before it comes for it."""

import logging
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine

from accounts.models import Membership, Session, User
from accounts.services.sessions import end_session
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.device_flow import DEVICE_GRANT, Device, register_device
from tests.provider import Browser
from tokens.models import Client, Consent, DeviceAuthorization, Grant
from tokens.services.device_authorization import LIFETIME
from tokens.vocabulary import GrantType, RevocationReason

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


class TestTokens:
    """What the device gets at the token endpoint."""

    @pytest.mark.spec(
        "RFC 8628 §3.5 pending, RFC 6749 §5.1, OpenID Connect Core §3.1.3.3, RFC 8628 §3.3 approval",
        "RFC 8628 §3.4 grant-type",
    )
    def test_a_decision_becomes_tokens(self, device: Device, ana: User) -> None:
        codes = device.codes(scope="openid email offline_access")
        assert device.error(codes["device_code"]) == "authorization_pending"
        assert device.decide(codes["user_code"]).status_code == 200
        answer = device.poll(codes["device_code"])
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        tokens = answer.json()
        assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
        access, identity = claims_of(tokens["access_token"]), claims_of(tokens["id_token"])
        session = Session.objects.get()
        assert (access["client_id"], access["sub"], access["scope"]) == (
            "tv",
            ana.subject,
            "openid email offline_access",
        )
        assert (identity["aud"], identity["sub"], identity["sid"]) == ("tv", ana.subject, session.sid)
        assert identity["auth_time"] == int(session.auth_time.timestamp())
        assert identity["amr"] == ["pwd"]
        assert "nonce" not in identity
        told = device.app.browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
        assert told.json()["sub"] == ana.subject
        assert device.app.refresh(tokens["refresh_token"]).status_code == 200

    @pytest.mark.spec("OpenID Connect Core §11")
    def test_without_offline_access_nothing_outlives_the_first_tokens(self, device: Device) -> None:
        codes = device.codes(scope="openid")
        device.decide(codes["user_code"])
        assert "refresh_token" not in device.poll(codes["device_code"]).json()
        assert Grant.objects.get().absolute_expires_at - Grant.objects.get().created_at < timedelta(hours=1)

    @pytest.mark.spec("RFC 8707 §2")
    def test_the_audience_is_the_resource(self, realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
        device = register_device(realm, browser, now, resources=("https://api.example.org",))
        device.app.sign_in()
        codes = device.codes(scope="notes:read", resource="https://api.example.org")
        device.decide(codes["user_code"])
        tokens = device.poll(codes["device_code"]).json()
        assert claims_of(tokens["access_token"])["aud"] == "https://api.example.org"

    @pytest.mark.spec("RFC 8628 §3.1, RFC 8707 §2.1: resource means what it does at /authorize")
    def test_without_a_resource_the_audience_is_the_issuer(
        self, realm: Realm, ana: User, browser: Browser, now: datetime
    ) -> None:
        device = register_device(realm, browser, now, resources=("https://api.example.org",))
        device.app.sign_in()
        codes = device.codes(scope="notes:read")
        device.decide(codes["user_code"])
        tokens = device.poll(codes["device_code"]).json()
        assert claims_of(tokens["access_token"])["aud"] == realm.issuer

    @pytest.mark.spec("RFC 8628 §3.5 denied, access_denied")
    def test_the_device_learns_that_it_was_denied(self, device: Device) -> None:
        codes = device.codes()
        assert device.decide(codes["user_code"], "deny").status_code == 200
        assert [device.error(codes["device_code"]) for _ in range(2)] == ["access_denied"] * 2
        assert not Grant.objects.exists()
        assert not Consent.objects.exists()
        event = Event.objects.get(name=EventName.DEVICE_DENIED)
        assert event.details == {"client_id": "tv"}

    @pytest.mark.spec("RFC 8628 §3.5 expired, expired_token")
    @pytest.mark.parametrize("decided", [False, True])
    def test_the_codes_expire(self, device: Device, decided: bool) -> None:
        codes = device.codes()
        if decided:
            device.decide(codes["user_code"])
        with time_machine.travel(later(LIFETIME - timedelta(seconds=5))):
            if not decided:
                assert device.error(codes["device_code"]) == "authorization_pending"
        with time_machine.travel(later(LIFETIME + timedelta(seconds=1))):
            assert device.error(codes["device_code"]) == "expired_token"
            assert device.page(user_code=codes["user_code"]).status_code == 422
            assert device.decide(codes["user_code"]).status_code == 422
            assert device.error(codes["device_code"]) == "expired_token"
        assert Grant.objects.count() == int(decided)

    @pytest.mark.spec("RFC 8628 §3.4, RFC 6749 §4.1.2")
    def test_a_device_code_is_redeemed_once_and_a_replay_ends_nothing(self, device: Device) -> None:
        codes = device.codes(scope="openid offline_access")
        device.decide(codes["user_code"])
        tokens = device.poll(codes["device_code"]).json()
        assert device.error(codes["device_code"]) == "invalid_grant"
        assert device.app.refresh(tokens["refresh_token"]).status_code == 200

    @pytest.mark.spec("RFC 8628 §3.4 code-of-client, RFC 6749 §5.2")
    def test_another_clients_device_code_is_refused_and_not_spent(
        self, device: Device, realm: Realm, browser: Browser, now: datetime
    ) -> None:
        other = register_device(realm, browser, now, client_id="radio")
        codes = device.codes()
        assert other.error(codes["device_code"]) == "invalid_grant"
        device.decide(codes["user_code"])
        assert other.error(codes["device_code"]) == "invalid_grant"
        assert device.poll(codes["device_code"]).status_code == 200

    @pytest.mark.spec("RFC 8628 §5.2 entropy, RFC 6749 §10.10")
    @pytest.mark.parametrize("position", [0, 1, 20, 40, 87])
    def test_a_forged_device_code_costs_no_look_at_its_row(
        self, device: Device, position: int, django_assert_max_num_queries: Any
    ) -> None:
        code = device.codes()["device_code"]
        forged = code[:position] + ("A" if code[position] != "A" else "B") + code[position + 1 :]
        with django_assert_max_num_queries(6) as queries:
            assert device.error(forged) == "invalid_grant"
        assert not [query for query in queries if "deviceauthorization" in query["sql"]]

    @pytest.mark.spec("RFC 6749 §5.2, RFC 8628 §3.4 device-code")
    @pytest.mark.parametrize(
        ("code", "error"),
        [
            (None, "invalid_request"), ("", "invalid_request"), ("x" * 600, "invalid_request"),
            ("a\0b", "invalid_request"), ("é", "invalid_grant"), ("A" * 88, "invalid_grant"),
        ],
    )  # fmt: skip
    def test_garbage_is_refused(self, device: Device, code: str | None, error: str) -> None:
        answer = device.app.token(grant_type=GrantType.DEVICE_CODE.value, device_code=code)
        assert (answer.status_code, answer.json()["error"]) == (400, error)

    @pytest.mark.spec("design: tokens.md, purposes can't be taken for one another")
    def test_no_handle_serves_for_another(self, realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
        types = (*DEVICE_GRANT, GrantType.AUTHORIZATION_CODE)
        device = register_device(realm, browser, now, grant_types=types, redirect_uris=("https://app.example.org/cb",))
        device.app.sign_in()
        codes = device.codes(scope="openid offline_access")
        device.decide(codes["user_code"])
        assert device.app.exchange(codes["device_code"]).json()["error"] == "invalid_grant"
        assert device.app.refresh(codes["device_code"]).json()["error"] == "invalid_grant"
        assert device.error(device.app.code()) == "invalid_grant"
        tokens = device.poll(codes["device_code"]).json()
        assert device.error(tokens["refresh_token"]) == "invalid_grant"

    @pytest.mark.spec("RFC 6750 §5.3")
    def test_a_device_code_does_not_belong_in_the_address(self, device: Device) -> None:
        code = device.codes()["device_code"]
        answer = device.app.browser.post(
            f"/token?device_code={code}", "client_id=tv", "application/x-www-form-urlencoded"
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec("issue: disabling or ending takes hold at the very next use")
class TestInBetween:
    """The person allowed it; then something ends, before the device comes for its tokens."""

    @pytest.fixture
    def allowed(self, device: Device) -> str:
        codes = device.codes(scope="openid")
        assert device.decide(codes["user_code"]).status_code == 200
        return str(codes["device_code"])

    def test_the_person_is_disabled(self, device: Device, allowed: str, ana: User) -> None:
        User.objects.update(is_active=False)
        assert device.error(allowed) == "invalid_grant"
        User.objects.update(is_active=True)
        assert device.poll(allowed).status_code == 200  # nothing was spent

    def test_the_person_has_another_password(self, device: Device, allowed: str, ana: User) -> None:
        ana.set_password("another correct horse")
        ana.save()
        assert device.error(allowed) == "invalid_grant"

    def test_the_person_left_the_realm(self, device: Device, allowed: str) -> None:
        Membership.objects.all().delete()
        assert device.error(allowed) == "invalid_grant"

    def test_the_person_was_deleted(self, device: Device, allowed: str, ana: User) -> None:
        ana.delete()
        assert device.error(allowed) == "invalid_grant"
        assert not DeviceAuthorization.objects.exists()

    def test_the_session_ended(self, device: Device, allowed: str, now: datetime) -> None:
        end_session(Session.objects.get(), reason=SessionEnd.SIGNED_OUT, actor="test", now=now)
        assert device.error(allowed) == "invalid_grant"

    def test_with_offline_access_the_session_may_end(self, device: Device, now: datetime) -> None:
        codes = device.codes(scope="openid offline_access")
        device.decide(codes["user_code"])
        end_session(Session.objects.get(), reason=SessionEnd.SIGNED_OUT, actor="test", now=now)
        assert device.poll(codes["device_code"]).status_code == 200

    def test_the_client_is_disabled(self, device: Device, allowed: str) -> None:
        Client.objects.filter(client_id="tv").update(enabled=False)
        assert device.poll(allowed).json()["error"] == "invalid_client"

    def test_the_client_lost_the_grant_type(self, device: Device, allowed: str) -> None:
        Client.objects.filter(client_id="tv").update(grant_types=[])
        assert device.error(allowed) == "unauthorized_client"

    def test_the_realm_is_disabled(self, device: Device, allowed: str) -> None:
        Realm.objects.update(enabled=False)
        assert device.poll(allowed).status_code == 404

    def test_the_grant_was_revoked(self, device: Device, allowed: str, now: datetime) -> None:
        Grant.objects.update(revoked_at=now, revocation_reason=RevocationReason.REVOKED)
        assert device.error(allowed) == "invalid_grant"


@pytest.mark.spec("RFC 8628 §5.2, design: nothing secret in logs")
def test_no_code_and_no_token_is_logged(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="signet")
    caplog.set_level(logging.DEBUG, logger="django.request")
    codes = device.codes(scope="openid offline_access")
    device.error(codes["device_code"])
    device.page(user_code="BBBB-BBBB")
    device.page(user_code=codes["user_code"])
    device.decide(codes["user_code"])
    tokens = device.poll(codes["device_code"]).json()
    device.error(codes["device_code"])
    assert "device.asked" in caplog.text
    assert "device.allowed" in caplog.text
    code = codes["user_code"]
    for secret in (
        codes["device_code"],
        code,
        code.replace("-", ""),
        "BBBB",
        tokens["refresh_token"],
        tokens["id_token"],
    ):
        assert secret not in caplog.text
