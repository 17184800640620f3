"""Logs name events and ids: no secret, no password, no token, no name, no address."""

import json
import logging
from datetime import datetime

import pytest

from accounts.models import User
from realms.models import Realm
from tests.flows.test_direct_sign_in import basic, sign_in
from tests.flows.test_refresh_and_logout import logout, refresh
from tests.provider import PASSWORD, Browser, make_person
from tokens.services.clients import create_client

CANARIES = ["canary-name", "Canary-Name", "canary@example.org", "canary wrong password", PASSWORD, "203.0.113.77"]


def test_nothing_secret_is_logged(
    browser: Browser, realm: Realm, now: datetime, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    make_person("Canary-Name", realm=realm, email="canary@example.org")
    _, secret = create_client(realm=realm, client_id="demo", name="Demo", actor="test", now=now)
    browser.defaults["REMOTE_ADDR"] = "203.0.113.77"
    first = sign_in(browser, "canary-name").json()
    second = refresh(browser, first["refresh_token"]).json()
    sign_in(browser, "canary-name", "canary wrong password")
    sign_in(browser, "canary-name-unknown", "canary wrong password")
    for _ in range(12):
        sign_in(browser, "canary-name", "canary wrong password")
    browser.generic("POST", "/auth", headers={"authorization": basic("canary-name", "canary wrong password")})
    browser.post("/auth?password=canary+wrong+password", "{}", "application/json")
    broken = json.dumps({"username": "canary-name\0", "password": "canary wrong password"})
    browser.post("/auth", broken, "application/json")
    refresh(browser, first["refresh_token"][:-4] + "AAAA")
    logout(browser, second["refresh_token"])
    refresh(browser, second["refresh_token"])
    captured = capfd.readouterr()
    logged = caplog.text + captured.out + captured.err
    assert "sign_in.refused" in logged
    assert "grant.begun" in logged
    tokens = [found[name] for found in (first, second) for name in ("access_token", "refresh_token")]
    for canary in (*CANARIES, *tokens, secret):
        assert canary not in logged, canary


@pytest.mark.parametrize("path", ["/auth", "/auth/refresh"])
def test_a_fault_of_ours_tells_the_caller_nothing(
    path: str, browser: Browser, ana: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("inner secret")

    monkeypatch.setattr("tokens.services.direct.parse_sign_in", broken)
    monkeypatch.setattr("tokens.services.direct.parse_refresh_token", broken)
    answer = sign_in(browser, path=path)
    assert answer.status_code == 500
    assert b"inner secret" not in answer.content
    assert PASSWORD not in caplog.text
