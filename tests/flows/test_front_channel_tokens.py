"""Tokens that `/authorize` hands out itself: what is in them, what they are good for, and what ends them."""

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from accounts.acr import SINGLE_FACTOR
from accounts.models import Session, User
from accounts.services.sessions import end_session
from accounts.vocabulary import SessionEnd
from keys import api
from realms.models import Realm
from tests.flows.code_flow import App, post, posted_back, register, sent_back, sent_by_fragment
from tests.flows.test_code_exchange import claims_of, userinfo
from tests.pages import Elements
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tokens.claims import grant_in
from tokens.id_token import half_hash
from tokens.models import Client, Consent, Grant
from tokens.services import authorize
from tokens.services.issuance import issue_through_browser
from tokens.vocabulary import ResponseType, RevocationReason

ISSUER = "https://id.example.test"
ORIGIN = "https://testserver:80"  # of the test client
API, OTHER_API = "https://api.example.test", "https://other.example.test/v1"
WITH_ID_TOKEN = ["code id_token", "id_token", "code id_token token", "id_token token"]
WITH_TOKEN = ["code token", "code id_token token", "id_token token"]
WITH_CODE = ["code id_token", "code token", "code id_token token"]


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, response_types=tuple(ResponseType), resources=(API, OTHER_API))
    found.sign_in()
    return found


def answered(app: App, **changes: str | None) -> dict[str, str]:
    return sent_by_fragment(app.authorize(**changes))


@pytest.mark.spec(
    "OpenID Connect Core §2, OIDC Core §3.2.2.10 nonce, OIDC Core §3.2.2.10 at-hash, OIDC Core §3.3.2.11 nonce",
    "OIDC Core §3.3.2.11 at-hash, OIDC Core §3.3.2.11 c-hash",
)
@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
def test_the_id_token_says_who_it_is_about_and_vouches_for_what_comes_beside_it(
    response_type: str, app: App, realm: Realm, ana: User
) -> None:
    answer = answered(app, response_type=response_type)
    session = Session.objects.get()
    claims = api.verify_jwt(
        answer["id_token"], realm=realm, typ="JWT", audience="app", now=datetime.now().astimezone()
    ).claims
    assert {name: claims[name] for name in ("iss", "sub", "aud", "azp", "nonce", "acr", "amr", "sid", "auth_time")} == {
        "iss": ISSUER,
        "sub": ana.subject,
        "aud": "app",
        "azp": "app",
        "nonce": "n1",
        "acr": SINGLE_FACTOR,
        "amr": ["pwd"],
        "sid": session.sid,
        "auth_time": int(session.auth_time.timestamp()),
    }
    hashes = {"at_hash": "access_token", "c_hash": "code"}
    for claim, beside in hashes.items():
        expected = half_hash(answer[beside], "ES256") if beside in answer else None
        assert claims.get(claim) == expected
    assert len(answer["id_token"]) < 2_048


@pytest.mark.spec("RFC 9068 §2.2, OpenID Connect Core §3.2.2.8, §3.3.2.8")
@pytest.mark.parametrize("response_type", WITH_TOKEN)
def test_the_access_token_is_one_like_all_others_and_refers_to_the_grant(
    response_type: str, app: App, realm: Realm, ana: User
) -> None:
    User.objects.filter(pk=ana.pk).update(email="ana@example.org")
    answer = answered(app, response_type=response_type, scope="openid email")
    claims = api.verify_jwt(
        answer["access_token"], realm=realm, typ="at+jwt", audience=ISSUER, now=datetime.now().astimezone()
    ).claims
    assert grant_in(claims["jti"]) == Grant.objects.get().pk
    assert (claims["sub"], claims["client_id"], claims["scope"]) == (ana.subject, "app", "openid email")
    assert claims["exp"] - claims["iat"] == int(answer["expires_in"]) == 600
    told = userinfo(app, answer["access_token"])
    assert (told.status_code, told.json()["email"]) == (200, "ana@example.org")


@pytest.mark.spec("RFC 8707 §2, RFC 6750 §5.2")
@pytest.mark.parametrize("response_type", WITH_TOKEN)
def test_the_access_token_is_for_the_audiences_that_were_asked_for(response_type: str, app: App) -> None:
    page = app.authorize(response_type=response_type)  # a query to add to
    assert page.status_code == 303
    query = page.wsgi_request.META["QUERY_STRING"]
    asked = app.browser.get(f"/authorize?{query}&resource={API}&resource={OTHER_API}&resource={API}")
    assert claims_of(sent_by_fragment(asked)["access_token"])["aud"] == [API, OTHER_API, ISSUER]
    only = answered(app, response_type=response_type, scope="openid", resource=API)
    assert claims_of(only["access_token"])["aud"] == [API, ISSUER]


@pytest.mark.spec("OIDC Core §11 code-alone, RFC 6749 §4.2.2 no-refresh-token, RFC 9700 §2.1.2")
@pytest.mark.parametrize("response_type", [*WITH_ID_TOKEN, "code token"])
def test_nothing_to_refresh_comes_through_the_browser(response_type: str, app: App) -> None:
    answer = answered(app, response_type=response_type, scope="openid offline_access")
    assert "refresh_token" not in answer
    grant = Grant.objects.get()
    assert ("offline_access" in grant.scopes) == ("code" in answer)
    if "code" in answer:
        assert "refresh_token" in app.exchange(answer["code"]).json()
    else:
        assert answer.get("scope", "openid") == "openid"
        assert grant.code_expires_at is None
        assert grant.absolute_expires_at - grant.created_at < timedelta(hours=1)


@pytest.mark.spec("OIDC Core §3.3.3.6 same-iss-and-sub, OpenID Connect Core §3.3.3.8, OpenID Connect Core §3.3.3.9")
@pytest.mark.parametrize("response_type", WITH_CODE)
def test_the_code_brings_the_same_person_of_the_same_issuer(response_type: str, app: App) -> None:
    front = answered(app, response_type=response_type, scope="openid email")
    response = app.exchange(front["code"])
    assert response.status_code == 200
    tokens = response.json()
    later = claims_of(tokens["id_token"])
    if "id_token" in front:
        first = claims_of(front["id_token"])
        for name in ("iss", "sub", "aud", "azp", "nonce", "auth_time", "acr", "amr", "sid"):
            assert first[name] == later[name]
    assert "c_hash" not in later
    assert later["at_hash"] == half_hash(tokens["access_token"], "ES256")
    if "access_token" in front:
        assert front["access_token"] != tokens["access_token"]
        ids = [claims_of(token)["jti"] for token in (front["access_token"], tokens["access_token"])]
        assert ids[0] != ids[1]
        assert grant_in(ids[0]) == grant_in(ids[1])
        assert claims_of(front["access_token"])["scope"] == tokens["scope"]


@pytest.mark.spec(
    "RFC 6749 §4.1.2, replay, RFC 9700 §2.1.1, OIDC Core §3.3.3.2 code-checked, RFC 9700 §4.2.4 code-replay-revokes",
)
@pytest.mark.parametrize("response_type", ["code token", "code id_token token"])
def test_a_replayed_code_ends_the_access_token_of_the_browser_too(response_type: str, app: App) -> None:
    front = answered(app, response_type=response_type)
    assert app.exchange(front["code"], code_verifier="w" * 43).json()["error"] == "invalid_grant"
    assert userinfo(app, front["access_token"]).status_code == 200
    assert app.exchange(front["code"]).status_code == 200
    assert userinfo(app, front["access_token"]).status_code == 200
    assert app.exchange(front["code"]).json()["error"] == "invalid_grant"
    assert Grant.objects.get().revocation_reason == RevocationReason.CODE_REPLAY
    assert userinfo(app, front["access_token"]).status_code == 401


@pytest.mark.spec("tokens.md: how soon a stop takes hold")
@pytest.mark.parametrize("response_type", WITH_TOKEN)
def test_the_end_of_the_session_and_revocation_end_it_at_once(response_type: str, app: App) -> None:
    one, other = (answered(app, response_type=response_type)["access_token"] for _ in range(2))
    form = {"client_id": "app", "client_secret": app.secret or "", "token": one}
    assert post(app.browser, "/revoke", form).status_code == 200
    assert (userinfo(app, one).status_code, userinfo(app, other).status_code) == (401, 200)
    end_session(Session.objects.get(), reason=SessionEnd.SIGNED_OUT, actor="test", now=datetime.now().astimezone())
    assert userinfo(app, other).status_code == 401


@pytest.mark.spec("OpenID Connect Core §3.2.2.10, OpenID Connect Core §3.3.2.11, at_hash")
@pytest.mark.parametrize("response_type", WITH_TOKEN)
def test_an_opaque_access_token_is_vouched_for_as_well(response_type: str, app: App) -> None:
    Client.objects.filter(pk=app.client.pk).update(opaque_access_tokens=True)
    answer = answered(app, response_type=response_type)
    assert "." not in answer["access_token"]
    if "id_token" in answer:
        assert claims_of(answer["id_token"])["at_hash"] == half_hash(answer["access_token"], "ES256")
    assert userinfo(app, answer["access_token"]).status_code == 200
    end_session(Session.objects.get(), reason=SessionEnd.SIGNED_OUT, actor="test", now=datetime.now().astimezone())
    assert userinfo(app, answer["access_token"]).status_code == 401


@pytest.mark.spec("RFC 6749 §4.2.2, expires_in, RFC 6750 §5.2 lifetime")
def test_an_access_token_of_the_browser_ends_when_it_says(app: App) -> None:
    answer = answered(app, response_type="id_token token")
    for seconds, status in ((int(answer["expires_in"]) - 5, 200), (int(answer["expires_in"]) + 1, 401)):
        with time_machine.travel(datetime.now().astimezone() + timedelta(seconds=seconds)):
            assert userinfo(app, answer["access_token"]).status_code == status


@pytest.mark.spec("OIDC Core §5.4 id-token-claims")
def test_an_id_token_that_comes_alone_tells_what_the_scopes_have(app: App, ana: User) -> None:
    User.objects.filter(pk=ana.pk).update(email="ana@example.org", name="Ana Lima")
    alone = claims_of(answered(app, response_type="id_token", scope="openid email")["id_token"])
    assert (alone["email"], alone["email_verified"], "name" in alone) == ("ana@example.org", False, False)
    for response_type in ("code id_token", "code id_token token", "id_token token"):
        claims = claims_of(answered(app, response_type=response_type, scope="openid email")["id_token"])
        assert not {"email", "email_verified"} & claims.keys()
    assert "email" not in claims_of(answered(app, response_type="id_token")["id_token"])


@pytest.mark.spec("house: no token in a log")
def test_no_token_gets_into_a_log(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    by_fragment = answered(app, response_type="code id_token token")
    by_form = posted_back(app.authorize(response_type="code id_token token", response_mode="form_post"))
    for answer in (by_fragment, by_form):
        for name in ("code", "id_token", "access_token"):
            assert answer[name] not in caplog.text


@pytest.mark.spec("RFC 6749 §10.12, house: two tabs")
def test_each_of_two_tabs_gets_its_own(app: App) -> None:
    one = answered(app, response_type="code id_token token", nonce="one", state="1")
    other = answered(app, response_type="code id_token token", nonce="other", state="2")
    assert (one["state"], claims_of(one["id_token"])["nonce"]) == ("1", "one")
    assert (other["state"], claims_of(other["id_token"])["nonce"]) == ("2", "other")
    assert Grant.objects.count() == 2
    for _ in range(2):
        replayed = app.exchange(one["code"])
    assert replayed.json()["error"] == "invalid_grant"
    assert userinfo(app, one["access_token"]).status_code == 401
    assert userinfo(app, other["access_token"]).status_code == 200
    assert claims_of(app.exchange(other["code"]).json()["id_token"])["nonce"] == "other"


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.3, house: no client learns of a session that has ended")
@pytest.mark.parametrize("response_type", sorted({*WITH_ID_TOKEN, *WITH_TOKEN}))
def test_a_session_that_ends_meanwhile_gives_no_tokens(
    response_type: str, app: App, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*args: Any, **more: Any) -> Any:
        end_session(Session.objects.get(), reason=SessionEnd.SIGNED_OUT, actor="", now=now)
        return issue_through_browser(*args, **more)

    monkeypatch.setattr(authorize, "issue_through_browser", too_late)
    answer = answered(app, response_type=response_type)
    assert (answer["error"], answer["state"]) == ("login_required", "s1")
    assert answer.keys() == {"error", "error_description", "state", "iss"}
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 9700 §4.7, house: two tabs")
def test_a_consent_page_of_one_person_decides_nothing_for_the_next(realm: Realm, ana: User, now: datetime) -> None:
    """Somebody else signs in in another tab while the page stands open."""
    app = register(realm, Browser(enforce_csrf_checks=True), now, first_party=False)
    bo = make_person("bo", realm=realm)
    assert press(app.browser, "/sign-in", {"username": "ana", "password": PASSWORD}).status_code == 303
    page = app.authorize()["Location"]
    seen = Elements(app.browser.get(page).content).first(name="csrfmiddlewaretoken")["value"]
    assert press(app.browser, "/sign-in", {"username": "bo", "password": PASSWORD}).status_code == 303
    stale = {"decision": "allow", "csrfmiddlewaretoken": seen or ""}
    assert post(app.browser, page, stale, origin=ORIGIN).status_code == 403
    assert not Consent.objects.exists()
    assert "code" in sent_back(press(app.browser, page, {"decision": "allow"}))
    assert Consent.objects.get().user == bo


def press(browser: Browser, page: str, form: dict[str, str]) -> Any:
    """Read a page and send its form, as browsers do."""
    token = Elements(browser.get(page).content).first(name="csrfmiddlewaretoken")["value"] or ""
    return post(browser, page, {**form, "csrfmiddlewaretoken": token}, origin=ORIGIN)


@pytest.mark.spec("OpenID Connect Core §3.1.2.4, house: two tabs")
@pytest.mark.django_db(transaction=True)
def test_people_who_allow_it_in_many_tabs_at_once_are_remembered_once(now: datetime) -> None:
    realm = make_realm()
    make_person(realm=realm)
    app = register(realm, Browser(), now, first_party=False, response_types=tuple(ResponseType))
    app.sign_in()
    pages = [
        app.authorize(response_type="code id_token token", scope=f"openid {scope}", nonce=scope)["Location"]
        for scope in ("profile", "email", "notes:read", "offline_access") * 3
    ]
    found: list[Any] = []

    def allow(page: str) -> None:
        tab = Browser()
        tab.cookies = app.browser.cookies
        found.append(sent_by_fragment(post(tab, page, {"decision": "allow"})))
        connection.close()

    threads = [threading.Thread(target=allow, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer["code"] for answer in found}) == len(pages)
    assert len({claims_of(answer["access_token"])["jti"] for answer in found}) == len(pages)
    assert {*Consent.objects.get().scopes} == {"openid", "profile", "email", "notes:read", "offline_access"}
