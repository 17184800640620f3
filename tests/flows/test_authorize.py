"""`/authorize` and the consent page: where the browser is sent, and with what."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from accounts.models import Membership, User
from keys.errors import NoSigningKey
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, post, register, sent_back
from tests.provider import Browser, make_person, make_realm
from tokens.models import Client, Consent, Grant
from tokens.services.clients import ClientRefused
from tokens.vocabulary import AuthMethod, GrantType

ISSUER = "https://id.example.test"


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    return register(realm, browser, now)


@pytest.mark.spec(
    "RFC 6749 §3.1 get, RFC 6749 §3.1 once, RFC 6749 §4.1.2 code, RFC 6749 §4.1.2 state, RFC 9207 §2 iss",
    "RFC 9207 §2.3 same-issuer",
)
def test_a_signed_in_person_comes_back_with_a_code_the_state_and_the_issuer(app: App) -> None:
    app.sign_in()
    answer = sent_back(app.authorize())
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("s1", ISSUER)
    assert "state" not in sent_back(app.authorize(state=None))


@pytest.mark.spec("RFC 6749 §3.1 owner-first, OIDC Core §3.1.2.3 not-signed-in")
def test_somebody_else_signs_in_first_and_then_goes_on(app: App) -> None:
    first = app.authorize(login_hint="ana", prompt="login", max_age="0")
    assert first.status_code == 303
    page = urlsplit(first["Location"])
    assert page.path == "/sign-in"
    query = parse_qs(page.query)
    assert query["login_hint"] == ["ana"]
    onwards = app.sign_in(next=query["next"][0])
    assert onwards.status_code == 303
    assert sent_back(app.browser.get(onwards["Location"]))["state"] == "s1"


@pytest.mark.spec(
    "OIDC Core §3.1.2.1 max-age, OIDC Core §3.1.2.3 prompt-login, OIDC Core §15.1 prompt, OIDC Core §15.1 max-age",
)
def test_an_old_sign_in_is_asked_for_again(app: App) -> None:
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
        app.sign_in()
    assert urlsplit(app.authorize(prompt="login")["Location"]).path == "/sign-in"
    assert urlsplit(app.authorize(prompt="select_account")["Location"]).path == "/sign-in"
    assert urlsplit(app.authorize(max_age="3599")["Location"]).path == "/sign-in"
    assert "code" in sent_back(app.authorize(max_age="3700"))


@pytest.mark.spec("OpenID Connect Core §3.1.2.6, OIDC Core §3.1.2.1 prompt-none, OIDC Core §3.1.2.3 prompt-none")
def test_prompt_none_never_shows_a_page(realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
    app = register(realm, browser, now, first_party=False)
    assert sent_back(app.authorize(prompt="none"))["error"] == "login_required"
    app.sign_in()
    assert sent_back(app.authorize(prompt="none"))["error"] == "consent_required"
    assert sent_back(app.authorize(prompt="none", max_age="0"))["error"] in ("login_required", "consent_required")


@pytest.mark.spec(
    "RFC 9700 §4.1",
    "RFC 6749 §3.1.2.4 nowhere, RFC 6749 §4.1.2.1 nowhere, RFC 6749 §10.6 compared, RFC 6749 §10.14 input-checked",
    "RFC 9700 §4.11.2 nowhere, RFC 9700 §4.11.2 trusted-uris, RFC 9700 §2.1 no-open-redirector",
    "RFC 8252 §8.4 exact-match, OIDC Core §3.1.2.1 redirect-uri",
)
@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"client_id": "nobody"}, "Invalid client_id"),
        ({"client_id": "signet-direct"}, "Invalid client_id"),
        ({"client_id": None}, "Invalid client_id"),
        ({"redirect_uri": None}, "Invalid redirect_uri"),
        ({"redirect_uri": CALLBACK + "/"}, "Invalid redirect_uri"),
        ({"redirect_uri": "https://evil.example/"}, "Invalid redirect_uri"),
        ({"redirect_uri": "javascript:alert(1)"}, "Invalid redirect_uri"),
    ],
)
def test_while_client_or_uri_are_in_doubt_nobody_is_sent_anywhere(
    app: App, changes: dict[str, str | None], title: str
) -> None:
    app.sign_in()
    response = app.authorize(**changes)
    assert response.status_code == 400
    assert title in response.content.decode()
    assert "Location" not in response
    assert "evil" not in response.content.decode()


@pytest.mark.spec("RFC 6749 §3.1 once")
def test_a_repeated_redirect_uri_is_in_doubt(app: App) -> None:
    response = app.browser.get(f"/authorize?client_id=app&redirect_uri={CALLBACK}&redirect_uri={CALLBACK}")
    assert response.status_code == 400
    assert "Repeated" in response.content.decode()


@pytest.mark.spec(
    "RFC 6749 §4.1.2.1 error, RFC 6749 §4.1.2.1 state, RFC 7636 §4.4.1 challenge-missing",
    "RFC 7636 §4.4.1 method-unsupported, RFC 9207 §2 iss, RFC 8707 §2 invalid-target",
    "OIDC Core §3.1.2.2 parameters-checked, OIDC Core §3.1.2.2 error-answer, OIDC Core §3.1.2.6 error",
    "OIDC Core §6.1 request",
)
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"request": "x"}, "request_not_supported"),
    ],
)
def test_a_client_beyond_doubt_learns_what_is_wrong(app: App, changes: dict[str, str | None], word: str) -> None:
    app.sign_in()
    answer = sent_back(app.authorize(**changes))
    assert (answer["error"], answer["state"], answer["iss"]) == (word, "s1", ISSUER)
    assert "code" not in answer
    assert not Grant.objects.exists()


@pytest.mark.spec("RFC 6749 §4.1.2.1 error, unauthorized_client")
def test_a_client_without_the_response_type_is_refused(app: App) -> None:
    type(app.client).objects.update(response_types=[])
    app.sign_in()
    assert sent_back(app.authorize())["error"] == "unauthorized_client"


@pytest.mark.spec("OpenID Connect Core §11, RFC 9700 §4.14.2 by-client")
def test_a_client_that_cannot_refresh_is_not_given_offline_access(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, grant_types=(GrantType.AUTHORIZATION_CODE,))
    app.sign_in()
    app.code(scope="openid offline_access")
    app.code(scope=None)
    for grant in Grant.objects.all():
        assert "offline_access" not in grant.scopes
        assert "openid" in grant.scopes


def test_an_outage_is_a_page_and_not_a_fault(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object, **_more: object) -> None:
        raise NoSigningKey("away")

    app.sign_in()
    monkeypatch.setattr("tokens.views.authorize.authorize", away)
    assert app.authorize().status_code == 503
    monkeypatch.undo()
    assert app.browser.get("/authorize?state=%ff").status_code == 400


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §2.1, Form Post §2, RFC 6749 §10.14 input-checked")
def test_the_answer_travels_as_the_client_asked(app: App) -> None:
    app.sign_in()
    in_fragment = urlsplit(app.authorize(response_mode="fragment")["Location"])
    assert (in_fragment.query, "code" in parse_qs(in_fragment.fragment)) == ("", True)
    page = app.authorize(response_mode="form_post", state='"><script>')
    body = page.content.decode()
    assert page.status_code == 200
    assert f'action="{CALLBACK}"' in body
    assert 'name="code"' in body
    assert '"><script>' not in body
    assert "form-action 'self' https://app.example.org" in page["Content-Security-Policy"]
    assert "unsafe" not in page["Content-Security-Policy"]


@pytest.mark.spec(
    "RFC 9700 §2.1 no-credentials-forwarded, RFC 9700 §4.12 no-307, RFC 9700 §4.12 see-other",
    "OIDC Core §3.1.2.1 get-and-post",
)
def test_a_post_is_answered_with_303_and_no_store(app: App) -> None:
    app.sign_in()
    response = post(
        app.browser,
        "/authorize",
        {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "code_challenge": "a",
        },
    )
    assert response.status_code == 303
    assert "no-store" in response["Cache-Control"]


class TestConsent:
    """What a person is asked, and what is remembered."""

    @pytest.fixture
    def app(self, realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
        found = register(realm, browser, now, first_party=False)
        found.sign_in()
        return found

    @pytest.mark.spec("RFC 6749 §10.12 explicit-consent, OIDC Core §3.1.2.4 consent")
    def test_the_person_reads_who_asks_for_what_and_allows_it_once(self, app: App) -> None:
        page = app.authorize(scope="openid email")["Location"]
        assert urlsplit(page).path == "/consent"
        body = app.browser.get(page).content.decode()
        assert "Notes" in body
        assert "read your email address" in body
        assert 'id="consent-allow"' in body
        assert 'id="consent-deny"' in body
        assert "code" in sent_back(post(app.browser, page, {"decision": "allow"}))
        assert Consent.objects.get().scopes == ["email", "openid"]
        assert "code" in sent_back(app.authorize(scope="openid"))
        assert urlsplit(app.authorize(scope="openid profile")["Location"]).path == "/consent"
        assert urlsplit(app.authorize(scope="openid", prompt="consent")["Location"]).path == "/consent"

    @pytest.mark.spec("RFC 6749 §10.12 explicit-consent, OIDC Core §3.1.2.4 consent")
    def test_a_client_without_scopes_is_asked_about_like_any_other(
        self, realm: Realm, ana: User, browser: Browser, now: datetime
    ) -> None:
        resource = "https://notes.example.org/"
        app = register(realm, browser, now, first_party=False, scopes=(), resources=(resource,))
        app.sign_in()
        changes: dict[str, str | None] = {"scope": None, "resource": resource}
        assert sent_back(app.authorize(**changes, prompt="none"))["error"] == "consent_required"
        page = app.authorize(**changes)["Location"]
        assert urlsplit(page).path == "/consent"
        assert "It could" not in app.browser.get(page).content.decode()
        assert not Grant.objects.exists()
        assert "code" in sent_back(post(app.browser, page, {"decision": "allow"}))
        assert Consent.objects.get().scopes == []
        assert "code" in sent_back(app.authorize(**changes))

    @pytest.mark.spec("RFC 8252 §8.6 not-automatic, RFC 6749 §10.2: repeated requests")
    @pytest.mark.parametrize("uri", ["http://127.0.0.1:5000/cb", "http://[::1]/cb", "org.example.app:/cb"])
    def test_an_app_that_anybody_could_pass_for_is_asked_about_each_time(
        self, uri: str, realm: Realm, ana: User, browser: Browser, now: datetime
    ) -> None:
        app = register(
            realm, browser, now, first_party=False, auth_method=AuthMethod.NONE, redirect_uris=(uri, CALLBACK)
        )
        app.sign_in()
        for _ in range(2):
            page = app.authorize(redirect_uri=uri)["Location"]
            assert urlsplit(page).path == "/consent"
            assert post(app.browser, page, {"decision": "allow"})["Location"].startswith(f"{uri}?code=")
        silent = app.authorize(redirect_uri=uri, prompt="none")["Location"]
        assert silent.startswith(f"{uri}?error=consent_required")
        assert "code" in sent_back(app.authorize())  # there the person's browser vouches for the host

    @pytest.mark.spec("RFC 8252 §8.6 not-automatic")
    def test_what_a_secret_proves_needs_no_second_question(
        self, realm: Realm, ana: User, browser: Browser, now: datetime
    ) -> None:
        uri = "http://127.0.0.1:5000/cb"
        app = register(realm, browser, now, first_party=False, redirect_uris=(uri,))
        app.sign_in()
        post(app.browser, app.authorize(redirect_uri=uri)["Location"], {"decision": "allow"})
        assert app.authorize(redirect_uri=uri, prompt="none")["Location"].startswith(f"{uri}?code=")

    @pytest.mark.spec("OIDC Core §3.1.2.4, what was shown is what is allowed")
    def test_a_client_that_is_widened_meanwhile_gets_what_the_person_read(self, app: App) -> None:
        Client.objects.update(scopes=["openid", "email"])
        page = app.authorize(scope=None)["Location"]
        assert b"read your email address" in app.browser.get(page).content
        Client.objects.update(scopes=["openid", "email", "phone"])
        assert "code" in sent_back(post(app.browser, page, {"decision": "allow"}))
        assert sorted(Grant.objects.get().scopes) == sorted(Consent.objects.get().scopes) == ["email", "openid"]

    @pytest.mark.spec("RFC 6749 §4.1.2.1 error, OIDC Core §3.1.2.6 error, access_denied")
    def test_the_client_learns_that_it_was_denied(self, app: App) -> None:
        page = app.authorize()["Location"]
        assert sent_back(post(app.browser, page, {"decision": "deny"}))["error"] == "access_denied"
        assert sent_back(post(app.browser, page, {"decision": "perhaps"}))["error"] == "access_denied"
        assert not Consent.objects.exists()
        assert not Grant.objects.exists()

    @pytest.mark.spec("RFC 6749 §10.12 csrf, OIDC Core §3.1.2.3 csrf")
    def test_nobody_else_can_press_the_button(self, app: App) -> None:
        page = app.authorize()["Location"]
        strict = Browser(enforce_csrf_checks=True)
        strict.cookies = app.browser.cookies
        assert post(strict, page, {"decision": "allow"}).status_code == 403
        assert not Consent.objects.exists()

    def test_a_decision_without_a_session_leads_to_the_sign_in(self, app: App) -> None:
        page = app.authorize()["Location"]
        app.browser.cookies.clear()
        answer = post(app.browser, page, {"decision": "allow"})
        assert urlsplit(answer["Location"]).path == "/sign-in"


@pytest.mark.spec("tokens.md: a session of one realm satisfies no other")
def test_each_realm_has_its_own_clients_and_sessions(app: App, ana: User, browser: Browser, now: datetime) -> None:
    other = make_realm("other")
    there = register(other, browser, now)
    app.sign_in()
    assert urlsplit(there.authorize()["Location"]).path == "/realms/other/sign-in"
    make_person("bo", realm=other)
    there.sign_in("bo")
    assert sent_back(there.authorize())["iss"] == f"{ISSUER}/realms/other"
    assert browser.get("/realms/nowhere/authorize?client_id=app").status_code == 404


def test_a_person_who_left_the_realm_is_signed_out(app: App, ana: User) -> None:
    app.sign_in()
    Membership.objects.all().delete()
    assert urlsplit(app.authorize()["Location"]).path == "/sign-in"


@pytest.mark.spec("OpenID Connect Registration §2, id_token_signed_response_alg")
def test_a_client_of_people_needs_a_ring_for_its_id_tokens(realm: Realm, browser: Browser, now: datetime) -> None:
    with pytest.raises(ClientRefused, match="no ring that signs ID tokens with RS256"):
        register(realm, browser, now, id_token_alg="RS256")


def test_a_consent_names_who_and_whom(realm: Realm, ana: User, browser: Browser, now: datetime) -> None:
    app = register(realm, browser, now, first_party=False)
    consent = Consent.objects.create(user=ana, client=app.client, scopes=["openid"], granted_at=now)
    assert str(consent) == f"{ana.pk} → {app.client.pk}"
