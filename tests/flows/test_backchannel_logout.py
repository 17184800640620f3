"""Back-channel logout from end to end: a person signs out, and a client's own server hears of it over HTTP."""

import logging
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlencode

import jwt
import pytest

from accounts.models import Session, User
from keys.models import KeyPair, KeyRing
from keys.published_set import published_sets
from keys.services.compromise import compromise
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.flows import backchannel
from tests.flows.backchannel import claims_of, deliver, id_token, jwks, sign_out
from tests.flows.code_flow import App, register
from tests.keys.jwe import opened
from tests.provider import Browser, make_person, make_realm
from tests.relying_party import RelyingParty, relying_party, verified
from tests.tokens.clients import jwk, key
from tokens.models import LogoutDelivery
from tokens.selectors import delivery_state
from tokens.vocabulary import DeliveryState, SubjectType

app, clock, party = backchannel.app, backchannel.clock, backchannel.party


@pytest.mark.spec(
    "OIDC Back-Channel Logout §2.4 signed, OIDC Back-Channel Logout §2.4 typed, OIDC Back-Channel Logout §2.5 post",
    "OpenID Connect Back-Channel Logout §2.6: a POST with one logout_token, signed as ID tokens are",
)
def test_a_client_that_checks_everything_takes_the_logout_token(
    app: App, realm: Realm, clock: FakeClock, party: RelyingParty
) -> None:
    hint = id_token(app)
    sign_out(app, hint)
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}
    [token] = party.tokens
    found = verified(token, jwks=jwks(app), issuer=realm.issuer, client_id="app", now=clock.now)
    assert (found["sid"], found["sub"]) == (claims_of(hint)["sid"], claims_of(hint)["sub"])
    assert jwt.get_unverified_header(token)["alg"] == jwt.get_unverified_header(hint)["alg"]


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5: all RPs of the session, each with a token of its own")
def test_each_client_of_the_session_is_told_and_no_other(
    app: App, realm: Realm, clock: FakeClock, now: datetime, party: RelyingParty
) -> None:
    with relying_party() as second, relying_party() as third:
        wiki = register(realm, app.browser, now, client_id="wiki", backchannel_logout_uri=second.uri)
        register(realm, app.browser, now, client_id="unused", backchannel_logout_uri=third.uri)
        hint = id_token(app)
        assert claims_of(id_token(wiki))["sid"] == claims_of(hint)["sid"]
        sign_out(app, hint)
        assert deliver(clock) == {DeliveryState.DELIVERED: 2}
        for server, client_id in ((party, "app"), (second, "wiki")):
            [token] = server.tokens
            verified(token, jwks=jwks(app), issuer=realm.issuer, client_id=client_id, now=clock.now)
        assert third.taken == []


def test_another_session_of_the_same_person_is_no_business_of_it(
    app: App, clock: FakeClock, party: RelyingParty
) -> None:
    other = App(app.client, app.secret, Browser())
    other.sign_in()
    here, there = id_token(app), id_token(other)
    sign_out(app, here)
    deliver(clock)
    assert [claims_of(token)["sid"] for token in party.tokens] == [claims_of(here)["sid"]]
    assert claims_of(here)["sid"] != claims_of(there)["sid"]


@pytest.mark.spec("OpenID Connect Core §8; Back-Channel Logout §2.4: sub is the one of the client's ID tokens")
def test_a_pairwise_client_hears_of_the_person_it_knows(
    realm: Realm, ana: User, browser: Browser, now: datetime, clock: FakeClock, party: RelyingParty
) -> None:
    app = register(
        realm, browser, now, backchannel_logout_uri=party.uri, subject_type=SubjectType.PAIRWISE,
        sector_identifier="app.example.org",
    )  # fmt: skip
    app.sign_in()
    hint = id_token(app)
    sign_out(app, hint)
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}
    [token] = party.tokens
    assert claims_of(token)["sub"] == claims_of(hint)["sub"] != ana.subject
    assert claims_of(token)["sid"] == claims_of(hint)["sid"] != Session.objects.get().sid


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.4: encrypted as ID tokens are")
def test_a_client_that_gets_encrypted_id_tokens_gets_encrypted_logout_tokens(
    realm: Realm, ana: User, browser: Browser, now: datetime, clock: FakeClock, party: RelyingParty
) -> None:
    private = key("ES256", "reader")
    keys = {"keys": [jwk(private, "ES256", "enc-1", use="enc")]}
    app = register(
        realm, browser, now, backchannel_logout_uri=party.uri, jwks=keys, id_token_encryption_alg="ECDH-ES",
        id_token_encryption_enc="A256GCM",
    )  # fmt: skip
    app.sign_in()
    hint = opened(id_token(app), private).plaintext
    sign_out(app, hint)
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}
    [token] = party.tokens
    inside = opened(token, private)
    assert inside.header["cty"] == "JWT"
    found = verified(inside.plaintext, jwks=jwks(app), issuer=realm.issuer, client_id="app", now=clock.now)
    assert found["sid"] == claims_of(hint)["sid"]


def test_a_realm_signs_with_its_own_keys_under_its_own_issuer(
    app: App, now: datetime, clock: FakeClock, party: RelyingParty
) -> None:
    other = make_realm("other")
    make_person("bo", realm=other)
    there = register(other, Browser(), now, backchannel_logout_uri=party.uri)
    there.sign_in("bo")
    sign_out(there, id_token(there))
    deliver(clock)
    [token] = party.tokens
    verified(token, jwks=jwks(there), issuer=other.issuer, client_id="app", now=clock.now)


@pytest.mark.spec(
    "OpenID Connect Back-Channel Logout §2.4: typ; it can't be taken for another token",
    "OIDC Back-Channel Logout §2.4 typed",
)
def test_a_logout_token_opens_nothing_here(app: App, clock: FakeClock, party: RelyingParty) -> None:
    sign_out(app, id_token(app))
    deliver(clock)
    [token] = party.tokens
    app.sign_in()
    hinted = app.browser.get(f"/logout?{urlencode({'id_token_hint': token})}")
    assert hinted["Location"].startswith("/logout/confirm"), "no ID token hint"
    answer = app.browser.get("/userinfo", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401


@pytest.mark.spec(
    "OpenID Connect Back-Channel Logout §2.7: refresh tokens end, but not those for offline access",
    "OIDC Back-Channel Logout §2.7 refresh-tokens-end, OIDC Back-Channel Logout §2.7 offline-stays",
)
def test_what_was_granted_for_the_session_ends_with_it(app: App, clock: FakeClock) -> None:
    online = app.exchange(app.code(scope="openid profile")).json()
    offline = app.exchange(app.code(scope="openid offline_access")).json()
    sign_out(app, online["id_token"])
    deliver(clock)
    assert "refresh_token" not in online
    header = {"authorization": f"Bearer {online['access_token']}"}
    assert app.browser.get("/userinfo", headers=header).status_code == 401
    assert app.refresh(offline["refresh_token"]).status_code == 200


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5: whoever takes the browser over ends the session before")
def test_somebody_elses_sign_in_tells_the_clients_of_the_first(
    app: App, realm: Realm, clock: FakeClock, party: RelyingParty
) -> None:
    hint = id_token(app)
    make_person("bo", realm=realm)
    app.sign_in("bo")
    deliver(clock)
    assert [claims_of(token)["sid"] for token in party.tokens] == [claims_of(hint)["sid"]]


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5: every client that the browser signed in to")
def test_signing_in_again_leaves_no_client_behind(
    app: App, realm: Realm, now: datetime, clock: FakeClock, party: RelyingParty
) -> None:
    first = id_token(app)
    app.sign_in()
    with relying_party() as second:
        wiki = register(realm, app.browser, now, client_id="wiki", backchannel_logout_uri=second.uri)
        hint = id_token(wiki)
        assert claims_of(hint)["sid"] != claims_of(first)["sid"]
        sign_out(wiki, hint)
        assert deliver(clock) == {DeliveryState.DELIVERED: 2}
        assert [claims_of(token)["sid"] for token in party.tokens] == [claims_of(first)["sid"]]
        assert [claims_of(token)["sid"] for token in second.tokens] == [claims_of(hint)["sid"]]


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.1: no client gets a sid of whose end nobody would tell it")
@pytest.mark.parametrize("scope", ["openid", "openid offline_access"])
def test_a_code_of_a_session_that_has_ended_is_worth_nothing(app: App, scope: str) -> None:
    code = app.code(scope=scope)
    sign_out(app, id_token(app))
    assert app.exchange(code).json()["error"] == "invalid_grant"


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5, §2.8: failures are tried again, with a fresh token")
def test_retries_bring_fresh_tokens_until_the_client_takes_one(
    app: App, realm: Realm, clock: FakeClock, party: RelyingParty
) -> None:
    party.statuses = [500, 302, 400, 204]
    party.headers = {"Location": party.uri}
    sign_out(app, id_token(app))
    for _ in range(4):
        deliver(clock)
        clock.now = max(clock.now, LogoutDelivery.objects.get().next_attempt_at)
    found = LogoutDelivery.objects.get()
    assert (delivery_state(found), found.attempts, found.last_outcome) == (DeliveryState.DELIVERED, 4, "204")
    claims = [claims_of(token) for token in party.tokens]
    assert len({claim["jti"] for claim in claims}) == 4
    assert len({claim["iat"] for claim in claims}) == 4
    assert {claim["sid"] for claim in claims} == {found.sid}


def test_a_slow_client_is_left_and_asked_again(app: App, clock: FakeClock, party: RelyingParty) -> None:
    def listen_on(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(1)  # until the caller hangs up

    party.answer = listen_on
    sign_out(app, id_token(app))
    assert deliver(clock) == {DeliveryState.WAITING: 1}
    assert LogoutDelivery.objects.get().last_outcome == "timeout"
    party.answer = None
    clock.advance(timedelta(seconds=5))
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}


def test_a_client_that_is_down_is_told_when_it_is_back(app: App, clock: FakeClock, party: RelyingParty) -> None:
    app.client.backchannel_logout_uri = "http://127.0.0.1:1/"
    app.client.save()
    sign_out(app, id_token(app))
    assert deliver(clock) == {DeliveryState.WAITING: 1}
    assert LogoutDelivery.objects.get().last_outcome == "unreachable"
    app.client.backchannel_logout_uri = party.uri
    app.client.save()
    clock.advance(timedelta(seconds=5))
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}


def test_an_answer_of_any_size_is_not_kept(app: App, clock: FakeClock, party: RelyingParty) -> None:
    party.statuses, party.body = [500], b"<b>who reads this" + b"x" * 5_000_000
    sign_out(app, id_token(app))
    deliver(clock)
    assert LogoutDelivery.objects.get().last_outcome == "500"


@pytest.mark.spec("keys.md A compromise; OpenID Connect Back-Channel Logout §2.4")
def test_a_key_that_is_compromised_meanwhile_signs_no_logout(
    app: App, realm: Realm, clock: FakeClock, party: RelyingParty
) -> None:
    hint = id_token(app)
    sign_out(app, hint)
    lost = jwt.get_unverified_header(hint)["kid"]
    compromise(KeyPair.objects.get(kid=lost), actor="test", reason="lost")
    for ring in KeyRing.objects.all():
        rotate(ring, now=clock.now, actor="test")
    signer.forget()
    published_sets.forget()
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}
    [token] = party.tokens
    assert jwt.get_unverified_header(token)["kid"] != lost
    verified(token, jwks=jwks(app), issuer=realm.issuer, client_id="app", now=clock.now)


@pytest.mark.spec("issue: nothing secret in logs")
def test_logs_name_the_session_and_never_the_token(
    app: App, clock: FakeClock, party: RelyingParty, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    party.statuses = [500, 200]
    sign_out(app, id_token(app))
    deliver(clock)
    clock.advance(timedelta(seconds=5))
    deliver(clock)
    found = LogoutDelivery.objects.get()
    assert f"logout.waiting realm=default client=app sid={found.sid} outcome=500 attempts=1" in caplog.text
    assert f"logout.delivered realm=default client=app sid={found.sid} outcome=200 attempts=2" in caplog.text
    for token in party.tokens:
        assert not [part for part in token.split(".") if part in caplog.text]


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.1, §2.2")
def test_discovery_says_so_in_both_documents(realm: Realm, browser: Browser) -> None:
    for path in ("openid-configuration", "oauth-authorization-server"):
        found = browser.get(f"/.well-known/{path}").json()
        assert found["backchannel_logout_supported"] is True
        assert found["backchannel_logout_session_supported"] is True
