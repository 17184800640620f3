"""A passkey for a second factor: after the password, and as the first one that somebody sets up."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.utils import timezone

from accounts.budget import ADDRESS
from accounts.models import Membership, Passkey, RecoveryCode, Session, SignInChallenge, User
from audit.hooks import SEALED
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.accounts.authenticator import UP, UV, Authenticator, enrol
from tests.pages import FORM, NEXT, Elements, post, whose
from tests.provider import Browser, make_person, make_realm
from tests.second_factors import give_totp

PAGE, SET_UP = "/sign-in/second-factor", "/sign-in/set-up-second-factor"
pytestmark = pytest.mark.spec("Web Authentication Level 3 §7.2")


@pytest.fixture
def device(ana: User) -> Authenticator:
    """Ana's; her password is the first proof."""
    made = Authenticator(flags=UP)
    enrol(made, ana)
    return made


@pytest.fixture
def half(browser: Browser, device: Authenticator) -> Browser:
    """A browser in which ana's password was right."""
    answer = post(browser, next=NEXT)
    assert answer["Location"] == f"{PAGE}?{urlencode({'next': NEXT})}"
    return browser


def asked(browser: Browser, page: str = PAGE) -> dict[str, Any]:
    answer = browser.post(f"{page}/passkey/options", "a=b", FORM)
    assert answer.status_code == 200
    options: dict[str, Any] = answer.json()
    return options


def send(browser: Browser, credential: object, page: str = PAGE, **fields: str) -> Any:
    return browser.post(f"{page}/passkey", urlencode({"credential": json.dumps(credential), **fields}), FORM)


def prove(browser: Browser, device: Authenticator, **fields: str) -> Any:
    return send(browser, device.use(asked(browser)), **fields)


def details(name: EventName) -> list[dict[str, Any]]:
    """Without what is sealed, which has tests of its own."""
    found = Event.objects.filter(name=name).order_by("pk")
    return [{key: value for key, value in event.details.items() if key != SEALED} for event in found]


class TestAfterThePassword:
    def test_the_page_has_the_button_and_says_what_it_needs(self, half: Browser) -> None:
        answer = half.get(f"{PAGE}?{urlencode({'next': NEXT})}")
        page = Elements(answer.content)
        form = page.one(id="passkey-use-form")
        assert (form["action"], form["data-options"]) == (f"{PAGE}/passkey", f"{PAGE}/passkey/options")
        assert "hidden" in form
        assert page.one(name="next")["value"] == NEXT
        assert page.one(id="passkey-instead")
        assert not page.all(id="code")

    def test_it_isnt_there_for_whoever_has_none(self, browser: Browser, ana: User) -> None:
        give_totp(ana, timezone.now())
        post(browser)
        assert not Elements(browser.get(PAGE).content).all(id="passkey-use")
        assert browser.post(f"{PAGE}/passkey/options", "a=b", FORM).status_code == 403

    def test_a_touch_is_enough_and_leads_on(self, half: Browser, device: Authenticator, ana: User) -> None:
        answer = prove(half, device, next=NEXT)
        assert (answer.status_code, answer["Location"]) == (303, NEXT)
        assert whose(half) == "ana"
        assert Session.objects.get().methods == ["pwd", "pop", "user", "mfa"]
        assert (Passkey.objects.get().sign_count, SignInChallenge.objects.get().completed_at is None) == (1, False)
        assert details(EventName.SIGN_IN_SUCCEEDED) == [{"methods": "pwd pop user mfa"}]

    def test_the_browser_is_asked_for_ones_own(self, half: Browser, device: Authenticator, realm: Realm) -> None:
        enrol(Authenticator(), make_person("bea", realm=realm))
        options = asked(half)
        assert len(options["allowCredentials"]) == 1
        assert options["userVerification"] == "discouraged"

    @pytest.mark.parametrize(
        ("wrong", "fault"),
        [
            ({"flags": UV}, "wrong_passkey"),
            ({"origin": "https://evil.example"}, "wrong_passkey"),
            ({"user_handle": b"x" * 22}, "wrong_passkey"),
            ({"counts": 0}, "counter_went_back"),
            ({"credential_id": b"x" * 32}, "unknown_passkey"),
        ],
        ids=str,
    )
    def test_an_answer_that_does_not_hold_is_refused(
        self, wrong: dict[str, Any], fault: str, half: Browser, device: Authenticator, ana: User
    ) -> None:
        Passkey.objects.update(sign_count=1)
        device.sign_count = 1
        for name, value in wrong.items():
            setattr(device, name, value)
        answer = prove(half, device, next=NEXT)
        assert (answer.status_code, b"The passkey was not accepted." in answer.content) == (422, True)
        assert Elements(answer.content).one(role="alert")["id"] == "second-factor-error"
        [told] = details(EventName.FACTOR_REFUSED)
        assert (told["factor"], told["fault"]) == ("passkey", fault)
        assert not Session.objects.exists()

    def test_somebody_elses_passkey_is_none(self, half: Browser, realm: Realm) -> None:
        other = Authenticator()
        enrol(other, make_person("bea", realm=realm))
        assert prove(half, other).status_code == 422
        assert [told["fault"] for told in details(EventName.FACTOR_REFUSED)] == ["unknown_passkey"]

    def test_an_answer_counts_once(self, half: Browser, device: Authenticator) -> None:
        device.counts = 0
        options = asked(half)
        wrong = {**device.use(options), "id": "x"}
        assert send(half, wrong).status_code == 422
        assert send(half, device.use(options)).status_code == 422
        assert [told["fault"] for told in details(EventName.FACTOR_REFUSED)] == ["malformed_passkey", "challenge_over"]

    def test_an_answer_to_the_sign_ins_challenge_is_none(self, half: Browser, device: Authenticator) -> None:
        options = half.post("/sign-in/passkey/options", "a=b", FORM).json()
        assert send(half, device.use(options)).status_code == 422

    def test_an_answer_to_its_challenge_signs_nobody_in_alone(self, half: Browser, device: Authenticator) -> None:
        device.flags |= UV
        answer = half.post("/sign-in/passkey", urlencode({"credential": json.dumps(device.use(asked(half)))}), FORM)
        assert answer.status_code == 422
        assert not Session.objects.exists()

    def test_who_is_disabled_meanwhile_begins_anew(self, half: Browser, device: Authenticator) -> None:
        options = asked(half)
        User.objects.update(is_active=False)
        answer = send(half, device.use(options))
        assert (answer.status_code, answer["Location"]) == (303, "/sign-in")
        assert half.post(f"{PAGE}/passkey/options", "a=b", FORM).status_code == 403

    def test_it_proves_nothing_in_another_realm(self, half: Browser, device: Authenticator, ana: User) -> None:
        Membership.objects.create(user=ana, realm=make_realm("other", purposes=()), created_at=ana.created_at)
        answer = half.post(
            "/realms/other/sign-in/second-factor/passkey",
            urlencode({"credential": json.dumps(device.use(asked(half)))}),
            FORM,
        )
        assert (answer.status_code, answer["Location"]) == (303, "/realms/other/sign-in")
        assert not Session.objects.exists()

    def test_nobody_comes_here_without_a_first_proof(self, browser: Browser, device: Authenticator) -> None:
        assert send(browser, {}).status_code == 303
        assert browser.post(f"{PAGE}/passkey/options", "a=b", FORM).status_code == 403

    @pytest.mark.spec("issue: limits are shared by the workers")
    def test_wrong_answers_of_an_address_come_to_an_end(self, half: Browser, device: Authenticator) -> None:
        with time_machine.travel(timezone.now(), tick=False):
            for _ in range(ADDRESS.burst):
                assert send(half, {}).status_code == 422
            answer = prove(half, device)
        assert (answer.status_code, answer["Retry-After"]) == (429, "6")
        assert [told["limit"] for told in details(EventName.FACTOR_LIMITED)] == ["address"]

    @pytest.mark.spec("RFC 9700 §4.7, session fixation")
    def test_the_cookie_changes(self, half: Browser, device: Authenticator) -> None:
        before = half.cookies["sessionid"].value
        prove(half, device)
        assert half.cookies["sessionid"].value != before

    @pytest.mark.spec("RFC 9470 §1")
    def test_a_session_without_it_becomes_a_surer_one(self, browser: Browser, ana: User) -> None:
        post(browser)
        device = Authenticator(flags=UP)
        enrol(device, ana)
        assert prove(browser, device, next="/account/security/passkey")["Location"] == "/account/security/passkey"
        assert Session.objects.order_by("-pk")[0].methods == ["pwd", "pop", "user", "mfa"]


@pytest.mark.spec("issue: a realm may demand a second factor")
class TestTheFirstOne:
    @pytest.fixture
    def demanded(self, browser: Browser, ana: User) -> Browser:
        """A browser in which ana's password was right, in a realm that demands more."""
        Realm.objects.update(require_second_factor=True)
        answer = post(browser, next=NEXT)
        assert answer["Location"] == f"{SET_UP}?{urlencode({'next': NEXT})}"
        return browser

    def test_it_is_made_then_used_and_leads_on(self, demanded: Browser, ana: User) -> None:
        way = Elements(demanded.get(f"{SET_UP}?{urlencode({'next': NEXT})}").content).one(id="set-up-passkey")["href"]
        assert way == f"{SET_UP}/passkey?{urlencode({'next': NEXT})}"
        page = Elements(demanded.get(way).content)
        assert page.one(id="passkey-add-form")["action"] == f"{SET_UP}/passkey"
        assert page.one(name="next")["value"] == NEXT
        assert page.one(id="back-link")["href"] == f"{SET_UP}?{urlencode({'next': NEXT})}"
        device = Authenticator()
        answer = send(demanded, device.make(asked(demanded, SET_UP)), SET_UP, name="Laptop", next=NEXT)
        assert answer.status_code == 200
        assert RecoveryCode.objects.count() == 10
        onward = Elements(answer.content).one(id="recovery-codes-kept")["href"]
        assert onward == f"{PAGE}?{urlencode({'next': NEXT})}"
        assert not Session.objects.exists()  # an answer without an attestation proves no key
        assert prove(demanded, device, next=NEXT)["Location"] == NEXT
        assert Session.objects.get().methods == ["pwd", "pop", "user", "mfa"]

    def test_who_has_a_second_factor_by_now_adds_none_with_a_password_alone(self, demanded: Browser, ana: User) -> None:
        answer = Authenticator().make(asked(demanded, SET_UP))
        give_totp(ana, timezone.now())
        again = send(demanded, answer, SET_UP, name="Thief's", next=NEXT)
        assert (again.status_code, again["Location"]) == (303, f"{PAGE}?{urlencode({'next': NEXT})}")
        assert not Passkey.objects.exists()
        assert demanded.post(f"{SET_UP}/passkey/options", "a=b", FORM).status_code == 403

    def test_a_name_or_an_answer_that_does_not_hold_is_refused(self, demanded: Browser) -> None:
        named = send(demanded, Authenticator().make(asked(demanded, SET_UP)), SET_UP, name="")
        assert (named.status_code, Elements(named.content).one(id="name-error") != {}) == (422, True)
        forged = Authenticator(origin="https://evil.example").make(asked(demanded, SET_UP))
        answer = send(demanded, forged, SET_UP, name="x")
        assert Elements(answer.content).one(role="alert")["id"] == "passkey-error"
        assert not Passkey.objects.exists()

    def test_a_half_that_is_over_begins_anew(self, demanded: Browser) -> None:
        with time_machine.travel(timezone.now() + timedelta(minutes=11)):
            assert demanded.get(f"{SET_UP}/passkey")["Location"] == "/sign-in"
            assert demanded.post(f"{SET_UP}/passkey/options", "a=b", FORM).status_code == 403
