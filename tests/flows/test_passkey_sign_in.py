"""Signing in with a passkey alone: from the button to the session, and whoever gets none."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.conf import LazySettings
from django.contrib.sessions.models import Session as CookieSession
from django.db import close_old_connections, connections
from django.utils import timezone

from accounts.budget import ADDRESS, PASSKEY_ADDRESS
from accounts.models import Membership, Passkey, Session, User
from accounts.services.personal import open_personal
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.accounts.authenticator import UP, UV, Authenticator, enrol
from tests.pages import FORM, NEXT, PAGE, Elements, whose
from tests.provider import Browser, make_person, make_realm

ANSWER, OPTIONS = "/sign-in/passkey", "/sign-in/passkey/options"
REFUSED = b"The passkey was not accepted."
pytestmark = pytest.mark.spec("Web Authentication Level 3 §7.2")


@pytest.fixture
def device(ana: User) -> Authenticator:
    """Ana's."""
    made = Authenticator()
    enrol(made, ana)
    return made


def asked(browser: Browser, base: str = "") -> dict[str, Any]:
    answer = browser.post(f"{base}{OPTIONS}", "a=b", FORM)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    options: dict[str, Any] = answer.json()
    return options


def send(browser: Browser, credential: object, *, base: str = "", following: str = "") -> Any:
    query = f"?{urlencode({'next': following})}" if following else ""
    text = credential if isinstance(credential, str) else json.dumps(credential)
    return browser.post(f"{base}{ANSWER}{query}", urlencode({"credential": text}), FORM)


def sign_in(browser: Browser, device: Authenticator, **more: Any) -> Any:
    return send(browser, device.use(asked(browser, more.get("base", ""))), **more)


def faults() -> list[str]:
    return [event.details["fault"] for event in Event.objects.filter(name=EventName.SIGN_IN_REFUSED).order_by("pk")]


def refused(answer: Any, fault: str) -> None:
    """The sign-in page again, in the one sentence; the audit knows why."""
    assert (answer.status_code, faults()) == (422, [fault])
    assert REFUSED in answer.content
    assert Elements(answer.content).one(id="login-form")
    assert "form-action" not in answer["Content-Security-Policy"]  # the way on may lead to a client
    assert not Session.objects.exists()


class TestThePage:
    def test_the_button_is_hidden_until_a_script_shows_it(self, browser: Browser, realm: Realm) -> None:
        page = Elements(browser.get(f"{PAGE}?{urlencode({'next': NEXT, 'ui_locales': 'en'})}").content)
        form = page.one(id="passkey-sign-in-form")
        assert "hidden" in form
        assert form["action"] == f"{ANSWER}?{urlencode({'next': NEXT, 'ui_locales': 'en'})}"
        assert form["data-options"] == f"{OPTIONS}?ui_locales=en"
        assert page.one(id="passkey-sign-in")["type"] == "submit"

    def test_what_a_client_demands_of_the_sign_in_outlives_a_refusal(self, browser: Browser, realm: Realm) -> None:
        page = Elements(browser.get(f"{PAGE}?prompt=login&max_age=60").content)
        assert [have["value"] for have in page.all(name="max_age")] == ["60"] * 2
        answer = browser.post(ANSWER, "credential=x&prompt=login&max_age=60", FORM)
        assert answer.status_code == 422
        assert {have["value"] for have in Elements(answer.content).all(name="prompt")} == {"login"}

    def test_it_isnt_there_where_browsers_make_no_passkeys(
        self, browser: Browser, realm: Realm, settings: LazySettings
    ) -> None:
        settings.IDP_ISSUER = "http://127.0.0.1:8000"
        page = Elements(browser.get(PAGE).content)
        assert not page.all(id="passkey-sign-in")
        assert not [tag for tag, _have in page.found if tag == "script"]
        assert browser.post(OPTIONS, "a=b", FORM).status_code == 403
        assert send(browser, "{}").status_code == 404

    def test_whoever_reloads_comes_back_to_the_sign_in_page(self, browser: Browser, realm: Realm) -> None:
        answer = browser.get(ANSWER)
        assert (answer.status_code, answer["Location"]) == (303, PAGE)

    def test_no_cookie_session_is_made_before_somebody_presses_the_button(self, browser: Browser, realm: Realm) -> None:
        browser.get(PAGE)
        assert not CookieSession.objects.exists()


def test_a_passkey_signs_in_and_leads_on(browser: Browser, device: Authenticator, ana: User) -> None:
    answer = sign_in(browser, device, following=NEXT)
    assert (answer.status_code, answer["Location"]) == (303, NEXT)
    assert whose(browser) == "ana"
    session = Session.objects.get()
    assert (session.user, session.methods) == (ana, ["pop", "user", "mfa"])
    passkey = Passkey.objects.get()
    assert passkey.sign_count == device.sign_count == 1
    assert passkey.last_used_at == session.auth_time
    [event] = Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED)
    assert (event.target, event.details["methods"]) == (ana.subject, "pop user mfa")
    assert open_personal(event) == {"address": "127.0.0.1"}
    assert b", by passkey<" in browser.get("/account/sessions").content


def test_it_leads_nowhere_but_to_a_page_of_ours(browser: Browser, device: Authenticator) -> None:
    assert sign_in(browser, device, following="https://evil.example/")["Location"] == "/signed-in"


def test_it_is_enough_where_the_realm_demands_a_second_factor(
    browser: Browser, device: Authenticator, realm: Realm
) -> None:
    Realm.objects.update(require_second_factor=True)
    assert sign_in(browser, device)["Location"] == "/signed-in"


@pytest.mark.spec("Web Authentication Level 3 §6.1.1")
class TestTheCounter:
    def test_one_that_goes_on_is_taken(self, browser: Browser, device: Authenticator) -> None:
        device.counts = 7
        assert [sign_in(browser, device).status_code for _ in range(3)] == [303] * 3
        assert Passkey.objects.get().sign_count == 21

    def test_one_that_never_counts_is_taken(self, browser: Browser, device: Authenticator) -> None:
        device.counts = 0
        assert [sign_in(browser, device).status_code for _ in range(3)] == [303] * 3

    @pytest.mark.parametrize("now_at", [0, 4, 5])
    def test_one_that_goes_back_or_stands_still_is_refused(
        self, now_at: int, browser: Browser, device: Authenticator, ana: User
    ) -> None:
        Passkey.objects.update(sign_count=5)
        device.counts, device.sign_count = 0, now_at
        refused(sign_in(browser, device), "counter_went_back")
        [event] = Event.objects.filter(name=EventName.PASSKEY_COUNTER_WENT_BACK)
        passkey = Passkey.objects.get()
        assert (event.target, event.details) == (ana.subject, {"passkey": str(passkey.pk)})
        assert (passkey.sign_count, passkey.last_used_at) == (5, None)


class TestWhoGetsNoSession:
    def test_a_passkey_that_nobody_has(self, browser: Browser, device: Authenticator) -> None:
        refused(sign_in(browser, Authenticator(user_handle=device.user_handle)), "unknown_passkey")

    def test_a_disabled_person(self, browser: Browser, device: Authenticator) -> None:
        User.objects.update(is_active=False)
        refused(sign_in(browser, device), "disabled")

    def test_somebody_who_is_no_member_of_the_realm(self, browser: Browser, device: Authenticator) -> None:
        make_realm("other", purposes=())
        refused(sign_in(browser, device, base="/realms/other"), "not_a_member")

    def test_somebody_who_says_they_are_another(self, browser: Browser, device: Authenticator, realm: Realm) -> None:
        device.user_handle = make_person("bea", realm=realm).subject.encode()
        refused(sign_in(browser, device), "wrong_passkey")

    def test_a_device_that_did_not_ask_who_holds_it(self, browser: Browser, device: Authenticator) -> None:
        device.flags = UP
        refused(sign_in(browser, device), "wrong_passkey")
        [event] = Event.objects.filter(name=EventName.SIGN_IN_REFUSED)
        assert "User verification" in event.details["detail"]

    def test_a_device_that_nobody_touched(self, browser: Browser, device: Authenticator) -> None:
        device.flags = UV
        refused(sign_in(browser, device), "wrong_passkey")

    @pytest.mark.parametrize("text", ["", "{}", "[]", "\x00", "x" * 20_000, '{"id":{"$ne":1}}'])
    def test_garbage(self, text: str, browser: Browser, device: Authenticator) -> None:
        asked(browser)
        if "\x00" in text:  # no text of any form holds it here
            assert send(browser, text).status_code == 422
        else:
            refused(send(browser, text), "malformed_passkey")

    def test_whoever_comes_to_its_address_by_hand_keeps_their_way(self, browser: Browser, realm: Realm) -> None:
        assert browser.get(ANSWER)["Location"] == "/sign-in"
        assert browser.get(f"{ANSWER}?next=%2Faccount")["Location"] == "/sign-in?next=%2Faccount"
        assert browser.get(f"{ANSWER}?next=%2F%2Fevil.example")["Location"] == "/sign-in"
        assert browser.get(f"{ANSWER}?next=%2Faccount&next=%2Faccount").status_code == 400

    def test_a_field_that_is_repeated(self, browser: Browser, realm: Realm) -> None:
        assert browser.post(ANSWER, "credential=a&credential=b", FORM).status_code == 400
        assert browser.post(f"{ANSWER}?next=a&next=b", "credential=a", FORM).status_code == 400


@pytest.mark.spec("Web Authentication Level 3 §13.4.3")
class TestTheChallenge:
    def test_nobody_answers_without_one(self, browser: Browser, device: Authenticator) -> None:
        answer = device.use(asked(Browser()))
        refused(send(browser, answer), "challenge_over")

    def test_an_answer_to_another_browsers_is_none(self, browser: Browser, device: Authenticator) -> None:
        asked(browser)
        refused(send(browser, device.use(asked(Browser()))), "wrong_passkey")

    def test_an_answer_counts_once(self, browser: Browser, device: Authenticator) -> None:
        device.counts = 0
        answer = device.use(asked(browser))
        assert send(browser, answer).status_code == 303
        assert send(browser, answer).status_code == 422
        assert faults() == ["challenge_over"]

    def test_a_wrong_answer_spends_it_too(self, browser: Browser, device: Authenticator) -> None:
        options = asked(browser)
        refused(send(browser, "{}"), "malformed_passkey")
        assert send(browser, device.use(options)).status_code == 422
        assert faults()[1:] == ["challenge_over"]

    @pytest.mark.parametrize(("after", "status"), [(299, 303), (300, 422)])
    def test_it_ends_after_five_minutes(self, after: int, status: int, browser: Browser, device: Authenticator) -> None:
        start = timezone.now()
        with time_machine.travel(start, tick=False) as clock:
            options = asked(browser)
            clock.move_to(start + timedelta(seconds=after))
            assert send(browser, device.use(options)).status_code == status

    def test_another_realms_is_none(self, browser: Browser, device: Authenticator, ana: User) -> None:
        other = make_realm("other", purposes=())
        Membership.objects.create(user=ana, realm=other, created_at=ana.created_at)
        refused(send(browser, device.use(asked(browser)), base="/realms/other"), "challenge_over")

    def test_a_copy_of_the_cookie_sessions_row_does_not_bring_it_back(
        self, browser: Browser, device: Authenticator
    ) -> None:
        device.counts = 0
        answer = device.use(asked(browser))
        row = CookieSession.objects.get()
        assert send(browser, answer).status_code == 303
        row.save()
        other = Browser()
        other.cookies["sessionid"] = row.session_key
        assert send(other, answer).status_code == 422
        assert whose(other) == ""


def _at_once(posts: int, post: Callable[[int], int]) -> list[int]:
    def run(number: int) -> int:
        close_old_connections()
        try:
            return post(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(posts) as pool:
        return sorted(pool.map(run, range(posts)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("counts", [0, 1])
@pytest.mark.spec("Web Authentication Level 3 §13.4.3")
def test_of_several_posts_at_once_one_gets_in(counts: int) -> None:
    ana = make_person(realm=make_realm(purposes=()))
    device = Authenticator(counts=counts)
    enrol(device, ana)
    first = Browser()
    answer = device.use(asked(first))

    def post(_: int) -> int:
        tab = Browser()
        tab.cookies["sessionid"] = first.cookies["sessionid"].value
        status: int = send(tab, answer).status_code
        return status

    assert _at_once(6, post) == [303] + [422] * 5
    assert Session.objects.count() == 1


@pytest.mark.spec("RFC 9700 §4.7, session fixation")
def test_a_planted_cookie_is_worth_nothing_after_the_sign_in(browser: Browser, device: Authenticator) -> None:
    attacker = Browser()
    asked(attacker)
    planted = attacker.cookies["sessionid"].value
    browser.cookies["sessionid"] = planted
    assert sign_in(browser, device).status_code == 303
    assert browser.cookies["sessionid"].value != planted
    assert (whose(browser), whose(attacker)) == ("ana", "")


@pytest.mark.spec("RFC 9700 §4.7, CSRF")
def test_another_sites_form_signs_nobody_in(device: Authenticator) -> None:
    strict = Browser(enforce_csrf_checks=True)
    assert strict.post(OPTIONS, "a=b", FORM).status_code == 403
    assert send(strict, "{}").status_code == 403


@pytest.mark.spec("issue: limits are shared by the workers")
class TestLimits:
    def test_wrong_answers_of_an_address_come_to_an_end(self, browser: Browser, device: Authenticator) -> None:
        with time_machine.travel(timezone.now(), tick=False):
            for _ in range(ADDRESS.burst):
                assert send(browser, "{}").status_code == 422
            answer = sign_in(browser, device)
        assert (answer.status_code, answer["Retry-After"]) == (429, "6")
        assert b"There were too many attempts. Try again in 6 seconds." in answer.content
        [event] = Event.objects.filter(name=EventName.SIGN_IN_LIMITED)
        assert event.details == {"limit": "address"}

    def test_a_right_answer_costs_nothing(self, browser: Browser, device: Authenticator) -> None:
        with time_machine.travel(timezone.now(), tick=False):
            assert {sign_in(browser, device).status_code for _ in range(3)} == {303}
            for _ in range(ADDRESS.burst):
                assert send(browser, "{}").status_code == 422

    def test_so_do_challenges(self, browser: Browser, realm: Realm) -> None:
        with time_machine.travel(timezone.now(), tick=False):
            for _ in range(PASSKEY_ADDRESS.burst):
                assert browser.post(OPTIONS, "a=b", FORM).status_code == 200
            answer = browser.post(OPTIONS, "a=b", FORM)
        assert (answer.status_code, answer["Retry-After"]) == (429, "2")


def test_nothing_of_an_answer_is_logged(
    browser: Browser, device: Authenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer = device.use(asked(browser))
    assert send(browser, answer).status_code == 303
    for part in (*answer["response"].values(), answer["id"], device.credential_id.hex()):
        assert str(part) not in caplog.text
