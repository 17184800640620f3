"""Codes, ID tokens and refresh tokens at `/token`, and what `/userinfo` tells."""

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.db import connection

from accounts.models import Membership, Session, User
from accounts.services.sessions import end_session
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, post, register
from tests.provider import Browser, make_person, make_realm
from tokens.id_token import half_hash
from tokens.models import Grant
from tokens.rotation import GRACE
from tokens.services.codes import CODE_LIFETIME
from tokens.vocabulary import AuthMethod, GrantType, RevocationReason

ISSUER = "https://id.example.test"


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now)
    found.sign_in()
    return found


def claims_of(token: str) -> dict[str, Any]:
    """The claims, unverified: that they verify is another test's."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def userinfo(app: App, token: str) -> Any:
    return app.browser.get("/userinfo", headers={"authorization": f"Bearer {token}"})


@pytest.mark.spec(
    "RFC 6749 §4.1.4",
    "RFC 6749 §5.1 members, RFC 6749 §5.1 no-store, RFC 9700 §2.1.1 pkce, RFC 8252 §8.1 pkce, RFC 7636 §4.2 s256",
    "OIDC Core §2 aud, OIDC Core §2 auth-time, OIDC Core §2 nonce, OIDC Core §3.1.2.1 nonce",
    "OIDC Core §3.1.3.3 no-store, OIDC Core §3.1.3.6 at-hash",
    "OIDC Core §15.1 auth-time",
)
def test_a_code_becomes_tokens(app: App, ana: User) -> None:
    response = app.exchange(app.code(scope="openid email offline_access"))
    tokens = response.json()
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    access, identity = claims_of(tokens["access_token"]), claims_of(tokens["id_token"])
    assert (access["aud"], access["client_id"], access["sub"]) == (ISSUER, "app", ana.subject)
    assert identity["aud"] == "app"
    assert (identity["iss"], identity["sub"], identity["nonce"]) == (ISSUER, ana.subject, "n1")
    assert identity["at_hash"] == half_hash(tokens["access_token"], "ES256")
    assert identity["sid"] == access["sid"] == Session.objects.get().sid
    assert identity["amr"] == ["pwd"]
    assert identity["auth_time"] == int(Session.objects.get().auth_time.timestamp())
    assert jwt.get_unverified_header(tokens["id_token"])["alg"] == "ES256"
    assert len(tokens["id_token"]) < 2_048
    assert len(tokens["access_token"]) < 1_024


@pytest.mark.spec("OpenID Connect Core §11, RFC 9700 §4.14.2 by-client")
def test_without_offline_access_nothing_outlives_the_first_tokens(app: App) -> None:
    tokens = app.exchange(app.code(scope="openid")).json()
    assert "refresh_token" not in tokens
    assert Grant.objects.get().absolute_expires_at - Grant.objects.get().created_at < timedelta(hours=1)


@pytest.mark.spec("issue: token lifetimes within the realm's bounds")
def test_a_clients_own_lifetime_holds_for_each_of_its_tokens(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, access_token_lifetime=timedelta(seconds=90))
    app.sign_in()
    first = app.exchange(app.code(scope="openid offline_access")).json()
    second = app.refresh(first["refresh_token"]).json()
    assert (first["expires_in"], second["expires_in"], app.refresh(first["refresh_token"]).json()["expires_in"]) == (
        90,
        90,
        90,
    )
    Realm.objects.update(access_token_lifetime=timedelta(seconds=60))
    assert app.refresh(second["refresh_token"]).json()["expires_in"] == 60


@pytest.mark.spec(
    "RFC 6749 §3.3",
    "RFC 6749 §7 token-checked, OIDC Core §3.1.3.2 of-openid-request, RFC 9700 §2.3 actions",
)
def test_without_openid_there_is_no_id_token(app: App) -> None:
    tokens = app.exchange(app.code(scope="notes:read")).json()
    assert "id_token" not in tokens
    refused = userinfo(app, tokens["access_token"])
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused["WWW-Authenticate"]


@pytest.mark.spec(
    "RFC 8707 §2.2",
    "RFC 8707 §2 audience, RFC 8707 §2.1 authorization-request, RFC 9700 §2.3 audience, RFC 9700 §4.9.3 audience",
    "RFC 9700 §4.10 audience, RFC 9068 §4 audience-checked",
)
def test_the_audience_is_the_resource_and_userinfo(realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
    app = register(realm, browser, now, resources=("https://api.example.org",))
    app.sign_in()
    tokens = app.exchange(app.code(scope="openid", resource="https://api.example.org")).json()
    assert claims_of(tokens["access_token"])["aud"] == ["https://api.example.org", ISSUER]
    alone = app.exchange(app.code(scope="notes:read", resource="https://api.example.org")).json()
    assert claims_of(alone["access_token"])["aud"] == "https://api.example.org"
    assert userinfo(app, alone["access_token"]).status_code == 401


@pytest.mark.spec(
    "RFC 6749 §4.1.3 code-valid, RFC 6749 §4.1.3 same-redirect-uri, RFC 6749 §10.6 same-redirect-uri",
    "RFC 7636 §4.6 verifier-wrong, RFC 9700 §2.1.1 verifier-enforced, RFC 9700 §4.8.2 verifier-needed",
    "OIDC Core §3.1.3.2 code-valid, OIDC Core §3.1.3.2 same-redirect-uri, OIDC Core §3.1.3.4 error",
)
@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": CALLBACK + "2"},
        {"code_verifier": "w" * 43},
        {"code_verifier": None},
        {"code_verifier": "short"},
        {"code": "AA"},
    ],
)
def test_a_code_wants_its_redirect_uri_and_verifier(app: App, changes: dict[str, str | None]) -> None:
    code = app.code()
    response = app.exchange(changes.get("code") or code, **{n: v for n, v in changes.items() if n != "code"})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert app.exchange(code).status_code == 200  # nothing was spent


@pytest.mark.spec("RFC 9700 §2.1.1 no-downgrade, RFC 9700 §4.8.2 no-downgrade, RFC 9700 §4.8.2 challenge-bound")
def test_a_verifier_for_a_code_without_a_challenge_is_refused(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, require_pkce=False)
    app.sign_in()
    code = app.code(code_challenge=None, code_challenge_method=None)
    assert app.exchange(code).status_code == 400
    assert app.exchange(code, code_verifier=None).status_code == 200


@pytest.mark.spec(
    "RFC 6749 §4.1.2 code-short-lived, RFC 6749 §10.5 code-short-lived-once, OIDC Core §3.1.3.2 code-valid",
)
def test_a_code_lives_a_minute(app: App) -> None:
    code = app.code()
    with time_machine.travel(datetime.now().astimezone() + CODE_LIFETIME + timedelta(seconds=1)):
        assert app.exchange(code).json()["error"] == "invalid_grant"
    assert Grant.objects.get().revoked_at is None


@pytest.mark.spec(
    "RFC 9700 §4.5",
    "RFC 6749 §4.1.2 code-once, RFC 6749 §10.5 code-short-lived-once, RFC 9700 §4.2.4 code-once",
    "RFC 9700 §4.2.4 code-replay-revokes, OIDC Core §3.1.3.2 code-valid",
)
def test_a_replay_of_a_code_revokes_what_it_gave(app: App) -> None:
    code = app.code(scope="openid offline_access")
    tokens = app.exchange(code).json()
    assert userinfo(app, tokens["access_token"]).status_code == 200
    assert app.exchange(code).json()["error"] == "invalid_grant"
    assert Grant.objects.get().revocation_reason == RevocationReason.CODE_REPLAY
    assert Event.objects.filter(name=EventName.GRANT_REUSE_DETECTED).count() == 1
    assert userinfo(app, tokens["access_token"]).status_code == 401
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.spec("tokens.md: a leaked old code can't end somebody's session")
def test_a_replay_that_does_not_fit_ends_nothing(app: App, realm: Realm, browser: Browser, now: datetime) -> None:
    thief = register(realm, browser, now, client_id="thief")
    code = app.code()
    app.exchange(code)
    assert app.exchange(code, code_verifier="w" * 43).status_code == 400
    assert app.exchange(code, redirect_uri="https://evil.example/").status_code == 400
    assert thief.exchange(code).status_code == 400
    assert Grant.objects.get().revoked_at is None


@pytest.mark.spec("RFC 6749 §4.1.3 code-of-client, RFC 6749 §10.5 code-of-client, OIDC Core §3.1.3.2 code-of-client")
def test_a_code_belongs_to_its_client_and_its_realm(app: App, realm: Realm, browser: Browser, now: datetime) -> None:
    code = app.code()
    assert register(realm, browser, now, client_id="other").exchange(code).status_code == 400
    assert register(make_realm("other"), browser, now).exchange(code).status_code == 400
    assert app.refresh(code).status_code == 400  # one kind of handle is never taken for another
    assert app.exchange(code).status_code == 200


@pytest.mark.spec("RFC 6749 §2.1, RFC 7636, RFC 8252 §8.1 pkce, RFC 8252 §8.5 shared-secret")
def test_a_public_client_has_its_verifier_alone(realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
    app = register(realm, browser, now, auth_method=AuthMethod.NONE)
    app.sign_in()
    assert app.exchange(app.code()).status_code == 200
    assert app.exchange(app.code(), client_secret="x").json()["error"] == "invalid_client"


@pytest.mark.spec(
    "RFC 6749 §3.3 scope-told, RFC 6749 §6 scope-never-grows, RFC 9700 §2.3 least-privilege",
    "RFC 9700 §4.14.2 bound-to-consent",
)
def test_a_refresh_keeps_to_the_scope_or_shrinks_it(app: App) -> None:
    tokens = app.exchange(app.code(scope="openid email offline_access")).json()
    second = app.refresh(tokens["refresh_token"]).json()
    assert second["scope"] == "openid email offline_access"
    assert "id_token" not in second
    third = app.refresh(second["refresh_token"], scope="openid").json()
    assert third["scope"] == "openid"
    assert claims_of(third["id_token"])["aud"] == "app"
    assert app.refresh(third["refresh_token"], scope="openid profile").json()["error"] == "invalid_scope"


@pytest.mark.spec("RFC 9700 §4.14.2 replay-detected")
def test_an_old_refresh_token_ends_the_grant(app: App) -> None:
    first = app.exchange(app.code(scope="openid offline_access")).json()["refresh_token"]
    second = app.refresh(first).json()["refresh_token"]
    assert app.refresh(first).json()["refresh_token"] == second
    with time_machine.travel(datetime.now().astimezone() + GRACE + timedelta(seconds=2)):
        assert app.refresh(first).status_code == 400
        assert app.refresh(second).status_code == 400
    assert Grant.objects.get().revocation_reason == RevocationReason.REUSE


@pytest.mark.spec("tokens.md: how soon a stop takes hold")
@pytest.mark.parametrize("stop", ["person", "membership", "client", "grant"])
def test_a_stop_takes_hold_at_once(app: App, realm: Realm, ana: User, now: datetime, stop: str) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    code = app.code(scope="openid")
    if stop == "person":
        User.objects.filter(pk=ana.pk).update(is_active=False)
    elif stop == "membership":
        Membership.objects.all().delete()
    elif stop == "client":
        type(app.client).objects.filter(pk=app.client.pk).update(enabled=False)
    else:
        form = {"client_id": "app", "client_secret": app.secret or "", "token": tokens["refresh_token"]}
        assert post(app.browser, "/revoke", form).status_code == 200
    assert userinfo(app, tokens["access_token"]).status_code == 401
    assert app.refresh(tokens["refresh_token"]).status_code in (400, 401)
    if stop != "grant":
        assert app.exchange(code).status_code in (400, 401)


@pytest.mark.spec("OIDC Back-Channel Logout §2.7 refresh-tokens-end, OIDC Back-Channel Logout §2.7 offline-stays")
def test_the_end_of_a_session_ends_what_is_not_offline(app: App) -> None:
    away = app.exchange(app.code(scope="openid offline_access")).json()
    here, code = app.exchange(app.code(scope="openid")).json(), app.code(scope="openid")
    session = Session.objects.get()
    end_session(session, reason=SessionEnd.SIGNED_OUT, actor="test", now=datetime.now().astimezone())
    assert userinfo(app, here["access_token"]).status_code == 401
    assert app.exchange(code).json()["error"] == "invalid_grant"
    assert userinfo(app, away["access_token"]).status_code == 200
    assert app.refresh(away["refresh_token"]).status_code == 200


@pytest.mark.spec(
    "RFC 6749 §4.1.2 code-once, issue: of 50 parallel redemptions exactly one gets 200",
    "RFC 6749 §10.5 code-short-lived-once, RFC 9700 §4.2.4 code-once",
)
@pytest.mark.django_db(transaction=True)
def test_of_fifty_redemptions_at_once_one_wins_and_the_replays_end_the_grant(now: datetime) -> None:
    """Exactly one gets tokens; to the replay rule the others are a stolen code, and so these tokens end too."""
    realm = make_realm()
    make_person(realm=realm)
    app = register(realm, Browser(), now)
    app.sign_in()
    code = app.code(scope="openid offline_access")
    together = threading.Barrier(50, timeout=30)
    found: list[Any] = []

    def redeem() -> None:
        try:
            one = App(app.client, app.secret, Browser())
            together.wait()
            found.append(one.exchange(code))
        finally:
            connection.close()

    threads = [threading.Thread(target=redeem) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in found) == [200] + [400] * 49
    assert Grant.objects.get().revocation_reason == RevocationReason.CODE_REPLAY
    [tokens] = [answer.json() for answer in found if answer.status_code == 200]
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert userinfo(app, tokens["access_token"]).status_code == 401


@pytest.mark.spec(
    "OpenID Connect Discovery §3",
    "RFC 9700 §2.1.1 detectable, RFC 9700 §2.1.1 in-metadata, RFC 9700 §4.7.1 detectable, RFC 9700 §4.7.1 in-metadata",
    "RFC 9700 §2.6 metadata, RFC 8414 §2 challenge-methods, RFC 9207 §2.3 announced, RFC 9068 §4 consistent-metadata",
)
def test_discovery_lists_what_works(app: App) -> None:
    found = json.loads(app.browser.get("/.well-known/openid-configuration").content)
    assert found["authorization_endpoint"] == f"{ISSUER}/authorize"
    assert found["userinfo_endpoint"] == f"{ISSUER}/userinfo"
    assert "code" in found["response_types_supported"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["id_token_signing_alg_values_supported"] == ["ES256"]
    assert set(found["grant_types_supported"]) == {*GrantType, "implicit"}
    assert found["authorization_response_iss_parameter_supported"] is True
    assert app.browser.get("/.well-known/oauth-authorization-server").json() == found


@pytest.mark.spec(
    "OpenID Connect Discovery §4.1",
    "RFC 8414 §3 document, RFC 8414 §3.1 path-inserted, RFC 8414 §3.3 same-issuer, OIDC Discovery §4 path-appended",
    "OIDC Discovery §4.3 same-issuer",
)
def test_a_realms_document_is_found_by_the_appended_and_the_inserted_form(db: None, browser: Browser) -> None:
    make_realm("other")
    for document in (".well-known/openid-configuration", ".well-known/oauth-authorization-server"):
        appended = browser.get(f"/realms/other/{document}").json()
        assert appended["issuer"] == f"{ISSUER}/realms/other"
        assert browser.get(f"/{document}/realms/other").json() == appended
        assert browser.post(f"/{document}/realms/other").status_code == 405
        assert browser.get(f"/{document}/realms/nowhere").status_code == 404
