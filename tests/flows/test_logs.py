"""Logs name events and ids: no secret, no password, no token, no name, no address."""

import json
import logging
import re
from datetime import datetime, timedelta

import pytest

from accounts.models import User
from accounts.services.second_factors import make_recovery_codes
from accounts.totp import key_text
from realms.models import Realm
from tests.flows.test_direct_sign_in import basic, sign_in
from tests.flows.test_refresh_and_logout import logout, refresh
from tests.flows.test_token import ask, post
from tests.provider import PASSWORD, Browser, make_person
from tests.second_factors import fitting, give_totp, wrong
from tests.tokens.clients import asserted, assertion, register, register_signer
from tests.tokens.clients import basic as client_basic
from tokens.models import Client
from tokens.services.clients import add_secret

CANARIES = ["canary-name", "Canary-Name", "canary@example.org", "canary wrong password", PASSWORD, "203.0.113.77"]


@pytest.mark.spec("RFC 6749 §10.3 token-secret, RFC 6749 §10.4 token-secret, RFC 9700 §4.9.3 token-secret")
def test_nothing_secret_is_logged(
    browser: Browser, realm: Realm, now: datetime, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    make_person("Canary-Name", realm=realm, email="canary@example.org")
    _, secret = register(realm, "demo", introspects=(realm.issuer,))
    register_signer(realm)
    further = add_secret(Client.objects.get(client_id="demo"), actor="test", now=now)
    proof = assertion(realm, now, jti="canary-jti")
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
    machines = ask(browser, "demo", secret).json()["access_token"]
    for path in ("/token", "/introspect", "/revoke"):
        form = {"grant_type": "client_credentials", "token": first["access_token"]}
        post(browser, path, form, client_basic("demo", further))
        post(browser, path, form, client_basic("canary-name", "canary wrong password"))
        post(browser, path, form | asserted(proof))
        post(browser, path, form | {"client_id": "demo", "client_secret": secret}, client_basic("demo", secret))
        post(browser, f"{path}?client_secret={secret}", form)
    captured = capfd.readouterr()
    logged = caplog.text + captured.out + captured.err
    assert "sign_in.refused" in logged
    assert "grant.begun" in logged
    assert "token.issued realm=default client=demo" in logged
    tokens = [found[name] for found in (first, second) for name in ("access_token", "refresh_token")]
    for canary in (*CANARIES, *tokens, secret, further, proof, machines, "canary-jti"):
        assert canary not in logged, canary


@pytest.mark.spec("design: logs name events and ids")
def test_nothing_of_a_second_factor_is_logged(
    browser: Browser, ana: User, now: datetime, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    seed = give_totp(ana, now - timedelta(minutes=5))
    codes = make_recovery_codes(person=ana, actor="test", now=now)
    challenges = [sign_in(browser).json()["challenge"] for _ in range(3)]
    typed = [fitting(seed, now), codes[0], wrong(seed, now)]
    for challenge, code in zip(challenges, typed, strict=True):
        browser.post("/auth/mfa", json.dumps({"challenge": challenge, "code": code}), "application/json")
    browser.post("/auth/mfa", json.dumps({"challenge": "canary-challenge", "code": "canary"}), "application/json")
    captured = capfd.readouterr()
    logged = caplog.text + captured.out + captured.err
    assert "factor.refused" in logged
    assert "request.refused error=SecondFactorDue" in logged
    for secret in (*challenges, *codes, key_text(seed), key_text(seed).replace(" ", ""), seed.hex(), "canary"):
        assert secret not in logged, secret
    for code in typed:
        assert not re.search(rf"\b{code}\b", logged), code


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
