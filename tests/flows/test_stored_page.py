"""`/account/data`: what is stored about a person, as a file; and the end of the account."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.urls import reverse

from accounts.models import Device, MailedLink, Session, UpstreamLink, UpstreamProvider, User
from accounts.services.personal import make_personal_key
from accounts.services.sessions import begin_session, end_session
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import DeviceKind, LinkPurpose, SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import App, post, register
from tests.flows.test_code_exchange import userinfo
from tests.flows.test_reset_password import open_link
from tests.mailbox import Mailbox, mailbox
from tests.pages import FORM, Elements
from tests.proofs import WITH_A_CODE, give_app, give_passkey, referring_to_people, signed_in_by
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tokens.models import Grant, LogoutDelivery

__all__ = ["mailbox"]
PAGE = "/account/data"
pytestmark = pytest.mark.spec("issue 3 of 6: download what is stored about them; delete their account")
# Every table that refers to a person, with the member that tells of it; "" for what tells nothing by itself.
TOLD = {
    "accounts.Membership": "memberships",
    "accounts.Session": "sessions",
    "accounts.SignInChallenge": "sign_ins_begun",
    "accounts.Device": "devices",
    "accounts.TotpSecret": "second_factors",
    "accounts.RecoveryCode": "second_factors",
    "accounts.Passkey": "passkeys",
    "accounts.UpstreamLink": "other_providers",
    "accounts.MailedLink": "mailed_links",
    "accounts.PersonalKey": "",  # a secret of the provider
    "accounts.User_groups": "person",
    "accounts.User_user_permissions": "person",
    "admin.LogEntry": "admin_changes",
    "tokens.Consent": "consents",
    "tokens.Grant": "grants",
}


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, backchannel_logout_uri="https://app.example.org/out")
    found.sign_in()
    return found


def copy(browser: Browser, page: str = PAGE) -> Any:
    return post(browser, page, {"do": "copy"}, **{"user-agent": "Browser/1"})


def delete(browser: Browser, username: str = "ana", page: str = PAGE) -> Any:
    return post(browser, page, {"do": "delete", "username": username})


class TestPage:
    """For its person alone, after a fresh proof."""

    def test_the_account_leads_to_it(self, app: App) -> None:
        assert Elements(app.browser.get("/account").content).one(id="account-data")["href"] == PAGE
        answer = app.browser.get(PAGE)
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        page = Elements(answer.content)
        assert page.one(id="data-copy")["value"] == "copy"
        assert page.one(id="account-delete")["value"] == "delete"
        assert page.one(id="username").get("value") is None
        assert page.one(id="account-link")["href"] == "/account"

    def test_nobody_else_sees_or_does_anything(self, app: App) -> None:
        stranger = Browser()
        for answer in (stranger.get(PAGE), copy(stranger), delete(stranger)):
            assert answer.status_code == 303
            assert urlsplit(answer["Location"]).path == "/sign-in"
        assert User.objects.filter(username="ana").exists()

    @pytest.mark.spec("NIST SP 800-63B §7.2, issue 3 of 6: with re-authentication")
    def test_an_old_sign_in_is_renewed_first_and_leads_back(self, app: App, ana: User) -> None:
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=11)):
            for answer in (app.browser.get(PAGE), copy(app.browser), delete(app.browser)):
                assert answer.status_code == 303
                assert urlsplit(answer["Location"]).path == "/sign-in"
            assert app.sign_in(next=PAGE)["Location"] == PAGE
            assert app.browser.get(PAGE).status_code == 200
        assert User.objects.filter(pk=ana.pk).exists()
        assert not Event.objects.filter(name=EventName.PERSON_COPIED).exists()

    @pytest.mark.spec("NIST SP 800-63B §7.2")
    def test_a_session_without_the_second_factor_proves_it_first(self, app: App, ana: User, realm: Realm) -> None:
        give_app(ana)
        for answer in (app.browser.get(PAGE), copy(app.browser), delete(app.browser)):
            assert urlsplit(answer["Location"]).path == reverse("second-factor")
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        assert copy(app.browser).status_code == 200

    @pytest.mark.parametrize(
        "body", ["do=other", "do=copy&do=delete", "do=delete", "do=delete&username=ana&username=ana", "do="]
    )
    def test_a_form_that_no_browser_sends_does_nothing(self, app: App, body: str) -> None:
        assert app.browser.post(PAGE, body, content_type=FORM).status_code == 400
        assert User.objects.filter(username="ana").exists()

    def test_a_form_of_another_site_does_nothing(self, realm: Realm, ana: User) -> None:
        browser = Browser(enforce_csrf_checks=True)
        signed_in_by(browser, ana, realm=realm, methods=["pwd"])
        browser.cookies[settings.SESSION_COOKIE_NAME] = str(browser.session.session_key)
        for form in ({"do": "copy"}, {"do": "delete", "username": "ana"}):
            answer = browser.post(PAGE, urlencode(form), FORM, headers={"origin": "https://evil.example"})
            assert answer.status_code == 403
        assert User.objects.filter(username="ana").exists()


class TestCopy:
    """Everything, and nothing that opens anything."""

    def test_every_table_that_refers_to_a_person_is_told_of(self, app: App) -> None:
        assert {model._meta.label for model, _column in referring_to_people()} == TOLD.keys()
        told = copy(app.browser).json()
        assert {member for member in TOLD.values() if member} <= told.keys()

    def test_everything_is_in_it(self, app: App, ana: User, realm: Realm, now: datetime) -> None:
        ana.name, ana.email, ana.phone_number = "Ana Lima", "ana@example.org", "+351211234567"
        ana.save()
        make_personal_key(ana, now=now)
        give_passkey(ana)
        app_secret = b"seed that nobody sees"
        give_app(ana)
        ana.totp_secret.secret = app_secret
        ana.totp_secret.save()
        ana.recovery_codes.create(digest=b"d" * 32, created_at=now)
        Device.objects.create(user=ana, kind=DeviceKind.BROWSER, name="Laptop", created_at=now, last_used_at=now)
        provider = UpstreamProvider.objects.create(
            realm=realm, slug="work", name="Work", issuer="https://work.example", client_id="c", created_at=now
        )
        UpstreamLink.objects.create(provider=provider, user=ana, subject="ana-at-work", created_at=now)
        MailedLink.objects.create(
            purpose=LinkPurpose.CONFIRM_ADDRESS, realm=realm, user=ana, email="new@example.org", digest=b"m" * 32,
            created_at=now, expires_at=now + timedelta(days=1),
        )  # fmt: skip
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        refresh = app.exchange(app.code(scope="openid offline_access")).json()["refresh_token"]
        answer = copy(app.browser)
        assert answer["Content-Type"] == "application/json"
        assert answer["Content-Disposition"] == 'attachment; filename="default-account.json"'
        assert (answer["Cache-Control"], answer["X-Content-Type-Options"]) == ("no-store", "nosniff")
        told = answer.json()
        assert told["person"]["name"] == "Ana Lima"
        assert told["person"]["has_password"] is True
        assert told["memberships"][0]["realm"] == "default"
        assert {session["sid"] for session in told["sessions"]} == set(Session.objects.values_list("sid", flat=True))
        assert "Laptop" in [device["name"] for device in told["devices"]]
        assert told["second_factors"]["authenticator_app"]["confirmed_at"]
        assert len(told["second_factors"]["recovery_codes"]) == 1
        assert told["passkeys"][0]["name"] == "Key"
        assert told["other_providers"][0] | {"created_at": "", "last_used_at": ""} == {
            "realm": "default", "issuer": "https://work.example", "subject": "ana-at-work",
            "created_at": "", "last_used_at": "",
        }  # fmt: skip
        assert told["mailed_links"][0]["email"] == "new@example.org"
        [grant] = told["grants"]
        assert (grant["client_id"], grant["scopes"]) == ("app", ["openid", "offline_access"])
        names = [event["name"] for event in told["events"]]
        assert names[-1] == EventName.PERSON_COPIED
        [copied] = [event for event in told["events"] if event["name"] == EventName.PERSON_COPIED]
        assert (copied["address"], copied["user_agent"]) == ("127.0.0.1", "Browser/1")
        text = answer.content.decode()
        forbidden = (PASSWORD, ana.password, refresh, str(app.secret), app.browser.session.session_key, "sealed")
        for secret in (*forbidden, "seed that", "dddddddd", "ZGRkZGRk", "mmmmmmmm"):
            assert str(secret) not in text, secret

    def test_it_is_of_nobody_else(self, app: App, ana: User, realm: Realm) -> None:
        bo = make_person("bo-the-other", realm=realm, email="bo@example.org")
        other = App(app.client, app.secret, Browser())
        other.sign_in("bo-the-other")
        Event.objects.create(
            occurred_at=datetime.now(UTC), name=EventName.PERSON_CHANGED, target=ana.subject, actor=f"user:{bo.subject}"
        )
        text = copy(app.browser).content.decode()
        assert "bo-the-other" not in text
        assert "bo@example.org" not in text
        assert bo.subject not in text
        [event] = [each for each in json.loads(text)["events"] if each["name"] == EventName.PERSON_CHANGED]
        assert event["actor"] == "another person"

    def test_what_an_operator_did_to_what_they_have_is_in_it(
        self, app: App, ana: User, realm: Realm, now: datetime
    ) -> None:
        actor = f"user:{make_person('operator', realm=None).subject}"
        session = begin_session(realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), now=now)
        end_session(session, reason=SessionEnd.OPERATOR, actor=actor, now=now)
        [event] = [each for each in copy(app.browser).json()["events"] if each["name"] == EventName.SESSION_ENDED]
        assert (event["actor"], event["details"]) == ("another person", {"reason": "operator"})

    def test_it_leaves_an_event(self, app: App, ana: User) -> None:
        copy(app.browser)
        event = Event.objects.get(name=EventName.PERSON_COPIED)
        assert (event.actor, event.target, event.realm) == (f"user:{ana.subject}", ana.subject, "default")

    def test_what_belongs_to_other_realms_is_in_it_too(self, app: App, ana: User, now: datetime) -> None:
        other = make_realm("other")
        ana.memberships.create(realm=other, roles=["x"], created_at=now)
        there = register(other, Browser(), now)
        there.sign_in()
        told = copy(app.browser).json()
        assert {row["realm"] for row in told["memberships"]} == {"default", "other"}
        assert {row["realm"] for row in told["sessions"]} == {"default", "other"}


class TestDeletion:
    """The account goes, its tokens with it, and clients are told."""

    def test_whoever_types_their_name_is_gone(self, app: App, ana: User) -> None:
        tokens = app.exchange(app.code(scope="openid offline_access")).json()
        assert userinfo(app, tokens["access_token"]).status_code == 200
        answer = delete(app.browser, " ANA ".strip())
        assert answer.status_code == 200
        assert b"Your account is deleted" in answer.content
        assert not User.objects.filter(username="ana").exists()
        assert not Grant.objects.exists()
        assert userinfo(app, tokens["access_token"]).status_code == 401
        assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        assert app.browser.get("/account").status_code == 303
        assert app.sign_in().status_code == 422
        assert LogoutDelivery.objects.count() == 1

    @pytest.mark.spec("RFC 7662 §2.2")
    def test_introspection_knows_their_tokens_no_more(self, app: App, realm: Realm, now: datetime) -> None:
        api = register(
            realm, Browser(), now, client_id="api", grant_types=(), redirect_uris=(), introspects=(realm.issuer,)
        )
        tokens = app.exchange(app.code(scope="openid offline_access")).json()
        asked = {"client_id": "api", "client_secret": str(api.secret)}
        for token, active in ((tokens["access_token"], True),):
            assert post(api.browser, "/introspect", {**asked, "token": token}).json()["active"] is active
        code = app.code()
        delete(app.browser)
        for token in (tokens["access_token"], tokens["refresh_token"]):
            assert post(api.browser, "/introspect", {**asked, "token": token}).json() == {"active": False}
        assert app.exchange(code).json()["error"] == "invalid_grant"

    def test_every_other_browser_is_signed_out_as_well(self, app: App) -> None:
        elsewhere = App(app.client, app.secret, Browser())
        elsewhere.sign_in()
        delete(app.browser)
        assert elsewhere.browser.get("/account").status_code == 303
        assert urlsplit(elsewhere.authorize()["Location"]).path == "/sign-in"

    @pytest.mark.parametrize("typed", ["", "an", "ana2", "ana\x00", "a" * 5_000, "bo"])
    def test_another_name_deletes_nobody(self, app: App, realm: Realm, typed: str) -> None:
        make_person("bo", realm=realm)
        answer = delete(app.browser, typed)
        assert answer.status_code == 422
        field = Elements(answer.content).one(id="username")
        assert (field["aria-invalid"], field.get("value")) == ("true", None)
        assert b"This is not your user name." in answer.content
        assert User.objects.count() == 2

    def test_the_only_superuser_is_told_why_not(self, app: App, ana: User) -> None:
        User.objects.filter(pk=ana.pk).update(is_superuser=True, is_staff=True)
        answer = delete(app.browser)
        assert answer.status_code == 422
        assert b"You alone look after this site" in answer.content
        assert app.browser.get("/account").status_code == 200  # and nothing was ended

    def test_the_name_is_free_again_and_means_somebody_else(self, app: App, ana: User, realm: Realm) -> None:
        delete(app.browser)
        again = make_person("ana", realm=realm)
        assert again.subject != ana.subject
        app.sign_in()
        assert Event.objects.filter(target=ana.subject).exists()
        assert not [event for event in copy(app.browser).json()["events"] if event["target"] == ana.subject]

    def test_the_audit_stays_whole(self, app: App, ana: User) -> None:
        before = list(Event.objects.order_by("pk").values())
        delete(app.browser)
        assert list(Event.objects.order_by("pk").values())[: len(before)] == before
        assert Event.objects.filter(name=EventName.PERSON_DELETED, target=ana.subject).exists()

    def test_neither_name_nor_whereabouts_are_left_in_any_table(self, realm: Realm, mailbox: Mailbox) -> None:
        Realm.objects.update(registration="open")
        theirs = {"username": "zebedee-q", "password": PASSWORD, "email": "zebedee-q@example.org"}
        browser = Browser(REMOTE_ADDR="203.0.113.77", HTTP_USER_AGENT="Unheard-of/1")
        post(browser, "/register", theirs)
        open_link(browser, mailbox.link())
        post(browser, "/confirm-address", {})
        for password in ("a wrong password, this", PASSWORD):
            post(browser, "/sign-in", {"username": theirs["email"], "password": password})
        post(browser, "/account/email", {"email": "zebedee-q@example.net"})
        post(browser, "/reset-password", {"email": theirs["email"]})
        post(browser, "/auth", theirs)
        mailbox.open()
        assert "203.0.113.77" in copy(browser).content.decode()
        assert delete(browser, "zebedee-q").status_code == 200
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                query = f'SELECT row::text FROM "{table}" AS row WHERE row::text ~* %s'  # noqa: S608  (names of our tables)
                cursor.execute(query, ["zebedee|203\\.0\\.113|unheard"])
                assert cursor.fetchall() == [], table
