"""The admin asks operators for a second factor, and nothing leads round it."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings, settings
from django.contrib.sessions.models import Session as CookieSession
from django.core.checks import run_checks
from django.db import connection
from django.utils import timezone

from accounts import totp
from accounts.budget import ACCOUNT_AND_ADDRESS, SECOND_FACTOR_PERSON
from accounts.cookie_sessions import SIDS
from accounts.hashers import BoundedArgon2
from accounts.models import AttemptBudget, TotpSecret, User
from accounts.password_validators import NotBreached
from accounts.selectors.factors import seed_of
from accounts.services.factor_reset import reset_factors
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from audit.models import Event
from audit.vocabulary import EventName
from idp_project.operators import proof, site
from tests.accounts.authenticator import Authenticator, enrol
from tests.idp_project.operators.test_role_pages import SITE, TABLE, address_of, names
from tests.pages import Elements, whose
from tests.provider import PASSWORD, Browser, make_person
from tests.second_factors import codes_of, fitting, give_totp, wrong

pytestmark = pytest.mark.spec("issue: the admin itself demands a second factor from operators")
ADMIN, LOGIN, LOGOUT = "/admin/", "/admin/login/", "/admin/logout/"
PAGE, SET_UP = "/admin/second-factor/", "/admin/second-factor/set-up/"


@pytest.fixture(autouse=True)
def demanded(settings: LazySettings) -> None:
    settings.IDP_ADMIN_SECOND_FACTOR = True


@pytest.fixture
def root(db: None) -> User:
    return make_person("root", realm=None, is_staff=True, is_superuser=True)


@pytest.fixture
def seed(root: User, now: datetime) -> bytes:
    """Of the operator's app; the codes up to two minutes ago are spent."""
    return give_totp(root, now - timedelta(minutes=2))


def login(browser: Browser, password: str = PASSWORD, name: str = "root", following: str = "") -> Any:
    return browser.post(LOGIN + (f"?next={following}" if following else ""), {"username": name, "password": password})


def prove(browser: Browser, code: str, page: str = PAGE) -> Any:
    return browser.post(page, {"code": code})


def inside(browser: Browser) -> bool:
    return bool(browser.get(ADMIN).status_code == 200)


@pytest.fixture
def half(root: User, seed: bytes) -> Browser:
    """A browser in which the operator's password alone was proved."""
    browser = Browser(raise_request_exception=False)
    assert login(browser).status_code == 302
    return browser


@pytest.fixture
def whole(half: Browser, seed: bytes, now: datetime) -> Browser:
    """The same, with the second factor."""
    assert prove(half, fitting(seed, now)).status_code == 302
    assert inside(half)
    return half


class TestHalfAnOperator:
    @pytest.mark.parametrize("name", sorted(TABLE))
    def test_sees_no_page(self, name: str, half: Browser, root: User) -> None:
        rows = dict.fromkeys({address.split("_")[1] for address in TABLE} | {"client", "user"}, root)
        address = address_of(name, rows)
        for answer in (half.get(address), half.post(address, {"post": "yes", "reason": "x", "confirmed": "x"})):
            assert answer.status_code == 302
            assert answer["Location"].startswith(PAGE)

    @pytest.mark.parametrize(
        "address",
        [
            "",
            "password_change/",
            "password_change/done/",
            "autocomplete/?app_label=accounts&model_name=session&field_name=user&term=a",
            "jsi18n/",
            "r/1/1/",
            "accounts/",
            "nowhere/",
            "tokens/client/trial/",
            "accounts/user/1/",
        ],
    )
    def test_sees_nothing_of_the_site_either(self, address: str, half: Browser) -> None:
        for answer in (half.get(ADMIN + address), half.post(ADMIN + address)):
            assert answer.status_code == 302
            assert answer["Location"].startswith(PAGE)

    def test_is_led_on_to_where_they_wanted_to_go(self, half: Browser, seed: bytes, now: datetime) -> None:
        wanted = "/admin/accounts/user/?q=ana"
        page = half.get(wanted)["Location"]
        assert prove(half, fitting(seed, now), page)["Location"] == wanted

    @pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/account", LOGOUT, "/admin"])
    def test_is_led_nowhere_else(self, elsewhere: str, half: Browser, seed: bytes, now: datetime) -> None:
        assert prove(half, fitting(seed, now), f"{PAGE}?next={elsewhere}")["Location"] == ADMIN

    def test_may_sign_out(self, half: Browser) -> None:
        assert half.post(LOGOUT).status_code == 200
        assert half.get(PAGE)["Location"].startswith(LOGIN)

    def test_comes_from_the_login_page_to_the_next_one(self, half: Browser) -> None:
        assert half.get(LOGIN)["Location"].startswith(PAGE)

    def test_is_told_to_no_template_as_somebody_who_may(self, half: Browser, seed: bytes, now: datetime) -> None:
        assert half.get(PAGE).context["has_permission"] is False
        prove(half, fitting(seed, now))
        assert half.get(ADMIN).context["has_permission"] is True

    def test_can_set_up_no_further_factor(self, half: Browser, root: User) -> None:
        for answer in (half.get(SET_UP), half.post(SET_UP), half.post(SET_UP, {"enrolment": "x", "code": "1"})):
            assert answer["Location"].startswith(PAGE)
        assert TotpSecret.objects.filter(user=root).count() == 1

    def test_page_is_kept_by_nobody_and_posted_from_here_alone(self, half: Browser) -> None:
        assert "no-store" in half.get(PAGE)["Cache-Control"]
        strict = Browser(enforce_csrf_checks=True)
        strict.cookies = half.cookies
        assert strict.post(PAGE, {"code": "1"}).status_code == 403
        assert half.put(PAGE).status_code == 405


class TestACode:
    def test_opens_the_admin_and_leaves_an_event(self, whole: Browser, root: User) -> None:
        events = list(Event.objects.filter(target=root.subject, realm="").order_by("pk").values_list("name", flat=True))
        assert events[-2:] == [EventName.SIGN_IN_BEGUN, EventName.SIGN_IN_SUCCEEDED]

    def test_of_recovery_opens_it_once(self, root: User, now: datetime) -> None:
        code = codes_of(root, now - timedelta(minutes=2))[0]
        first, second = Browser(), Browser()
        for browser in (first, second):
            login(browser)
        assert prove(first, code).status_code == 302
        assert prove(second, code).status_code == 422
        assert (inside(first), inside(second)) == (True, False)

    def test_that_is_wrong_or_used_opens_nothing(self, half: Browser, seed: bytes, now: datetime) -> None:
        for code in (wrong(seed, now), "", "x" * 100, fitting(seed, now - timedelta(minutes=2)), "١٢٣٤٥٦"):
            answer = prove(half, code)
            assert answer.status_code == 422
            assert Elements(answer.content).one(id="code")["aria-describedby"] == "second-factor-error"
        assert not inside(half)

    def test_is_taken_once_whoever_sends_it(self, half: Browser, root: User, seed: bytes, now: datetime) -> None:
        other = Browser()
        login(other)
        code = fitting(seed, now)
        assert prove(half, code).status_code == 302
        assert prove(other, code).status_code == 422
        assert not inside(other)

    def test_is_guessed_at_within_limits_from_any_session(self, root: User, seed: bytes, now: datetime) -> None:
        guess = wrong(seed, now)
        for _ in range(SECOND_FACTOR_PERSON.burst):
            browser = Browser()
            login(browser)
            assert prove(browser, guess).status_code == 422
        last = Browser()
        login(last)
        answer = prove(last, fitting(seed, now))
        assert answer.status_code == 429
        assert int(answer["Retry-After"]) > 0
        assert not inside(last)


class TestTheMark:
    def test_goes_with_a_sign_out(self, whole: Browser) -> None:
        whole.post(LOGOUT)
        login(whole)
        assert not inside(whole)

    def test_goes_with_a_sign_in_by_the_same_operator(self, whole: Browser) -> None:
        login(whole)
        assert not inside(whole)

    def test_is_not_another_operators_in_the_same_browser(self, whole: Browser, now: datetime) -> None:
        give_totp(make_person("other", realm=None, is_staff=True, is_superuser=True), now)
        login(whole, name="other")
        assert not inside(whole)

    def test_is_not_another_operators_even_where_it_was_kept(self, whole: Browser, now: datetime) -> None:
        other = make_person("other", realm=None, is_staff=True, is_superuser=True)
        give_totp(other, now)
        kept = whole.session[proof._PROOF]
        login(whole, name="other")
        session = whole.session
        session[proof._PROOF] = kept
        session.save()
        assert not inside(whole)

    @pytest.mark.parametrize("forged", [True, 1, "yes", [], {}, {"subject": None, "hash": None}, {"hash": "x"}])
    def test_can_be_nothing_but_itself(self, forged: object, half: Browser) -> None:
        session = half.session
        session[proof._PROOF] = forged
        session.save()
        assert not inside(half)

    def test_goes_with_another_password(self, whole: Browser, root: User) -> None:
        root.set_password("another good password")
        root.save()
        assert whole.get(ADMIN)["Location"].startswith(LOGIN)

    def test_stays_with_ones_own_new_password_in_this_browser_alone(
        self, whole: Browser, root: User, seed: bytes, now: datetime
    ) -> None:
        other = Browser()
        with time_machine.travel(now + timedelta(minutes=1), tick=True):
            login(other)
            assert prove(other, fitting(seed, now + timedelta(minutes=1))).status_code == 302
            new = {"new_password1": "another good password", "new_password2": "another good password"}
            answer = whole.post("/admin/password_change/", {"old_password": PASSWORD, **new})
            assert answer["Location"] == "/admin/password_change/done/"
            assert whole.get(answer["Location"]).status_code == 200
            assert inside(whole)
            assert not inside(other)
        event = Event.objects.get(name=EventName.PERSON_CHANGED)
        assert (event.target, event.details["fields"]) == (root.subject, "password")

    @pytest.mark.spec("house.md: no transaction over slow work")
    def test_no_transaction_waits_for_the_rules_or_the_hash_of_ones_own_new_password(
        self, whole: Browser, root: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outside, depths = len(connection.savepoint_ids), []

        def watched(slow: Any) -> Any:
            def inner(*args: Any, **kwargs: Any) -> Any:
                depths.append(len(connection.savepoint_ids))
                return slow(*args, **kwargs)

            return inner

        monkeypatch.setattr(NotBreached, "validate", watched(NotBreached.validate))
        monkeypatch.setattr(BoundedArgon2, "encode", watched(BoundedArgon2.encode))
        new = {"new_password1": "another good password", "new_password2": "another good password"}
        answer = whole.post("/admin/password_change/", {"old_password": PASSWORD, **new})
        assert answer["Location"] == "/admin/password_change/done/"
        assert len(depths) > 1
        assert set(depths) == {outside}

    def test_ones_own_new_password_is_not_taken_without_its_event(
        self, whole: Browser, root: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("no event")

        monkeypatch.setattr(site, "record_person_changed", fail)
        new = {"new_password1": "another good password", "new_password2": "another good password"}
        assert whole.post("/admin/password_change/", {"old_password": PASSWORD, **new}).status_code == 500
        root.refresh_from_db()
        assert root.check_password(PASSWORD)
        assert inside(whole)

    @pytest.mark.spec("issue: brute force: parallel guesses at password meet limits shared by the workers")
    def test_is_no_leave_to_guess_at_the_password(self, whole: Browser, root: User, now: datetime) -> None:
        new = {"new_password1": "another good password", "new_password2": "another good password"}
        for _ in range(ACCOUNT_AND_ADDRESS.burst):
            page = whole.post("/admin/password_change/", {"old_password": "a wrong password", **new})
            assert "Your old password was entered incorrectly" in page.content.decode()
        assert Event.objects.filter(name=EventName.SIGN_IN_REFUSED, target=root.subject).count() == 10
        refused = whole.post("/admin/password_change/", {"old_password": PASSWORD, **new}, follow=True)
        assert "There were too many attempts." in refused.content.decode()
        root.refresh_from_db()
        assert root.check_password(PASSWORD)
        assert b"too many attempts" in login(Browser()).content, "the limit is that of the sign-in"

    def test_and_the_sign_in_go_with_a_reset_of_the_factors(self, whole: Browser, root: User, now: datetime) -> None:
        with time_machine.travel(now + timedelta(minutes=1), tick=True):
            reset_factors(root, actor="test", reason="lost", now=now + timedelta(minutes=1))
            for address in (ADMIN, PAGE, SET_UP):
                assert whole.get(address)["Location"].startswith(LOGIN)

    def test_is_given_under_a_new_key_of_the_session(self, half: Browser, seed: bytes, now: datetime) -> None:
        before = half.session.session_key
        prove(half, fitting(seed, now))
        assert half.session.session_key != before
        assert not CookieSession.objects.filter(session_key=before).exists()

    def test_is_not_to_be_had_by_a_realms_sign_in(self, realm: Any, now: datetime) -> None:
        person = make_person("both", realm=realm, is_staff=True, is_superuser=True)
        give_totp(person, now)
        proved = SignedIn(person, (), now, ("pwd", "otp", "mfa"))
        browser = Browser()
        session = browser.session
        session[SIDS] = {realm.slug: begin_session(realm=realm, signed_in=proved, now=now).sid}
        session.save()
        browser.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)
        assert whose(browser) == "both"
        assert browser.get(ADMIN)["Location"].startswith(LOGIN)
        login(browser, name="both")
        assert browser.get(ADMIN)["Location"].startswith(PAGE)
        assert whose(browser) == "both"


class TestSettingUp:
    @pytest.fixture
    def bare(self, root: User) -> Browser:
        browser = Browser(raise_request_exception=False)
        login(browser)
        return browser

    def begun(self, browser: Browser) -> tuple[str, bytes]:
        """The enrolment on the page, and the seed of the app that scanned it."""
        page = browser.post(SET_UP)
        enrolment = Elements(page.content).one(name="enrolment")["value"]
        row = TotpSecret.objects.get(pk=str(enrolment))
        found = re.search(rb'<code id="seed"[^>]*>([A-Z2-7 ]+)</code>', page.content)
        assert found
        seed = seed_of(row)
        assert totp.key_text(seed) == found[1].decode()
        return str(enrolment), seed

    def test_is_where_an_operator_without_a_factor_is_led(self, bare: Browser) -> None:
        page = bare.get(bare.get("/admin/accounts/user/")["Location"])["Location"]
        assert page.startswith(SET_UP)
        assert page.endswith("next=%2Fadmin%2Faccounts%2Fuser%2F")
        assert bare.get(page).status_code == 200
        assert not TotpSecret.objects.exists(), "looking changes nothing"

    def test_ends_inside_with_recovery_codes_that_are_shown_once(self, bare: Browser, root: User) -> None:
        enrolment, seed = self.begun(bare)
        page = bare.post(SET_UP, {"enrolment": enrolment, "code": fitting(seed, timezone.now())})
        codes = re.findall(rb"<li><code>([0-9A-Z-]{19})</code></li>", page.content)
        assert len(codes) == 10
        assert "no-store" in page["Cache-Control"]
        assert inside(bare)
        assert bare.get(SET_UP)["Location"] == ADMIN
        other = Browser()
        login(other)
        assert prove(other, codes[0].decode()).status_code == 302

    def test_asks_again_for_a_wrong_code_with_the_same_key(self, bare: Browser, now: datetime) -> None:
        enrolment, seed = self.begun(bare)
        page = bare.post(SET_UP, {"enrolment": enrolment, "code": wrong(seed, now)})
        assert page.status_code == 422
        assert totp.key_text(seed).encode() in page.content
        assert not inside(bare)

    @pytest.mark.parametrize("enrolment", ["", "x", "00000000-0000-4000-8000-000000000000"])
    def test_begins_anew_for_a_strange_enrolment(self, enrolment: str, bare: Browser) -> None:
        assert bare.post(SET_UP, {"enrolment": enrolment, "code": "123456"}).status_code == 422
        assert not inside(bare)

    def test_takes_nobody_elses_enrolment(self, bare: Browser, now: datetime) -> None:
        make_person("eve", realm=None, is_staff=True)
        theirs = Browser()
        login(theirs, name="eve")
        enrolment, seed = self.begun(theirs)
        assert bare.post(SET_UP, {"enrolment": enrolment, "code": fitting(seed, now)}).status_code == 422
        assert not inside(bare)

    def test_of_a_second_browser_doesnt_add_to_the_first_ones(self, bare: Browser, root: User, now: datetime) -> None:
        other = Browser()
        login(other)
        enrolment, seed = self.begun(other)
        give_totp(root, now)  # in the first
        answer = other.post(SET_UP, {"enrolment": enrolment, "code": fitting(seed, now)})
        assert answer["Location"].startswith(PAGE)
        assert not inside(other)

    def test_shows_its_picture_and_lets_no_other_page_hold_one(self, bare: Browser) -> None:
        assert "img-src 'self' data:" in bare.post(SET_UP)["Content-Security-Policy"]
        assert "data:" not in bare.get(LOGIN)["Content-Security-Policy"]


class TestTheSetting:
    def test_off_asks_for_a_password_alone(self, settings: LazySettings, root: User, seed: bytes) -> None:
        settings.IDP_ADMIN_SECOND_FACTOR = False
        browser = Browser()
        login(browser)
        assert inside(browser)
        assert browser.get(PAGE)["Location"] == ADMIN

    def test_off_is_warned_of_at_a_deployment(self, db: None, settings: LazySettings) -> None:
        def ids() -> set[str | None]:
            return {each.id for each in run_checks(include_deployment_checks=True)}

        assert "signet.W001" not in ids()
        settings.IDP_ADMIN_SECOND_FACTOR = False
        assert "signet.W001" in ids()

    def test_every_page_of_the_site_is_held_here_or_by_the_table(self) -> None:
        assert set(names()) == TABLE.keys() | SITE


def test_an_operator_who_is_no_longer_one_is_outside(whole: Browser, root: User) -> None:
    User.objects.filter(pk=root.pk).update(is_staff=False)
    for address in (ADMIN, PAGE, SET_UP):
        assert whole.get(address)["Location"].startswith(LOGIN)


def test_a_person_who_is_no_operator_comes_to_no_page_of_it(realm: Any, now: datetime) -> None:
    make_person("ana", realm=realm)
    browser = Browser()
    assert login(browser, name="ana").status_code == 200
    for address in (PAGE, SET_UP):
        assert browser.get(address)["Location"].startswith(LOGIN)
        assert browser.post(address, {"code": "1"})["Location"].startswith(LOGIN)
    assert not AttemptBudget.objects.filter(full_at__gt=now + timedelta(hours=1)).exists()


@pytest.mark.spec("WebAuthn Level 3 §7.2")
class TestAPasskey:
    @pytest.fixture
    def device(self, root: User) -> Authenticator:
        device = Authenticator()
        enrol(device, root)
        return device

    @pytest.fixture
    def browser(self, device: Authenticator) -> Browser:
        found = Browser(raise_request_exception=False)
        login(found)
        return found

    def use(self, browser: Browser, device: Authenticator) -> Any:
        options = browser.post(PAGE + "passkey-options/")
        assert options.status_code == 200, options
        return browser.post(f"{PAGE}passkey/", {"credential": json.dumps(device.use(options.json()))})

    def test_opens_the_admin_to_whoever_is_no_member_of_any_realm(
        self, browser: Browser, device: Authenticator, root: User
    ) -> None:
        page = Elements(browser.get(f"{PAGE}?next=/admin/accounts/").content)
        assert page.one(id="passkey-use-form")["action"] == f"{PAGE}passkey/?next=%2Fadmin%2Faccounts%2F"
        assert self.use(browser, device)["Location"] == ADMIN
        assert inside(browser)
        last = Event.objects.filter(target=root.subject).first()
        assert last is not None
        assert (last.name, last.realm) == (EventName.SIGN_IN_SUCCEEDED, "")

    def test_of_somebody_else_doesnt(self, browser: Browser, device: Authenticator) -> None:
        theirs = Authenticator()
        enrol(theirs, make_person("other", realm=None, is_staff=True))
        answer = self.use(browser, theirs)
        assert answer.status_code == 422
        assert not inside(browser)

    def test_answers_its_own_challenge_alone(self, browser: Browser, device: Authenticator) -> None:
        other = Browser()
        login(other)
        options = other.post(PAGE + "passkey-options/").json()
        answer = json.dumps(device.use(options))
        assert browser.post(f"{PAGE}passkey/", {"credential": answer}).status_code == 422
        assert other.post(f"{PAGE}passkey/", {"credential": answer}).status_code == 302
        assert other.post(f"{PAGE}passkey/", {"credential": answer})["Location"] == ADMIN
        login(other)
        assert other.post(f"{PAGE}passkey/", {"credential": answer}).status_code == 422

    def test_that_is_garbage_opens_nothing(self, browser: Browser, device: Authenticator) -> None:
        for garbage in ("", "{}", "[" * 10_000, "null"):
            browser.post(PAGE + "passkey-options/")
            assert browser.post(f"{PAGE}passkey/", {"credential": garbage}).status_code == 422
        assert not inside(browser)

    def test_is_asked_for_by_those_alone_who_owe_one(self, whole: Browser, half: Browser) -> None:
        assert whole.post(PAGE + "passkey-options/").status_code == 403
        assert Browser().post(PAGE + "passkey-options/")["Location"].startswith(LOGIN)


@pytest.mark.spec("design: the proof lasts as long as the sign-in, eight hours at most")
def test_what_is_written_into_the_session_makes_no_sign_in_longer(
    browser: Browser, seed: bytes, now: datetime, stopped_clock: Any
) -> None:
    stopped_clock.move_to(now)
    login(browser)
    prove(browser, fitting(seed, now))
    for hours, status in ((7, 200), (8, 302)):
        stopped_clock.move_to(now + timedelta(hours=hours))
        assert browser.get("/admin/").status_code == status
        store = browser.session
        store["anything"] = hours
        store.save()
        assert store.get_expiry_date() > now + timedelta(hours=hours)
