"""`/account` and `/account/sessions`: who is signed in, with which browsers; and the end of it."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Session, User
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import post, register
from tests.pages import FORM, Elements
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tokens.models import LogoutDelivery

ACCOUNT, SESSIONS, APPLICATIONS = "/account", "/account/sessions", "/account/applications"
ORIGIN = "https://testserver:80"  # of the test client
pytestmark = pytest.mark.spec("issue: people see and end their sessions, consents and connected applications")


def sign_in(browser: Browser, username: str = "ana", base: str = "") -> Browser:
    answer = post(browser, f"{base}/sign-in", {"username": username, "password": PASSWORD})
    assert answer.status_code == 303
    return browser


def elsewhere(username: str = "ana", base: str = "") -> Browser:
    """Another browser, in which somebody signs in."""
    return sign_in(Browser(), username, base)


def sid_in(browser: Browser, realm: str = "default") -> str:
    return str(browser.session["signet.sids"][realm])


def end(browser: Browser, value: str, page: str = SESSIONS, **headers: str) -> Any:
    return post(browser, page, {"end": value}, **headers)


def standing() -> set[str]:
    return set(Session.objects.filter(ended_at=None).values_list("sid", flat=True))


@pytest.fixture
def signed_in(browser: Browser, ana: User) -> Browser:
    return sign_in(browser)


def test_the_way_leads_from_the_sign_in_to_every_page(signed_in: Browser) -> None:
    page = Elements(signed_in.get("/signed-in").content)
    assert page.one(id="account-link")["href"] == ACCOUNT
    account = signed_in.get(ACCOUNT)
    assert b'<strong id="account-username"><bdi>ana</bdi></strong>' in account.content
    links = {have["href"] for have in Elements(account.content).all() if "href" in have}
    assert {SESSIONS, APPLICATIONS, "/logout", "/sign-in"} <= links
    for address in (SESSIONS, APPLICATIONS):
        answer = signed_in.get(address)
        assert answer.status_code == 200
        assert Elements(answer.content).one(id="account-link")["href"] == ACCOUNT


@pytest.mark.parametrize("page", [ACCOUNT, SESSIONS, APPLICATIONS])
def test_a_page_is_for_its_person_and_nobody_keeps_it(page: str, signed_in: Browser) -> None:
    answer = signed_in.get(page)
    assert answer["Cache-Control"] == "no-store"
    assert "unsafe-inline" not in answer["Content-Security-Policy"]
    assert "form-action 'self'" in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"
    elements = Elements(answer.content)
    assert not [tag for tag, _have in elements.found if tag == "script"]
    assert not [have for _tag, have in elements.found if "style" in have]
    assert signed_in.head(page).status_code == 200
    for method in ("put", "delete", "options"):
        assert getattr(signed_in, method)(page).status_code == 405


@pytest.mark.parametrize("page", [ACCOUNT, SESSIONS, APPLICATIONS])
@pytest.mark.parametrize("base", ["", "/realms/other"])
def test_who_is_not_signed_in_signs_in_and_comes_back(page: str, base: str, browser: Browser, ana: User) -> None:
    if base:
        Membership.objects.create(user=ana, realm=make_realm("other", purposes=()), created_at=ana.created_at)
    answer = browser.get(f"{base}{page}?ui_locales=en")
    query = urlencode({"next": f"{base}{page}", "ui_locales": "en"})
    assert (answer.status_code, answer["Location"]) == (303, f"{base}/sign-in?{query}")
    form = Elements(browser.get(answer["Location"]).content)
    following = form.one(name="next")["value"] or ""
    back = post(browser, f"{base}/sign-in", {"username": "ana", "password": PASSWORD, "next": following})
    assert (back.status_code, back["Location"]) == (303, f"{base}{page}")
    assert browser.get(back["Location"]).status_code == 200


@pytest.mark.parametrize("page", [SESSIONS, APPLICATIONS])
def test_a_form_of_somebody_who_is_signed_out_does_nothing(page: str, browser: Browser, ana: User) -> None:
    other = elsewhere()
    answer = post(browser, page, {"end": sid_in(other), "withdraw": "signet-direct"})
    assert (answer.status_code, answer["Location"]) == (303, f"/sign-in?next={quote(page, safe='')}")
    assert standing() == {sid_in(other)}


def test_the_account_page_takes_no_form(signed_in: Browser) -> None:
    assert post(signed_in, ACCOUNT, {}).status_code == 405


class TestTheList:
    def test_each_browser_once_with_when_and_how_and_which_is_this_one(self, signed_in: Browser, ana: User) -> None:
        other = elsewhere()
        sign_in(other)  # once more with the same browser: they end together
        page = signed_in.get(SESSIONS).content.decode()
        elements = Elements(page.encode())
        buttons = {have["value"]: have["id"] for have in elements.all(name="end")}
        assert buttons == {
            sid_in(signed_in): "end-here",
            sid_in(other): f"end-{sid_in(other)}",
            "others": "end-others",
        }
        assert page.count("Another browser") == 1
        assert page.count(", by password</p>") == 2
        assert Session.objects.count() == 3

    def test_the_moment_is_in_the_persons_time_zone(self, signed_in: Browser, ana: User) -> None:
        at = Session.objects.get().auth_time
        assert f"Signed in on {at:%-d %B %Y, %H:%M} UTC" in signed_in.get(SESSIONS).content.decode()
        User.objects.update(zoneinfo="Asia/Kolkata")
        there = at + timedelta(hours=5, minutes=30)
        assert f"Signed in on {there:%-d %B %Y, %H:%M} IST" in signed_in.get(SESSIONS).content.decode()
        for unknown in ("Nowhere/Atlantis", "../etc/passwd", "/etc/localtime"):
            User.objects.update(zoneinfo=unknown)
            assert f"{at:%H:%M} UTC" in signed_in.get(SESSIONS).content.decode()

    def test_nothing_that_doesnt_count_any_more_and_nobody_elses(
        self, signed_in: Browser, ana: User, realm: Realm, now: datetime
    ) -> None:
        make_person("eve", realm=realm)
        eve, ended = elsewhere("eve"), elsewhere()
        other_realm = make_realm("other", purposes=())
        Membership.objects.create(user=ana, realm=other_realm, created_at=now)
        there = elsewhere(base="/realms/other")
        long_ago = now - timedelta(hours=9)
        old = begin_session(realm=realm, signed_in=SignedIn(ana, (), long_ago, ("pwd",)), now=long_ago)
        end(signed_in, sid_in(ended))
        page = signed_in.get(SESSIONS).content.decode()
        for sid in (sid_in(eve), sid_in(ended), sid_in(there, "other"), old.sid):
            assert sid not in page
        assert 'id="no-others"' in page
        assert "end-others" not in page

    def test_the_list_takes_as_many_queries_for_twenty_as_for_one(
        self, signed_in: Browser, ana: User, realm: Realm, now: datetime
    ) -> None:
        with CaptureQueriesContext(connection) as few:
            signed_in.get(SESSIONS)
        for _ in range(20):
            begin_session(realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), now=now)
        with CaptureQueriesContext(connection) as many:
            assert signed_in.get(SESSIONS).content.count(b"Another browser") == 20
        assert len(many) == len(few)


class TestEnding:
    def test_another_browser_is_signed_out_at_once(self, signed_in: Browser, ana: User) -> None:
        other, third = elsewhere(), elsewhere()
        answer = end(signed_in, sid_in(other))
        assert (answer.status_code, answer["Location"]) == (303, SESSIONS)
        assert other.get(ACCOUNT).status_code == 303
        assert third.get(ACCOUNT).status_code == signed_in.get(ACCOUNT).status_code == 200
        ended = Session.objects.get(sid=sid_in(other))
        assert ended.end_reason == SessionEnd.SIGNED_OUT
        event = Event.objects.get(name=EventName.SESSION_ENDED)
        assert (event.target, event.actor, event.realm) == (ended.sid, f"user:{ana.subject}", "default")

    def test_this_browser_is_signed_out_and_told_so(self, signed_in: Browser) -> None:
        other = elsewhere()
        answer = end(signed_in, sid_in(signed_in))
        assert (answer.status_code, answer["Location"]) == (303, "/logout")
        assert "signet.sids" not in signed_in.session
        assert "You are signed out" in signed_in.get("/logout").content.decode()
        assert standing() == {sid_in(other)}

    def test_what_this_browser_had_before_is_this_browsers_too(self, signed_in: Browser) -> None:
        before = sid_in(signed_in)
        sign_in(signed_in)
        assert end(signed_in, before)["Location"] == "/logout"
        assert standing() == set()

    def test_all_others_end_and_this_one_stays_with_what_it_continues(
        self, signed_in: Browser, ana: User, realm: Realm, now: datetime
    ) -> None:
        before = sid_in(signed_in)
        sign_in(signed_in)
        make_person("eve", realm=realm)
        eve = elsewhere("eve")
        other_realm = make_realm("other", purposes=())
        Membership.objects.create(user=ana, realm=other_realm, created_at=now)
        there = elsewhere(base="/realms/other")
        others = [elsewhere() for _ in range(3)]
        assert end(signed_in, "others")["Location"] == SESSIONS
        assert standing() == {before, sid_in(signed_in), sid_in(eve), sid_in(there, "other")}
        assert all(other.get(ACCOUNT).status_code == 303 for other in others)
        assert Event.objects.filter(name=EventName.SESSION_ENDED).count() == 3

    def test_the_end_takes_as_many_queries_for_twenty_as_for_one(
        self, signed_in: Browser, ana: User, realm: Realm, now: datetime
    ) -> None:
        counts = []
        for several in (1, 20):
            for _ in range(several):
                begin_session(realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), now=now)
            with CaptureQueriesContext(connection) as statements:
                end(signed_in, "others")
            counts.append(len(statements))
        assert counts[0] == counts[1]
        assert len(standing()) == 1

    def test_the_second_click_changes_nothing(self, signed_in: Browser) -> None:
        other = sid_in(elsewhere())
        assert [end(signed_in, other).status_code for _ in range(2)] == [303, 303]
        assert Event.objects.filter(name=EventName.SESSION_ENDED).count() == 1

    def test_no_fresh_sign_in_is_asked_for(self, signed_in: Browser, now: datetime, realm: Realm, ana: User) -> None:
        earlier = now - timedelta(hours=7)
        old = begin_session(realm=realm, signed_in=SignedIn(ana, (), earlier, ("pwd",)), now=earlier)
        kept = signed_in.session
        kept["signet.sids"] = {"default": old.sid}
        kept.save()
        assert end(signed_in, "others")["Location"] == SESSIONS
        assert standing() == {old.sid}

    @pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5")
    def test_clients_that_the_other_browser_signed_in_to_are_told(
        self, signed_in: Browser, realm: Realm, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tokens.services.courier.courier.wake", lambda: None)
        app = register(realm, Browser(), now, backchannel_logout_uri="https://app.example.org/backchannel")
        app.sign_in()
        app.code()
        end(signed_in, sid_in(app.browser))
        assert LogoutDelivery.objects.get().sid == sid_in(app.browser)


class TestHostile:
    def test_somebody_elses_session_is_none(self, signed_in: Browser, realm: Realm) -> None:
        make_person("eve", realm=realm)
        eve = elsewhere("eve")
        answer = end(signed_in, sid_in(eve))
        assert answer.status_code == 404
        assert b"There is no such session" in answer.content
        assert eve.get(ACCOUNT).status_code == 200
        assert not Event.objects.filter(name=EventName.SESSION_ENDED).exists()

    def test_ones_own_session_of_another_realm_is_none(self, signed_in: Browser, ana: User, now: datetime) -> None:
        Membership.objects.create(user=ana, realm=make_realm("other", purposes=()), created_at=now)
        there = elsewhere(base="/realms/other")
        assert end(signed_in, sid_in(there, "other")).status_code == 404
        assert end(there, sid_in(signed_in), "/realms/other/account/sessions").status_code == 404
        assert len(standing()) == 2

    @pytest.mark.parametrize(
        "value", ["", "x" * 22, "\0" * 22, "a\nb", "x" * 10_000, "' OR true --", "é" * 22, "Others", "others ", "-1"]
    )
    def test_garbage_is_nobodys_session(self, value: str, signed_in: Browser) -> None:
        other = elsewhere()
        assert end(signed_in, value).status_code == 404
        assert standing() == {sid_in(signed_in), sid_in(other)}

    def test_one_thing_is_ended_at_a_time(self, signed_in: Browser) -> None:
        sids = [sid_in(elsewhere()), sid_in(elsewhere())]
        for form in ("x=1", "session=x", urlencode([("end", sid) for sid in sids]), f"end={sids[0]}&end={sids[0]}"):
            assert signed_in.post(SESSIONS, form, FORM).status_code == 400
        assert len(standing()) == 3

    def test_the_address_ends_nothing(self, signed_in: Browser) -> None:
        other = sid_in(elsewhere())
        assert signed_in.get(f"{SESSIONS}?end={other}").status_code == 200
        assert other in standing()

    @pytest.mark.spec("RFC 9700 §4.16")
    def test_a_form_of_another_site_ends_nothing(self, ana: User) -> None:
        browser = Browser(enforce_csrf_checks=True)
        token = Elements(browser.get("/sign-in").content).first(name="csrfmiddlewaretoken")["value"] or ""
        form = {"username": "ana", "password": PASSWORD, "csrfmiddlewaretoken": token}
        assert post(browser, "/sign-in", form, origin=ORIGIN).status_code == 303
        other = sid_in(elsewhere())
        good = Elements(browser.get(SESSIONS).content).first(name="csrfmiddlewaretoken")["value"] or ""
        assert end(browser, other, origin=ORIGIN).status_code == 403
        with_token = {"end": other, "csrfmiddlewaretoken": good}
        assert post(browser, SESSIONS, with_token, origin="https://evil.example").status_code == 403
        assert other in standing()
        assert post(browser, SESSIONS, with_token, origin=ORIGIN).status_code == 303
        assert other not in standing()

    def test_a_name_is_text_and_nothing_else(self, signed_in: Browser) -> None:
        User.objects.update(username='<b>"ana"&')
        for page in (ACCOUNT, SESSIONS):
            assert b"<bdi>&lt;b&gt;&quot;ana&quot;&amp;</bdi>" in signed_in.get(page).content
