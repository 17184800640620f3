"""Upstream providers that break a rule or are away: nobody gets in, and nothing is a fault of ours."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from jwt.api_jws import PyJWS

from accounts import outbound_http
from accounts.models import Session, User
from accounts.outbound_http import Patience
from accounts.upstream import http as upstream_http
from accounts.upstream.http import Upstreams, upstreams
from keys.jwk import base64url
from tests.flows.upstream_flow import Visit, _loopback, upstream, visit
from tests.tokens.clients import jwk, key, signed
from tests.upstream import reply

__all__ = ["_loopback", "upstream", "visit"]
pytestmark = pytest.mark.spec("OpenID Connect Core §3.1.3.7")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for long."""

    def exchange(*given: Any, **named: Any) -> Any:
        return outbound_http.exchange(*given, **named, patience=Patience(connect=0.5, answer=0.3))

    monkeypatch.setattr(upstream_http, "exchange", exchange)


def refused(visit: Visit, why: str, caplog: pytest.LogCaptureFixture, status: int = 502) -> None:
    answer = visit.come_back()
    assert answer.status_code == status, answer.content
    assert why in caplog.text
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "other"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["n"]}, "nonce"),
        ({"nonce": "\ud800"}, "nonce"),
        ({"iss": "https://other.example"}, "another issuer's"),
        ({"iss": None}, "another issuer's"),
        ({"aud": "other"}, "not meant for this client"),
        ({"aud": ["signet-here", "other"]}, "not meant for this client"),
        ({"aud": None}, "not meant for this client"),
        ({"aud": []}, "not meant for this client"),
        ({"azp": "other"}, "issued to another client"),
        ({"exp": int(time.time()) - 3_600}, "has expired"),
        ({"exp": None}, "no exp"),
        ({"exp": "soon"}, "exp is not a sensible number"),
        ({"exp": 10**400}, "exp is not a sensible number"),
        ({"iat": int(time.time()) - 3_600}, "not issued just now"),
        ({"iat": int(time.time()) + 3_600}, "not issued just now"),
        ({"iat": None}, "not issued just now"),
        ({"nbf": int(time.time()) + 3_600}, "not valid yet"),
        ({"sub": None}, "sub has not"),
        ({"sub": ""}, "sub has not"),
        ({"sub": 7}, "sub has not"),
        ({"sub": "x" * 256}, "sub has not"),
        ({"sub": "a\0b"}, "not of printable ASCII"),
        ({"sub": "zoë"}, "not of printable ASCII"),
        ({"at_hash": "AAAA"}, "another access token"),
        ({"at_hash": 7}, "another access token"),
        ({"auth_time": int(time.time()) + 3_600}, "auth_time"),
        ({"auth_time": "now"}, "auth_time"),
        ({"auth_time": True}, "auth_time"),
        ({"auth_time": -1}, "auth_time"),
        ({"amr": "mfa"}, "amr"),
        ({"amr": [1]}, "amr"),
        ({"amr": ["x"] * 33}, "amr"),
    ],
)
def test_an_id_token_that_breaks_a_rule_signs_nobody_in(
    visit: Visit, ana: User, now: datetime, caplog: pytest.LogCaptureFixture, claims: dict[str, Any], why: str
) -> None:
    visit.link(ana, now)
    visit.upstream.claims |= claims
    refused(visit, why, caplog)


def none(text: str) -> str:
    header = base64url(json.dumps({"alg": "none", "kid": "k1"}).encode())
    return f"{header}.{base64url(text.encode())}."


def hs256(text: str) -> str:
    """The public key of the provider as if it were a secret that both sides share."""
    public = key("ES256", "upstream k1").public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    header = base64url(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    signing_input = f"{header}.{base64url(text.encode())}"
    return f"{signing_input}.{base64url(hmac.new(pem, signing_input.encode(), hashlib.sha256).digest())}"


def own_key(text: str) -> str:
    """Signed with a key that comes along in the header."""
    private = key("ES256", "attacker")
    return PyJWS().encode(text.encode(), private, "ES256", headers={"kid": "k1", "jwk": jwk(private, "ES256")})


@pytest.mark.spec("RFC 8725 §2.1, RFC 8725 §3.1")
@pytest.mark.parametrize(
    "sign",
    [
        none,
        hs256,
        own_key,
        lambda text: signed(text, key("ES256", "attacker")),
        lambda text: signed(text, key("ES256", "attacker"), kid=None),
        lambda text: signed(text, key("RS256", "attacker"), "RS256"),
        lambda text: signed(text, key("ES256", "upstream k1"), typ="at+jwt"),
        lambda text: signed(text, key("ES256", "upstream k1"), crit=["x"], x=1),
        lambda text: signed(text[:-1] + ', "sub": "u-9"}', key("ES256", "upstream k1")),
        lambda text: signed(text, key("ES256", "upstream k1"))[:-4] + "AAAA",
        lambda text: signed(text, key("ES256", "upstream k1")) + ".",
        lambda _text: "x",
        lambda _text: ".." * 8_000,
        lambda _text: "é",
    ],
    ids=range(14),
)
def test_a_signature_that_is_not_the_provider_s_signs_nobody_in(
    visit: Visit, ana: User, now: datetime, caplog: pytest.LogCaptureFixture, sign: Callable[[str], str]
) -> None:
    visit.link(ana, now)
    visit.upstream.sign = sign
    refused(visit, "upstream.failed", caplog)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "PS256", "Ed25519"])
def test_the_algorithms_of_this_house_are_taken(visit: Visit, ana: User, now: datetime, algorithm: str) -> None:
    visit.link(ana, now)
    visit.upstream.algorithm = algorithm
    visit.upstream.claims["at_hash"] = None
    assert visit.come_back().status_code == 303


class TestKeysThatChange:
    @pytest.mark.spec("OpenID Connect Core §10.1.1")
    def test_a_new_kid_has_the_keys_fetched_once_more(
        self, visit: Visit, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        visit.link(ana, now)
        moment = 1_000.0
        monkeypatch.setattr(upstreams, "_monotonic", lambda: moment)
        assert visit.come_back().status_code == 303
        visit.upstream.kid = "k2"
        assert visit.come_back().status_code == 502, "the keys are younger than the cooldown"
        moment += upstream_http.COOLDOWN
        assert visit.come_back().status_code == 303
        assert visit.upstream.count("/jwks") == 2
        assert visit.upstream.count("/.well-known/openid-configuration") == 1

    def test_a_kid_that_nobody_has_does_not_have_them_fetched_again_and_again(
        self, visit: Visit, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        visit.link(ana, now)
        moment = 1_000.0
        monkeypatch.setattr(upstreams, "_monotonic", lambda: moment)
        visit.upstream.sign = lambda text: signed(text, key("ES256", "attacker"), kid="k9")
        for _ in range(3):
            assert visit.come_back().status_code == 502
        assert visit.upstream.count("/jwks") == 1
        moment += upstream_http.COOLDOWN
        for _ in range(3):
            assert visit.come_back().status_code == 502
        assert visit.upstream.count("/jwks") == 2

    def test_all_is_asked_again_after_five_minutes(
        self, visit: Visit, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        visit.link(ana, now)
        moment = 1_000.0
        monkeypatch.setattr(upstreams, "_monotonic", lambda: moment)
        for wait in (0.0, 299.0, 1.0):
            moment += wait
            assert visit.come_back().status_code == 303
        assert visit.upstream.count("/jwks") == visit.upstream.count("/.well-known/openid-configuration") == 2

    @pytest.mark.spec("RFC 7517 §5")
    def test_keys_for_others_are_passed_over(self, visit: Visit, ana: User, now: datetime) -> None:
        visit.link(ana, now)
        right = visit.upstream.jwks()["keys"]
        strange = [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}, {"kty": "EC", "crv": "secp256k1", "kid": "k1"}, 7]
        weak = {"kty": "RSA", "n": base64url(b"\xff" * 32), "e": "AQAB", "kid": "old"}
        secret = {"kty": "oct", "k": "AAAA", "kid": "k1"}
        visit.upstream.published = {"keys": [*strange, weak, secret, *right]}
        assert visit.come_back().status_code == 303

    @pytest.mark.parametrize(
        "published",
        [{"keys": []}, {"keys": "x"}, {}, {"keys": [{"kty": "oct", "k": "AAAA"}]}, {"keys": [{}] * 21}, [1]],
    )
    def test_a_set_without_a_sound_key_is_refused(
        self, visit: Visit, ana: User, now: datetime, caplog: pytest.LogCaptureFixture, published: Any
    ) -> None:
        visit.link(ana, now)
        visit.upstream.answers["/jwks"] = lambda handler: reply(handler, published)
        refused(visit, "JWK Set", caplog)

    def test_two_keys_of_one_kid_are_refused(
        self, visit: Visit, ana: User, now: datetime, caplog: pytest.LogCaptureFixture
    ) -> None:
        visit.link(ana, now)
        both = [jwk(key("ES256", owner), "ES256", "k1") for owner in ("upstream k1", "attacker")]
        visit.upstream.published = {"keys": both}
        refused(visit, "kid of its own", caplog)


@pytest.mark.spec("OpenID Connect Discovery §4.3")
class TestMetadata:
    @pytest.mark.parametrize(
        ("metadata", "why"),
        [
            ({"issuer": "https://other.example"}, "another issuer"),
            ({"issuer": None}, "another issuer"),
            ({"token_endpoint": None}, "no token_endpoint"),
            ({"jwks_uri": 7}, "no jwks_uri"),
            ({"authorization_endpoint": "http://other.example/authorize"}, "authorization_endpoint is refused"),
            ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint is refused"),
            ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri is refused"),
            ({"token_endpoint": "https://user:word@host.example/"}, "token_endpoint is refused"),
            ({"token_endpoint": "https://host.example/\r\nX: y"}, "token_endpoint is refused"),
            ({"token_endpoint": "http://169.254.169.254/latest"}, "token_endpoint is refused"),
            ({"userinfo_endpoint": "http://10.0.0.1/"}, "userinfo_endpoint is refused"),
            ({"response_types_supported": ["id_token"]}, "response type code"),
            ({"response_types_supported": "code"}, "no list of words"),
            ({"code_challenge_methods_supported": ["plain"]}, "PKCE without S256"),
            ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "signs its ID tokens with none of"),
            ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "takes a client's secret neither"),
        ],
    )
    def test_a_document_that_breaks_a_rule_sends_nobody_there(
        self, visit: Visit, caplog: pytest.LogCaptureFixture, metadata: dict[str, Any], why: str
    ) -> None:
        visit.upstream.metadata |= metadata
        assert visit.start().status_code == 502
        assert why in caplog.text

    def test_plain_http_is_refused_where_this_provider_is_not_on_loopback(
        self, visit: Visit, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.IDP_PLAIN_HTTP = False
        assert visit.start().status_code == 502
        assert "begins with https://" in caplog.text

    @pytest.mark.parametrize(
        ("body", "media_type"),
        [
            (b"<html>", "text/html"),
            (b"{}", "text/html"),
            (b"{", "application/json"),
            (b"[]", "application/json"),
            (b"\xff", "application/json"),
            (b'{"issuer": "a", "issuer": "b"}', "application/json"),
            (b'{"a": NaN}', "application/json"),
            (b"[" * 60_000, "application/json"),
            (b"", "application/json"),
            (b" " * 70_000, "application/json"),
        ],
    )
    @pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
    def test_garbage_is_no_fault_of_ours(
        self, visit: Visit, ana: User, now: datetime, path: str, body: bytes, media_type: str
    ) -> None:
        visit.link(ana, now)
        visit.upstream.answers[path] = lambda handler: reply(handler, body, media_type=media_type)
        answer = visit.start()
        if answer.status_code == 303:
            answer = visit.back(visit.upstream.authorize(str(answer["Location"])))
        assert answer.status_code == 502
        assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        ({"id_token": None}, "lacks the ID token"),
        ({"id_token": ["x"]}, "lacks the ID token"),
        ({"access_token": None}, "lacks the ID token or the access token"),
        ({"access_token": "a\nb"}, "lacks the ID token or the access token"),
        ({"token_type": "mac"}, "token_type"),
        ({"token_type": None}, "token_type"),
    ],
)
@pytest.mark.spec("OpenID Connect Core §3.1.3.3")
def test_a_token_response_has_to_be_whole(
    visit: Visit, caplog: pytest.LogCaptureFixture, tokens: dict[str, Any], why: str
) -> None:
    visit.upstream.tokens |= tokens
    refused(visit, why, caplog)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token", "/userinfo"])
@pytest.mark.parametrize(
    ("status", "answered"), [(307, 502), (404, 502), (403, 502), (500, 503), (503, 503), (429, 503)]
)
def test_redirects_are_not_followed_and_outages_told_apart(
    visit: Visit, ana: User, now: datetime, path: str, status: int, answered: int
) -> None:
    visit.link(ana, now)
    type(visit.provider).objects.update(allowed_domains=["example.org"])
    visit.upstream.claims["email"] = None
    headers = {"Location": f"{visit.upstream.base}/elsewhere"}
    right = {
        "/.well-known/openid-configuration": visit.upstream.document(),
        "/jwks": visit.upstream.jwks(),
        "/userinfo": visit.upstream.person,
    }
    body = right.get(path, {})
    visit.upstream.answers[path] = lambda handler: reply(handler, body, status=status, headers=headers)
    answer = visit.start()
    if answer.status_code == 303:
        answer = visit.back(visit.upstream.authorize(str(answer["Location"])))
    assert answer.status_code == answered
    assert ("Retry-After" in answer) is (answered == 503)
    assert visit.upstream.count("/elsewhere") == 0
    assert not Session.objects.exists()


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
def test_a_provider_that_hangs_is_not_waited_for(visit: Visit, quick: None, path: str) -> None:
    ended = threading.Event()
    visit.upstream.answers[path] = lambda _handler: (ended.wait(10), None)[1]
    began = time.monotonic()
    answer = visit.start()
    if answer.status_code == 303:
        answer = visit.back(visit.upstream.authorize(str(answer["Location"])))
    ended.set()
    assert answer.status_code == 503
    assert time.monotonic() - began < 3


def test_a_provider_that_is_not_there_is_asked_once_in_a_while(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1_000.0
    monkeypatch.setattr(upstreams, "_monotonic", lambda: moment)
    visit.upstream.answers["/.well-known/openid-configuration"] = lambda handler: reply(handler, {}, status=503)
    for _ in range(3):
        page = visit.start(next="/account")
        assert page.status_code == 503
        assert b"Corp can\xe2\x80\x99t be reached" in page.content
    assert visit.upstream.count("/.well-known/openid-configuration") == 1
    visit.upstream.answers.clear()
    moment += upstream_http.AFTER_FAILURE
    assert visit.start().status_code == 303


def test_many_who_come_at_once_ask_once(visit: Visit) -> None:
    """The others wait for the one that fetches."""
    arrived = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        arrived.wait(5)
        reply(handler, visit.upstream.document())

    visit.upstream.answers["/.well-known/openid-configuration"] = slow
    memory, found = Upstreams(), []
    threads = [
        threading.Thread(target=lambda: found.append(memory.metadata(visit.upstream.issuer, loopback=True)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    arrived.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 6
    assert visit.upstream.count("/.well-known/openid-configuration") == 1


def test_a_provider_that_hangs_holds_nobody_but_the_one_who_asks(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_http, "_WAIT", 0.01)
    asked, answered = threading.Event(), threading.Event()

    def hangs(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        answered.wait(5)
        reply(handler, visit.upstream.document())

    visit.upstream.answers["/.well-known/openid-configuration"] = hangs
    first = threading.Thread(target=lambda: upstreams.metadata(visit.upstream.issuer, loopback=True))
    first.start()
    assert asked.wait(5)
    assert visit.start().status_code == 503
    answered.set()
    first.join(10)
    assert visit.start().status_code == 303


def test_only_some_wait_for_the_same_provider_at_once(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_http, "_WAIT", 0.01)
    address = visit.upstream.authorize(visit.address())
    with pytest.MonkeyPatch.context():
        taken = [upstreams.place(visit.upstream.issuer, loopback=True) for _ in range(upstream_http.AT_ONCE)]
        for place in taken:
            place.__enter__()
        assert visit.back(address).status_code == 503
        for place in taken:
            place.__exit__(None, None, None)
    assert visit.come_back().status_code == 303


def test_the_wrong_client_secret_is_told_in_the_log_alone(visit: Visit, caplog: pytest.LogCaptureFixture) -> None:
    visit.upstream.answers["/token"] = lambda handler: reply(handler, {"error": "invalid_client"}, status=401)
    refused(visit, "check the client_id and the client secret", caplog)


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], None])
def test_the_client_proves_who_it_is_as_the_provider_wants_it(
    visit: Visit, ana: User, now: datetime, methods: list[str] | None
) -> None:
    visit.link(ana, now)
    visit.upstream.metadata["token_endpoint_auth_methods_supported"] = methods or ["client_secret_basic"]
    assert visit.come_back().status_code == 303


def test_a_public_client_proves_nothing_but_its_verifier(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now)
    type(visit.provider).objects.update(client_secret=None)
    assert visit.start().status_code == 502, "the provider wants a secret"
    upstreams.forget()
    visit.upstream.metadata["token_endpoint_auth_methods_supported"] = ["none"]
    assert visit.come_back().status_code == 303


def test_a_secret_that_cannot_be_unsealed_is_an_outage(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now)
    address = visit.upstream.authorize(visit.address())
    type(visit.provider).objects.update(client_secret=b"moved from another row")
    assert visit.back(address).status_code == 503
    assert base64.b64encode(b"x")
