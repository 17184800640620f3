"""manage.py sign_token and verify_token: a token from the command line, and why it is refused."""

import io
import json
import sys
from datetime import datetime, timedelta

import pytest
import time_machine
from django.conf import LazySettings

from keys import compact, jose
from keys.algorithms import Purpose
from keys.jwk import base64url
from keys.models import KeyPair
from keys.signer import RingName, signer
from realms.models import Realm
from tests.keys.commands import Ran, run
from tests.keys.known_secrets import SECRET_B

pytestmark = pytest.mark.usefixtures("bootstrapped", "stopped_clock")


def token(*arguments: str) -> str:
    ran = run("sign_token", *arguments)
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 1
    return ran.out.strip()


@pytest.mark.spec("product.md: token signing and verification from the command line")
def test_a_token_is_signed_and_verified(now: datetime) -> None:
    document = run("verify_token", token("--claims", '{"sub": "s", "aud": ["api"]}'), "--audience", "api").json
    assert document["algorithm"] == "ES256"
    assert document["kid"] == KeyPair.objects.filter(ring__purpose="sign").earliest("activates_at").kid
    start = int(now.timestamp())
    assert document["claims"] == {
        "sub": "s", "aud": ["api"], "iss": "https://id.example.test", "iat": start, "exp": start + 300,
    }  # fmt: skip


@pytest.mark.spec("product.md: token verification from the command line")
def test_a_token_comes_from_standard_input_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(token() + "\n"))
    assert run("verify_token").code == 0


@pytest.mark.spec("issue 2: bad input is named; exit 2")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--claims", "{"], "--claims is not plain JSON"),
        (["--claims", "[]"], "--claims is not a JSON object"),
        (["--claims", '{"a":1,"a":2}'], "each member once"),
        (["--claims", '{"exp":1,"iss":"x"}'], "exp, iss can't be given"),
        (["--lifetime", "soon"], "ISO 8601"),
        (["--lifetime", "PT0S"], "ISO 8601"),
        (["--lifetime=-PT5M"], "--lifetime"),
        (["--lifetime", "P99999999999D"], "ISO 8601"),
        (["--lifetime", "P999999999D"], "ISO 8601"),
        (["--algorithm", "HS256"], "'HS256'"),
        (["--realm", "nowhere"], "'nowhere'"),
    ],
)
def test_wrong_usage_is_named(arguments: list[str], named: str) -> None:
    ran = run("sign_token", *arguments)
    assert ran.code in (1, 2)
    assert named in ran.err
    assert ran.out == ""


@pytest.mark.spec("keys.md The invariant; issue 2: bad input; exit 1")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--lifetime", "P8D"], "longer than the 7 days"),
        (["--algorithm", "ES512"], "no ring for sign with ES512"),
        (["--claims", '{"x": "\\ud800"}'], "JSON"),
    ],
)
def test_what_cannot_be_signed_is_named(arguments: list[str], named: str) -> None:
    ran = run("sign_token", *arguments)
    assert ran.code == 1
    assert named in ran.err


@pytest.mark.spec("issue 2: a wrong master secret makes every command that needs it stop with the id")
def test_a_wrong_master_secret_is_named(settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    ran = run("sign_token")
    assert (ran.code, "'t1' is missing" in ran.err) == (1, True)


def changed(text: str, part: int, value: object) -> str:
    parts = text.split(".")
    parts[part] = base64url(json.dumps(value).encode())
    return ".".join(parts)


@pytest.mark.spec("issue 2: verify_token says why it is refused")
def test_each_reason_for_a_refusal_is_said(now: datetime) -> None:
    good = token("--claims", '{"aud": "api"}')
    kid = compact.parse(good).kid
    header = {"alg": "ES256", "kid": kid, "typ": "JWT"}
    for text, arguments, reason in (
        ("", [], "not a compact JWS"),
        ("a.b", [], "not a compact JWS"),
        ("x" * 20_000, [], "longer than 16384"),
        (good[:-4] + "AAAA", [], "doesn't match"),
        (changed(good, 0, {**header, "alg": "none"}), [], "'none', and its key is one for ES256"),
        (changed(good, 0, {**header, "kid": "other"}), [], "No published key has the kid 'other'"),
        (changed(good, 0, {**header, "crit": ["b64"]}), [], "critical extension"),
        (changed(good, 1, {"sub": "x"}), [], "has no exp"),
        (good, ["--typ", "at+jwt"], "'at+jwt' is expected"),
        (good, ["--audience", "web"], "not meant for web"),
        (good, ["--realm", "nowhere"], "'nowhere'"),
        (_foreign(now), [], "issuer is not"),
    ):
        ran = run("verify_token", *arguments, "--", text) if text else _from_nothing()
        assert ran.code in (1, 2)
        assert reason in ran.err, text[:40]
        assert ran.out == ""
    with time_machine.travel(now + timedelta(minutes=5), tick=False):
        assert "Refused: The token expired at 2026-01-15 12:05:00 UTC." in run("verify_token", good).err


def _from_nothing() -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(""))
        return run("verify_token")


def _foreign(now: datetime) -> str:
    """A token with the right signature and another issuer."""
    key, private = signer.signing_key(RingName(Realm.objects.get().pk, Purpose.SIGN, "ES256"), now)
    assert not isinstance(private, bytes)
    claims = {"iss": "https://evil.example", "exp": int(now.timestamp()) + 60}
    return jose.sign(claims, key=private, algorithm="ES256", kid=key.kid, typ="JWT")
