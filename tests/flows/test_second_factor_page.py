"""The second half of a sign-in on a page: the factor that one has, or the first one that one sets up."""

import re
from base64 import b32decode, b64decode
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.db import close_old_connections, connections
from django.utils import timezone

from accounts.budget import SECOND_FACTOR_PERSON, SECOND_FACTOR_PERSON_SLOWLY
from accounts.models import Membership, Session, SignInChallenge, TotpSecret, User
from accounts.selectors.factors import factors_of
from accounts.services.challenges import CHALLENGE_LIFETIME
from accounts.services.second_factors import begin_totp, confirm_totp, make_recovery_codes, remove_totp
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.pages import FORM, NEXT, Elements, post, whose
from tests.proofs import clear_details
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tests.second_factors import add_passkey, codes_of, fitting, give_totp, wrong

PAGE = "/sign-in/second-factor"
SET_UP = "/sign-in/set-up-second-factor"
AGO = timedelta(minutes=5)


@pytest.fixture
def seed(ana: User, now: datetime) -> bytes:
    """Of ana's authenticator app."""
    return give_totp(ana, now - AGO)


@pytest.fixture
def demanding(realm: Realm) -> Realm:
    """The default realm, which asks everybody for a second factor."""
    Realm.objects.filter(pk=realm.pk).update(require_second_factor=True)
    realm.refresh_from_db()
    return realm


def send(browser: Browser, page: str = PAGE, **fields: str) -> Any:
    return browser.post(page, urlencode(fields), FORM)


def enter(browser: Browser, seed: bytes, **fields: str) -> Any:
    return send(browser, code=fitting(seed, timezone.now()), **fields)


def begun(browser: Browser, **fields: str) -> tuple[str, bytes]:
    """The enrolment and the seed on the set-up page."""
    page = browser.get(f"{SET_UP}?{urlencode(fields)}").content
    text = re.search(rb'id="totp-key"[^>]*>([A-Z2-7 ]+)<', page)
    assert text
    enrolment = Elements(page).one(name="enrolment")["value"]
    assert enrolment
    return enrolment, b32decode(text[1].replace(b" ", b""))


class TestProving:
    @pytest.mark.spec("RFC 8176 §2")
    def test_a_password_alone_signs_nobody_in_who_has_a_second_factor(self, browser: Browser, seed: bytes) -> None:
        half = post(browser, next=NEXT)
        assert (half.status_code, half["Location"]) == (303, f"{PAGE}?{urlencode({'next': NEXT})}")
        assert whose(browser) == ""
        assert not Session.objects.exists()
        whole = enter(browser, seed, next=NEXT)
        assert (whole.status_code, whole["Location"]) == (303, NEXT)
        assert whose(browser) == "ana"
        session = Session.objects.get()
        assert session.methods == ["pwd", "otp", "mfa"]
        assert session.auth_time == SignInChallenge.objects.get().proved_at

    def test_each_half_leaves_its_event_and_the_whole_alone_succeeded(
        self, browser: Browser, ana: User, seed: bytes
    ) -> None:
        post(browser)
        send(browser, code=wrong(seed, timezone.now()))
        named = Event.objects.filter(name__startswith="sign_in.").order_by("pk")
        assert [event.name for event in named] == [EventName.SIGN_IN_BEGUN]
        enter(browser, seed)
        assert [event.name for event in named.all()] == [EventName.SIGN_IN_BEGUN, EventName.SIGN_IN_SUCCEEDED]
        assert clear_details(named.last()) == {"methods": "pwd otp mfa"}
        refused = Event.objects.get(name=EventName.FACTOR_REFUSED)
        assert (refused.realm, refused.target) == ("default", ana.subject)

    @pytest.mark.parametrize("field", ["code", "recovery_code"])
    def test_a_recovery_code_stands_in_for_the_app_in_either_field(
        self, field: str, browser: Browser, ana: User, now: datetime
    ) -> None:
        codes = codes_of(ana, now - AGO)
        post(browser)
        assert send(browser, **{field: codes[0].lower()})["Location"] == "/signed-in"
        assert whose(browser) == "ana"
        browser.cookies.clear()
        post(browser)
        again = send(browser, **{field: codes[0]})
        assert again.status_code == 422
        assert whose(browser) == ""

    def test_the_page_works_without_a_script_and_for_everybody(
        self, browser: Browser, ana: User, now: datetime
    ) -> None:
        codes_of(ana, now - AGO)
        answer = browser.get(post(browser, next=NEXT)["Location"])
        page = Elements(answer.content)
        code, recovery = page.one(id="code"), page.one(id="recovery_code")
        assert (code["name"], code["autocomplete"], code["inputmode"]) == ("code", "one-time-code", "numeric")
        assert recovery["name"] == "recovery_code"
        assert page.one(id="second-factor-submit")["type"] == "submit"
        assert {"code", "recovery_code"} == {label["for"] for tag, label in page.found if tag == "label"}
        assert page.one(id="sign-in-link")["href"] == f"/sign-in?{urlencode({'next': NEXT})}"
        assert [field["value"] for field in page.all(name="next")] == [NEXT, NEXT]
        assert "open" not in page.one(id="recovery")
        assert not {tag for tag, _have in page.found} & {"script", "style"}
        assert answer["Cache-Control"] == "no-store"
        assert "form-action" not in answer["Content-Security-Policy"]

    def test_a_wrong_code_says_so_beside_its_field_and_can_be_tried_again(
        self, browser: Browser, ana: User, now: datetime
    ) -> None:
        codes_of(ana, now - AGO)
        post(browser)
        answer = send(browser, recovery_code="0000-0000-0000-0000", next=NEXT)
        assert "Try another one." in answer.text  # none comes by itself, as an app's next one does
        page = Elements(answer.content)
        assert answer.status_code == 422
        assert page.one(id="second-factor-error")["role"] == "alert"
        assert page.one(id="recovery_code")["aria-describedby"] == "recovery-hint second-factor-error"
        assert "open" in page.one(id="recovery")
        assert "aria-invalid" not in page.one(id="code")
        assert b"0000-0000" not in answer.content
        assert answer.content.startswith(b"<!doctype html>")
        assert b"<title>Error:" in answer.content

    @pytest.mark.parametrize("code", ["", "  ", "hello", "１２３４５６", "1" * 5_000])
    def test_what_is_no_code_costs_nothing(self, code: str, browser: Browser, seed: bytes) -> None:
        post(browser)
        for _ in range(SECOND_FACTOR_PERSON.burst + 1):
            assert send(browser, code=code).status_code == 422
        assert enter(browser, seed).status_code == 303

    @pytest.mark.parametrize("body", ["code=1&code=2", "code=1&next=a&next=b"])
    def test_a_repeated_field_is_malformed(self, body: str, browser: Browser, seed: bytes) -> None:
        post(browser)
        assert browser.post(PAGE, body, FORM).status_code == 400
        assert browser.get(f"{PAGE}?next=a&next=b").status_code == 400

    @pytest.mark.spec("RFC 4226 §7.3")
    def test_guesses_meet_the_limit_and_are_told_when_to_come_back(self, browser: Browser, seed: bytes) -> None:
        post(browser)
        for _ in range(SECOND_FACTOR_PERSON.burst):
            assert send(browser, code=wrong(seed, timezone.now())).status_code == 422
        refusal = enter(browser, seed)
        assert refusal.status_code == 429
        assert 1 <= int(refusal["Retry-After"]) <= 60
        assert b"There were too many attempts." in refusal.content
        browser.cookies.clear()
        post(browser)  # a new challenge brings no new guesses
        assert enter(browser, seed).status_code == 429
        with time_machine.travel(timezone.now() + timedelta(seconds=61)):
            assert enter(browser, seed).status_code == 303

    def test_who_has_to_wait_for_long_is_told_in_minutes(self, browser: Browser, ana: User, seed: bytes) -> None:
        begin = timezone.now()
        for minute in range(SECOND_FACTOR_PERSON_SLOWLY.burst + 1):
            with time_machine.travel(begin + timedelta(minutes=minute), tick=False):
                if minute % 8 == 0:
                    browser.cookies.clear()
                    post(browser)
                refusal = send(browser, code=wrong(seed, timezone.now()))
        assert refusal.status_code == 429
        assert int(refusal["Retry-After"]) > 60
        assert re.search(rb"Try again in \d+ minutes", refusal.content)

    def test_a_seed_that_can_not_be_opened_now_is_no_ones_fault(self, browser: Browser, seed: bytes) -> None:
        post(browser)
        TotpSecret.objects.update(secret=b"broken")
        answer = send(browser, code="123456")
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert b"Not available" in answer.content

    def test_a_person_without_an_app_sees_the_field_for_recovery_codes_alone(
        self, browser: Browser, ana: User, seed: bytes, now: datetime
    ) -> None:
        make_recovery_codes(person=ana, actor="x", now=now)
        add_passkey(ana, now)
        remove_totp(person=ana, actor="x", now=now)
        page = Elements(browser.get(post(browser)["Location"]).content)
        assert not page.all(id="second-factor-form")
        assert "open" in page.one(id="recovery")


class TestTheHalf:
    """What a browser holds between the two parts."""

    @pytest.mark.parametrize("page", [PAGE, SET_UP])
    def test_whoever_proved_nothing_comes_to_the_sign_in(self, page: str, browser: Browser, seed: bytes) -> None:
        assert browser.get(f"{page}?{urlencode({'next': NEXT})}")["Location"] == f"/sign-in?{urlencode({'next': NEXT})}"
        assert enter(browser, seed)["Location"] == "/sign-in"
        assert send(browser, SET_UP, code="123456")["Location"] == "/sign-in"
        assert not Event.objects.filter(name=EventName.FACTOR_REFUSED).exists()

    def test_it_ends_after_minutes(self, browser: Browser, seed: bytes) -> None:
        post(browser)
        with time_machine.travel(timezone.now() + CHALLENGE_LIFETIME + timedelta(seconds=1)):
            assert enter(browser, seed, next=NEXT)["Location"] == f"/sign-in?{urlencode({'next': NEXT})}"
        assert not Session.objects.exists()

    def test_it_counts_in_its_realm_alone(self, browser: Browser, ana: User, seed: bytes) -> None:
        other = make_realm("other", purposes=())
        Membership.objects.create(user=ana, realm=other, roles=[], created_at=timezone.now())
        post(browser)
        assert browser.get(f"/realms/other{PAGE}")["Location"] == "/realms/other/sign-in"

    def test_it_ends_with_another_password_with_the_membership_and_with_the_person(
        self, browser: Browser, ana: User, seed: bytes
    ) -> None:
        def over() -> bool:
            return bool(enter(browser, seed)["Location"] == "/sign-in")

        post(browser)
        ana.set_password(PASSWORD)
        ana.save()
        assert over()
        post(browser)
        User.objects.update(is_active=False)
        assert over()
        User.objects.update(is_active=True)
        post(browser)
        Membership.objects.all().delete()
        assert over()
        assert not Session.objects.exists()

    def test_a_factor_that_an_operator_took_away_meanwhile_is_not_asked_for(
        self, browser: Browser, ana: User, seed: bytes, now: datetime
    ) -> None:
        post(browser, next=NEXT)
        remove_totp(person=ana, actor="operator:x", now=now)
        onward = urlencode({"next": NEXT})
        assert browser.get(f"{PAGE}?{onward}")["Location"] == f"{SET_UP}?{onward}"
        assert browser.get(f"{SET_UP}?{onward}")["Location"] == f"/sign-in?{onward}"
        assert post(browser)["Location"] == "/signed-in"

    @pytest.mark.spec("RFC 9700 §4.7, session fixation")
    def test_the_cookie_changes_with_each_part(self, browser: Browser, seed: bytes) -> None:
        browser.get("/sign-in")
        post(browser)
        half = browser.cookies["sessionid"].value
        enter(browser, seed)
        assert browser.cookies["sessionid"].value != half
        assert "signet.challenges" not in browser.session.keys()  # noqa: SIM118  (Django's, which can't be iterated)

    def test_a_form_of_another_site_proves_nothing(self, seed: bytes) -> None:
        strict = Browser(enforce_csrf_checks=True, raise_request_exception=False)
        page = strict.get("/sign-in").content
        token = Elements(page).first(name="csrfmiddlewaretoken")["value"] or ""
        fields = {"username": "ana", "password": PASSWORD, "csrfmiddlewaretoken": token}
        strict.post("/sign-in", urlencode(fields), FORM, headers={"referer": "https://testserver/sign-in"})
        assert enter(strict, seed).status_code == 403
        assert not Session.objects.exists()

    @pytest.mark.parametrize(
        "target", ["https://evil.example", "//evil.example", "/realms/other/authorize?x", "/sign-in"]
    )
    def test_it_leads_nowhere_else(self, target: str, browser: Browser, seed: bytes) -> None:
        post(browser)
        assert enter(browser, seed, next=target)["Location"] == "/signed-in"

    @pytest.mark.django_db(transaction=True)
    def test_of_twenty_at_once_exactly_one_completes_it(self, browser: Browser, ana: User, now: datetime) -> None:
        codes = codes_of(ana, now - AGO)
        post(browser)
        cookies = browser.cookies["sessionid"].value

        def use(number: int) -> str:
            close_old_connections()
            each = Browser(raise_request_exception=False, REMOTE_ADDR=f"192.0.2.{number}")
            each.cookies["sessionid"] = cookies
            try:
                return str(send(each, code=codes[number % 10]).headers.get("Location", ""))
            finally:
                connections.close_all()

        with ThreadPoolExecutor(20) as pool:
            led = list(pool.map(use, range(20)))
        assert led.count("/signed-in") == 1
        assert Session.objects.count() == 1
        assert Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).count() == 1


class TestSteppingUp:
    """Somebody is signed in without the second factor, since they set it up later."""

    @pytest.mark.spec("RFC 9470 §3")
    def test_a_session_becomes_a_surer_one_of_the_same_sign_in(
        self, browser: Browser, ana: User, now: datetime
    ) -> None:
        post(browser)
        before = Session.objects.get()
        seed = give_totp(ana, now - AGO)
        page = browser.get(f"{PAGE}?{urlencode({'next': NEXT})}")
        assert b"You are signed in as" in page.content
        assert enter(browser, seed, next=NEXT)["Location"] == NEXT
        after = Session.objects.exclude(pk=before.pk).get()
        assert (after.methods, after.auth_time) == (["pwd", "otp", "mfa"], before.auth_time)
        assert after.lineage == before.sid
        before.refresh_from_db()
        assert before.ended_at is None  # what clients know of it goes on
        assert Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).count() == 1

    def test_a_wrong_code_leaves_the_session_as_it_was(self, browser: Browser, ana: User, now: datetime) -> None:
        post(browser)
        seed = give_totp(ana, now - AGO)
        assert send(browser, code=wrong(seed, now)).status_code == 422
        assert Session.objects.get().methods == ["pwd"]

    def test_a_session_that_has_ended_is_not_stepped_up(self, browser: Browser, ana: User, now: datetime) -> None:
        post(browser)
        seed = give_totp(ana, now - AGO)
        Session.objects.update(ended_at=now, end_reason="operator")
        assert enter(browser, seed)["Location"] == "/sign-in"
        assert Session.objects.count() == 1


class TestSettingUp:
    @pytest.mark.spec("RFC 6238 §5.1, design: a realm may demand a second factor")
    def test_where_the_realm_demands_one_the_first_is_set_up_at_the_sign_in(
        self, browser: Browser, demanding: Realm, ana: User
    ) -> None:
        half = post(browser, next=NEXT)
        assert half["Location"] == f"{SET_UP}?{urlencode({'next': NEXT})}"
        enrolment, seed = begun(browser, next=NEXT)
        code = fitting(seed, timezone.now())
        answer = send(browser, SET_UP, enrolment=enrolment, code=code, next=NEXT)
        assert answer.status_code == 200
        codes = re.findall(rb"<code>([0-9A-Z-]{19})</code>", answer.content)
        assert len(set(codes)) == 10
        assert Elements(answer.content).one(id="recovery-codes-kept")["href"] == NEXT
        assert whose(browser) == "ana"
        assert Session.objects.get().methods == ["pwd", "otp", "mfa"]
        assert Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).count() == 1
        browser.cookies.clear()
        assert post(browser)["Location"] == PAGE
        assert send(browser, code=code).status_code == 422  # the code that confirmed the app
        assert send(browser, code=codes[0].decode())["Location"] == "/signed-in"

    def test_the_key_is_a_picture_in_the_page_and_a_text_and_in_no_address(
        self, browser: Browser, demanding: Realm, ana: User
    ) -> None:
        answer = browser.get(post(browser)["Location"])
        page = Elements(answer.content)
        source = page.one(id="qr-code")["src"] or ""
        assert b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
        policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
        assert policy["img-src"] == "'self' data:"
        assert policy["script-src"] == policy["form-action"] == "'self'"
        assert answer["Cache-Control"] == "no-store"
        assert page.one(id="code")["autocomplete"] == "one-time-code"
        key = re.search(rb'id="totp-key"[^>]*>([A-Z2-7 ]+)<', answer.content)
        assert key
        for _tag, have in page.found:
            addresses = f"{have.get('href')} {have.get('action')}"
            assert key[1].replace(b" ", b"").decode() not in addresses
        assert "data:" not in browser.get("/sign-in")["Content-Security-Policy"]

    def test_a_wrong_code_leaves_the_same_key(self, browser: Browser, demanding: Realm, ana: User) -> None:
        post(browser)
        enrolment, seed = begun(browser)
        answer = send(browser, SET_UP, enrolment=enrolment, code=wrong(seed, timezone.now()))
        page = Elements(answer.content)
        assert answer.status_code == 422
        assert page.one(name="enrolment")["value"] == enrolment
        assert page.one(id="code")["aria-describedby"] == "code-error"
        assert send(browser, SET_UP, enrolment=enrolment, code=fitting(seed, timezone.now())).status_code == 200

    @pytest.mark.parametrize("enrolment", ["", "x", "\0", "00000000-0000-0000-0000-000000000000", "9" * 5_000])
    def test_an_enrolment_that_is_none_brings_another_key(
        self, enrolment: str, browser: Browser, demanding: Realm, ana: User
    ) -> None:
        post(browser)
        _enrolment, seed = begun(browser)
        answer = send(browser, SET_UP, enrolment=enrolment, code=fitting(seed, timezone.now()))
        assert answer.status_code == 422
        assert Elements(answer.content).one(id="set-up-error")
        assert not factors_of(ana).any

    def test_whoever_shared_the_password_before_knows_nothing_of_the_key(
        self, browser: Browser, demanding: Realm, ana: User
    ) -> None:
        thief = Browser(raise_request_exception=False)
        post(thief)
        stolen, known = begun(thief)
        post(browser)
        enrolment, seed = begun(browser)
        assert seed != known
        assert send(thief, SET_UP, enrolment=stolen, code=fitting(known, timezone.now())).status_code == 422
        begun(browser)
        send(browser, SET_UP, code=fitting(seed, timezone.now()), enrolment=enrolment)
        enrolment, seed = begun(browser)
        assert send(browser, SET_UP, enrolment=enrolment, code=fitting(seed, timezone.now())).status_code == 200
        assert thief.get(SET_UP)["Location"] == PAGE
        assert send(thief, SET_UP, enrolment=stolen, code=fitting(known, timezone.now()))["Location"] == PAGE

    def test_whoever_has_a_factor_does_not_replace_it_here(
        self, browser: Browser, demanding: Realm, ana: User, seed: bytes
    ) -> None:
        post(browser)
        assert browser.get(f"{SET_UP}?{urlencode({'next': NEXT})}")["Location"] == f"{PAGE}?{urlencode({'next': NEXT})}"
        row = TotpSecret.objects.get()
        answer = send(browser, SET_UP, enrolment=str(row.pk), code=fitting(seed, timezone.now()))
        assert answer["Location"] == PAGE
        assert TotpSecret.objects.get() == row
        assert not Session.objects.exists()

    def test_one_that_came_about_meanwhile_is_asked_for(self, browser: Browser, demanding: Realm, ana: User) -> None:
        post(browser)
        enrolment, seed = begun(browser)
        now = timezone.now()
        other = begin_totp(person=ana, now=now)
        confirm_totp(person=ana, enrolment=other.id, typed=fitting(other.seed, now), actor="x", now=now)
        assert send(browser, SET_UP, enrolment=enrolment, code=fitting(seed, now))["Location"] == PAGE
        assert not Session.objects.exists()

    def test_half_finished_it_counts_for_nothing_and_begins_anew(
        self, browser: Browser, demanding: Realm, ana: User
    ) -> None:
        post(browser)
        _enrolment, seed = begun(browser)
        browser.cookies.clear()
        assert post(browser)["Location"] == SET_UP
        assert begun(browser)[1] != seed
        assert TotpSecret.objects.get().confirmed_at is None
        assert whose(browser) == ""

    def test_somebody_signed_in_may_set_one_up_and_has_a_surer_session_then(self, browser: Browser, ana: User) -> None:
        post(browser)
        before = Session.objects.get()
        enrolment, seed = begun(browser, next=NEXT)
        answer = send(browser, SET_UP, enrolment=enrolment, code=fitting(seed, timezone.now()), next=NEXT)
        assert Elements(answer.content).one(id="recovery-codes-kept")["href"] == NEXT
        after = Session.objects.exclude(pk=before.pk).get()
        assert (after.methods, after.lineage) == (["pwd", "otp", "mfa"], before.sid)
        assert browser.get(f"{SET_UP}?{urlencode({'next': NEXT})}")["Location"] == NEXT

    @pytest.mark.spec("NIST SP 800-63B §7.2")
    def test_a_browser_left_behind_sets_nothing_up(self, browser: Browser, ana: User) -> None:
        post(browser)
        enrolment, seed = begun(browser, next=NEXT)
        with time_machine.travel(timezone.now() + timedelta(minutes=11)):
            code = fitting(seed, timezone.now())
            answer = send(browser, SET_UP, enrolment=enrolment, code=code, next=NEXT)
            assert answer["Location"].startswith("/sign-in?")
            assert not factors_of(ana).any
            led = post(browser, next=f"{SET_UP}?{urlencode({'next': NEXT})}")["Location"]
            assert led == f"{SET_UP}?{urlencode({'next': NEXT})}"
            assert browser.get(led).status_code == 200


def test_another_realms_pages_are_its_own(browser: Browser, realm: Realm) -> None:
    other = make_realm("other", purposes=())
    Realm.objects.filter(pk=other.pk).update(require_second_factor=True)
    make_person("bea", realm=other)
    led = post(browser, "/realms/other/sign-in", username="bea")["Location"]
    assert led == f"/realms/other{SET_UP}"
    assert Elements(browser.get(led).content).one(id="set-up-form")["action"] == led
