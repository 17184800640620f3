"""`/account/applications`: which clients have what of a person, and the end of it."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Session, User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import App, post, register, sent_back
from tests.pages import FORM, Elements
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tests.tokens.clients import basic
from tests.tokens.clients import register as register_plain
from tests.tokens.grants import begin
from tokens.models import Client, Consent, Grant
from tokens.vocabulary import RevocationReason

PAGE = "/account/applications"
ORIGIN = "https://testserver:80"  # of the test client
EVERYTHING = "openid profile offline_access notes:read"
pytestmark = pytest.mark.spec("issue: people see and end their sessions, consents and connected applications")


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, first_party=False, client_uri="https://notes.example.org/?a&b")
    found.sign_in()
    return found


def allow(app: App, **changes: str | None) -> str:
    """A code, from a person who is asked and allows it."""
    page = app.authorize(**changes)["Location"]
    assert urlsplit(page).path == f"{app.base}/consent"
    return sent_back(post(app.browser, page, {"decision": "allow"}))["code"]


def tokens(app: App, scope: str = EVERYTHING) -> dict[str, Any]:
    answer = app.exchange(allow(app, scope=scope))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def withdraw(app: App, client_id: str = "app") -> Any:
    return post(app.browser, f"{app.base}{PAGE}", {"withdraw": client_id})


def userinfo(app: App, token: str) -> int:
    return int(app.browser.get(f"{app.base}/userinfo", headers={"authorization": f"Bearer {token}"}).status_code)


class TestTheList:
    def test_each_client_says_what_it_may_since_when_and_when_it_was_last_used(self, app: App) -> None:
        got = tokens(app)
        Grant.objects.update(created_at=datetime.fromisoformat("2026-01-02T03:04Z"))
        Grant.objects.update(rotated_at=datetime.fromisoformat("2026-02-03T04:05Z"))
        page = app.browser.get(PAGE).content.decode()
        assert "<h2><bdi>Notes</bdi></h2>" in page
        plain = [
            "know who you are here",
            "read your name, language and time zone",
            "stay connected while you are away",
            "notes:read",
        ]
        assert [page.index(f"<li>{words}</li>") for words in plain] == sorted(
            page.index(f"<li>{words}</li>") for words in plain
        )
        assert "Since 2 January 2026." in page
        assert "Last used on 3 February 2026, 04:05 UTC." in page
        elements = Elements(page.encode())
        link = next(have for have in elements.all(target="_blank"))
        assert (link["href"], link["rel"]) == ("https://notes.example.org/?a&b", "noopener noreferrer")
        assert elements.one(id="withdraw-app")["value"] == "app"
        assert "logo" not in page.replace("logo.svg", "")
        assert got["refresh_token"] not in page

    def test_a_consent_without_a_grant_and_a_grant_without_a_consent_are_there_too(
        self, app: App, realm: Realm, ana: User, now: datetime
    ) -> None:
        begin(realm, ana, now)  # direct sign-in
        Consent.objects.create(user=ana, client=app.client, scopes=["email"], granted_at=now)
        page = app.browser.get(PAGE).content.decode()
        assert "It has no access now" in page
        assert "<li>read your email address</li>" in page
        ids = {have["id"] for have in Elements(page.encode()).all(name="withdraw")}
        assert ids == {"withdraw-app", "withdraw-signet-direct"}

    def test_a_client_of_the_house_says_that_it_comes_back(self, app: App) -> None:
        Client.objects.update(first_party=True)
        app.code()
        assert "It belongs to default and doesn’t ask" in app.browser.get(PAGE).content.decode()

    def test_nothing_that_is_over_and_nothing_of_others(self, app: App, realm: Realm, ana: User, now: datetime) -> None:
        eve = make_person("eve", realm=realm)
        other_realm = make_realm("other")
        Membership.objects.create(user=ana, realm=other_realm, created_at=now)
        begin(other_realm, ana, now)
        begin(realm, eve, now)
        Consent.objects.create(user=eve, client=app.client, scopes=["email"], granted_at=now)
        for over in (
            {"revoked_at": now, "revocation_reason": "logout"},
            {"created_at": now - timedelta(days=3), "rotated_at": now - timedelta(days=3),
             "idle_expires_at": now - timedelta(days=1), "absolute_expires_at": now - timedelta(days=1)},
            {"auth_time": now - timedelta(days=1)},  # before the password that is theirs now
        ):  # fmt: skip
            Grant.objects.filter(pk=str(begin(realm, ana, now)[0].grant_id)).update(**over)
        User.objects.filter(pk=ana.pk).update(signed_out_at=Session.objects.get().auth_time - timedelta(seconds=1))
        assert 'id="no-applications"' in app.browser.get(PAGE).content.decode()

    def test_what_an_ended_session_ended_is_over_and_what_is_offline_is_not(self, app: App) -> None:
        Client.objects.update(first_party=True)
        for scope, listed in (("openid", False), ("openid offline_access", True)):
            app.code(scope=scope)
            Session.objects.filter(ended_at=None).update(ended_at=Session.objects.first().created_at, end_reason="operator")  # type: ignore[union-attr]  # fmt: skip # noqa: E501
            app.sign_in()
            assert (b"withdraw-app" in app.browser.get(PAGE).content) == listed

    def test_the_list_takes_as_many_queries_for_twenty_as_for_one(
        self, app: App, realm: Realm, ana: User, now: datetime
    ) -> None:
        tokens(app)
        with CaptureQueriesContext(connection) as few:
            app.browser.get(PAGE)
        for number in range(20):
            client, _secret = register_plain(realm, f"more-{number}")
            Consent.objects.create(user=ana, client=client, scopes=["email"], granted_at=now)
            begin(realm, ana, now)
        with CaptureQueriesContext(connection) as many:
            assert app.browser.get(PAGE).content.count(b'name="withdraw"') == 22
        assert len(many) == len(few)

    def test_what_a_client_calls_itself_is_text_and_nothing_else(self, app: App) -> None:
        tokens(app, "openid notes:read")
        Client.objects.filter(client_id="app").update(name='<script>"&')
        Consent.objects.update(scopes=["<i>"])
        page = app.browser.get(PAGE).content.decode()
        assert "<bdi>&lt;script&gt;&quot;&amp;</bdi>" in page
        assert "<li>&lt;i&gt;</li>" in page
        assert 'aria-label="Remove access of &lt;script&gt;&quot;&amp;"' in page


class TestWithdrawing:
    @pytest.mark.spec("RFC 7009 §1: what somebody removes is void at once")
    @pytest.mark.parametrize("scope", ["openid profile", EVERYTHING])
    def test_all_that_the_client_has_is_void_at_once(self, app: App, realm: Realm, scope: str) -> None:
        got = tokens(app, scope)
        _service, secret = register_plain(realm, "service", introspects=(realm.issuer,))
        asked = {"token": got["access_token"]}

        def active() -> bool:
            answer = post(app.browser, "/introspect", asked, **basic("service", secret))
            return bool(answer.json()["active"])

        assert (userinfo(app, got["access_token"]), active()) == (200, True)
        answer = withdraw(app)
        assert (answer.status_code, answer["Location"]) == (303, PAGE)
        assert (userinfo(app, got["access_token"]), active()) == (401, False)
        if "refresh_token" in got:
            refused = app.refresh(got["refresh_token"])
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert b"no-applications" in app.browser.get(PAGE).content

    def test_the_successor_that_a_lost_answer_had_is_void_too(self, app: App) -> None:
        first = tokens(app)["refresh_token"]
        second = app.refresh(first).json()["refresh_token"]
        withdraw(app)
        assert [app.refresh(token).json()["error"] for token in (first, second)] == ["invalid_grant"] * 2
        assert Grant.objects.get().revocation_reason == RevocationReason.WITHDRAWN

    @pytest.mark.spec("RFC 6749 §4.1.2")
    def test_a_code_that_is_on_its_way_is_void(self, app: App) -> None:
        code = allow(app, scope=EVERYTHING)
        withdraw(app)
        assert app.exchange(code).json()["error"] == "invalid_grant"

    def test_the_person_is_asked_the_next_time_and_stays_signed_in(self, app: App) -> None:
        tokens(app, "openid")
        assert "code" in sent_back(app.authorize())
        withdraw(app)
        assert sent_back(app.authorize(prompt="none"))["error"] == "consent_required"
        assert urlsplit(app.authorize()["Location"]).path == "/consent"
        assert app.browser.get("/account").status_code == 200
        tokens(app, "openid")
        assert [*Consent.objects.get().scopes] == ["openid"]

    def test_an_end_leaves_an_event_for_the_consent_and_for_each_grant(self, app: App, ana: User) -> None:
        tokens(app)
        app.code(scope="openid")
        withdraw(app)
        event = Event.objects.get(name=EventName.CONSENT_WITHDRAWN)
        actor = f"user:{ana.subject}"
        assert (event.realm, event.target, event.actor, event.reason) == ("default", "app", actor, "")
        scope = "notes:read offline_access openid profile"
        assert event.details == {"subject": ana.subject, "scope": scope}
        ends = Event.objects.filter(name=EventName.GRANT_ENDED)
        assert {end.target for end in ends} == {str(grant.pk) for grant in Grant.objects.all()}
        assert {(end.actor, end.details["reason"], end.details["client_id"]) for end in ends} == {
            (actor, "withdrawn", "app")
        }

    def test_other_people_and_other_clients_lose_nothing(
        self, app: App, realm: Realm, ana: User, now: datetime
    ) -> None:
        eve = make_person("eve", realm=realm)
        tokens(app)
        theirs = App(app.client, app.secret, Browser())
        theirs.sign_in("eve")
        kept = tokens(theirs)
        second = register(realm, app.browser, now, first_party=False, client_id="second")
        also_kept = tokens(second)
        withdraw(app)
        assert theirs.refresh(kept["refresh_token"]).status_code == 200
        assert second.refresh(also_kept["refresh_token"]).status_code == 200
        assert {(row.user, row.client) for row in Consent.objects.all()} == {(eve, app.client), (ana, second.client)}

    def test_direct_sign_in_can_be_ended_like_any_other(self, app: App, realm: Realm, ana: User, now: datetime) -> None:
        begin(realm, ana, now)
        assert withdraw(app, "signet-direct").status_code == 303
        assert Grant.objects.get().revoked_at is not None
        assert not Event.objects.filter(name=EventName.CONSENT_WITHDRAWN).exists()

    def test_a_disabled_client_loses_its_access_for_good(self, app: App) -> None:
        tokens(app)
        Client.objects.filter(client_id="app").update(enabled=False)
        assert b"withdraw-app" in app.browser.get(PAGE).content
        assert withdraw(app).status_code == 303
        assert not Consent.objects.exists()

    def test_the_second_click_changes_nothing(self, app: App) -> None:
        tokens(app)
        assert [withdraw(app).status_code for _ in range(2)] == [303, 303]
        assert Event.objects.filter(name=EventName.GRANT_ENDED).count() == 1

    def test_it_takes_as_many_queries_for_twenty_grants_as_for_one(self, app: App) -> None:
        counts = []
        for several in (1, 20):
            tokens(app, "openid")
            for _ in range(several - 1):
                app.code()
            with CaptureQueriesContext(connection) as statements:
                withdraw(app)
            counts.append(len(statements))
        assert counts[0] == counts[1]
        assert Grant.objects.filter(revoked_at=None).count() == 0


class TestHostile:
    def test_a_client_of_another_realm_is_none(self, app: App, ana: User, now: datetime) -> None:
        other = make_realm("other")
        Membership.objects.create(user=ana, realm=other, created_at=now)
        there = register(other, Browser(), now, first_party=False, client_id="theirs")
        there.sign_in()
        got = tokens(there)
        assert withdraw(app, "theirs").status_code == 404
        assert there.refresh(got["refresh_token"]).status_code == 200
        assert Consent.objects.count() == 1

    def test_the_same_client_id_in_another_realm_loses_nothing(self, app: App, ana: User, now: datetime) -> None:
        other = make_realm("other")
        Membership.objects.create(user=ana, realm=other, created_at=now)
        there = register(other, Browser(), now, first_party=False)
        there.sign_in()
        got = tokens(there)
        tokens(app)
        withdraw(app)
        assert there.refresh(got["refresh_token"]).status_code == 200

    @pytest.mark.parametrize(
        "value", ["", "nobody", "\0", "app\0", "app\n", " app", "App", "a" * 65, "é", "' OR true --", "x" * 10_000]
    )
    def test_garbage_is_nobodys_client(self, value: str, app: App) -> None:
        tokens(app)
        answer = withdraw(app, value)
        assert answer.status_code == 404
        assert b"There is no such application" in answer.content
        assert Grant.objects.get().revoked_at is None

    def test_one_client_at_a_time(self, app: App) -> None:
        tokens(app)
        for form in ("x=1", "client=app", "withdraw=app&withdraw=app"):
            assert app.browser.post(PAGE, form, FORM).status_code == 400
        assert app.browser.get(f"{PAGE}?withdraw=app").status_code == 200
        assert Consent.objects.count() == 1

    @pytest.mark.spec("RFC 9700 §4.16")
    def test_a_form_of_another_site_withdraws_nothing(self, realm: Realm, ana: User, now: datetime) -> None:
        browser = Browser(enforce_csrf_checks=True)
        Consent.objects.create(user=ana, client=register_plain(realm)[0], scopes=["email"], granted_at=now)
        token = Elements(browser.get("/sign-in").content).first(name="csrfmiddlewaretoken")["value"] or ""
        form = {"username": "ana", "password": PASSWORD, "csrfmiddlewaretoken": token}
        assert post(browser, "/sign-in", form, origin=ORIGIN).status_code == 303
        good = Elements(browser.get(PAGE).content).first(name="csrfmiddlewaretoken")["value"] or ""
        assert post(browser, PAGE, {"withdraw": "machine"}, origin=ORIGIN).status_code == 403
        whole = {"withdraw": "machine", "csrfmiddlewaretoken": good}
        assert post(browser, PAGE, whole, origin="https://evil.example").status_code == 403
        assert browser.post(PAGE, urlencode(whole), "text/plain", headers={"origin": ORIGIN}).status_code == 415
        assert Consent.objects.exists()
        assert post(browser, PAGE, whole, origin=ORIGIN).status_code == 303
        assert not Consent.objects.exists()
