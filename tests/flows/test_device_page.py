"""The page for the user code: sign in, type, read who asks, allow or deny; and those who guess or mean harm."""

from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from accounts.budget import USER_CODE_ADDRESS, USER_CODE_PERSON
from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.device_flow import Device, register_device
from tests.pages import Elements
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tests.tokens.devices import at_once
from tokens.models import Client, Consent, DeviceAuthorization, Grant

REFUSED = "This code is wrong, or it has expired or was used already."
WRONG = "BBBB-BBBB"


@pytest.fixture
def device(realm: Realm, ana: User, browser: Browser, now: datetime) -> Device:
    found = register_device(realm, browser, now)
    found.app.sign_in()
    return found


def stopped() -> time_machine.travel:
    """A clock that stands, so that no attempt comes back."""
    return time_machine.travel(datetime.now().astimezone(), tick=False)


class TestWay:
    """From the address on the device to the page that says to go back to it."""

    @pytest.mark.spec("RFC 8628 §3.3 approval")
    def test_somebody_who_is_not_signed_in_signs_in_and_comes_back(self, device: Device) -> None:
        codes = device.codes()
        stranger = Browser()
        first = stranger.get("/device")
        assert (first.status_code, first["Location"]) == (303, "/sign-in?next=%2Fdevice")
        there = stranger.get(urlsplit(codes["verification_uri_complete"])._replace(scheme="", netloc="").geturl())
        page = Elements(stranger.get(there["Location"]).content)
        following = page.one(name="next")["value"]
        assert following == f"/device?user_code={codes['user_code']}"
        device.app.browser = stranger
        assert device.app.sign_in(next=following)["Location"] == following
        assert Elements(stranger.get(following).content).one(id="user_code")["value"] == codes["user_code"]

    @pytest.mark.spec("RFC 8628 §3.3 approval, RFC 8628 §3.3.1, RFC 8628 §5.4")
    def test_the_person_types_reads_and_allows(self, device: Device, ana: User) -> None:
        codes = device.codes(scope="openid email")
        form = device.app.browser.get("/device")
        assert form.status_code == 200
        assert Elements(form.content).one(id="device-submit")["type"] == "submit"
        asked = device.page(user_code=codes["user_code"].replace("-", " ").lower())
        body = asked.content.decode()
        page = Elements(asked.content)
        for text in ("Notes", "ana", codes["user_code"], "read your email address", "in front of you", "127.0.0.1"):
            assert text in body, text
        assert "That is your own network." in body
        assert page.one(id="consent-deny")["value"] == "deny"
        assert page.one(id="consent-allow")["value"] == "allow"
        assert page.one(name="user_code")["value"] == codes["user_code"]
        assert device.error(codes["device_code"]) == "authorization_pending"
        done = device.decide(codes["user_code"])
        assert "Go back to your device" in done.content.decode()
        assert device.poll(codes["device_code"]).status_code == 200

    @pytest.mark.spec("RFC 8628 §3.3.1, §5.4")
    def test_a_complete_address_decides_nothing_by_itself(self, device: Device) -> None:
        codes = device.codes()
        page = device.app.browser.get(f"/device?user_code={codes['user_code']}&decision=allow")
        assert Elements(page.content).all(id="consent-allow") == []
        assert device.error(codes["device_code"]) == "authorization_pending"
        assert not Grant.objects.exists()

    @pytest.mark.spec("RFC 8628 §5.4")
    def test_a_first_party_client_and_one_that_was_allowed_before_ask_too(self, device: Device) -> None:
        assert device.app.client.first_party
        for _ in range(2):
            codes = device.codes()
            assert b"consent-allow" in device.page(user_code=codes["user_code"]).content
            device.decide(codes["user_code"])

    @pytest.mark.spec("RFC 8628 §5.4")
    def test_the_person_reads_that_the_device_is_elsewhere(self, device: Device) -> None:
        codes = device.codes()
        DeviceAuthorization.objects.update(asked_from="203.0.113.9")
        body = device.page(user_code=codes["user_code"]).content.decode()
        assert "The device asked just now, from the address 203.0.113.9." in body
        assert "That is your own network." not in body
        with time_machine.travel(datetime.now().astimezone() + timedelta(minutes=3)):
            assert "asked 3\xa0minutes ago" in device.page(user_code=codes["user_code"]).content.decode()

    @pytest.mark.spec("OpenID Connect Core §3.1.2.4")
    def test_what_was_allowed_is_remembered_and_recorded(self, device: Device, ana: User) -> None:
        codes = device.codes(scope="openid email")
        device.decide(codes["user_code"])
        assert Consent.objects.get().scopes == ["email", "openid"]
        event = Event.objects.get(name=EventName.DEVICE_ALLOWED)
        assert (event.actor, event.target) == (f"user:{ana.subject}", str(Grant.objects.get().pk))
        assert event.details == {"client_id": "tv"}

    def test_the_page_of_a_realm_is_the_realms(self, realm: Realm, now: datetime) -> None:
        other = make_realm("other")
        make_person("bo", realm=other)
        there = register_device(other, Browser(), now)
        assert there.app.browser.get("/realms/other/device")["Location"].startswith("/realms/other/sign-in?next=")
        signed_in = there.app.sign_in("bo", next="/realms/other/device")
        assert signed_in["Location"] == "/realms/other/device"
        codes = there.codes()
        assert b'action="/realms/other/device"' in there.page(user_code=codes["user_code"]).content
        there.decide(codes["user_code"])
        assert there.poll(codes["device_code"]).status_code == 200
        assert Browser().get("/realms/nowhere/device").status_code == 404


class TestRefusals:
    """Whatever is wrong with a code is said in the same words."""

    @pytest.mark.spec("RFC 8628 §5.1, §6.1")
    @pytest.mark.parametrize(
        "typed",
        [
            "",
            WRONG,
            "bbbb",
            "x" * 20_000,
            "\0" * 8,
            "ＢＢＢＢＢＢＢＢ",
            "<script>alert(1)</script>",
            "😀" * 8,
            "b\r\nb: c",
        ],
    )
    def test_garbage_is_refused_as_a_wrong_code_is(self, device: Device, typed: str) -> None:
        for fields in ({}, {"decision": "allow"}):
            answer = device.page(user_code=typed, **fields)
            assert answer.status_code == 422
            assert REFUSED in answer.content.decode()
            assert b"<script>" not in answer.content
        assert not Grant.objects.exists()

    @pytest.mark.spec("issue 4, Pages: translated")
    def test_the_refusal_speaks_the_persons_language(self, device: Device) -> None:
        device.app.browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
        assert "Dieser Code ist falsch, abgelaufen oder wurde schon verwendet." in device.page(user_code=WRONG).text

    @pytest.mark.spec("RFC 8628 §5.1")
    def test_a_used_and_a_wrong_code_are_refused_alike(self, device: Device) -> None:
        codes = device.codes()
        device.decide(codes["user_code"])
        for code in (codes["user_code"], WRONG):
            for fields in ({}, {"decision": "allow"}, {"decision": "deny"}):
                answer = device.page(user_code=code, **fields)
                assert answer.status_code == 422
                assert REFUSED in answer.content.decode()
        assert Grant.objects.count() == 1

    @pytest.mark.parametrize("changes", [{"enabled": False}, {"grant_types": []}])
    def test_a_client_that_may_not_any_more_is_not_shown(self, device: Device, changes: dict[str, object]) -> None:
        codes = device.codes()
        Client.objects.filter(client_id="tv").update(**changes)
        assert device.page(user_code=codes["user_code"]).status_code == 422
        assert device.decide(codes["user_code"]).status_code == 422
        assert not Grant.objects.exists()

    @pytest.mark.parametrize("field", ["user_code", "decision"])
    def test_a_field_is_there_once(self, device: Device, field: str) -> None:
        code = device.codes()["user_code"]
        body = f"user_code={code}&decision=allow&{field}=allow"
        answer = device.app.browser.post("/device", body, "application/x-www-form-urlencoded")
        assert answer.status_code == 400
        assert not Grant.objects.exists()
        assert device.app.browser.get(f"/device?user_code={code}&user_code=x").status_code == 400

    @pytest.mark.parametrize("decision", ["", "perhaps", "ALLOW", "allow "])
    def test_whatever_is_not_allow_allows_nothing(self, device: Device, decision: str) -> None:
        device.decide(device.codes()["user_code"], decision)
        assert not Grant.objects.exists()

    @pytest.mark.parametrize(
        "query", ["user_code=%3Cscript%3E", "user_code=BBBB", "user_code=%FF", "user_code=" + "x" * 500]
    )
    def test_an_address_that_holds_no_code_leaves_the_field_empty(self, device: Device, query: str) -> None:
        page = Elements(device.app.browser.get(f"/device?{query}").content)
        assert page.one(id="user_code")["value"] == ""

    def test_a_nul_in_the_address_is_refused(self, device: Device) -> None:
        assert device.app.browser.get("/device?user_code=%00").status_code == 400


class TestGuessing:
    """RFC 8628 §5.1: the code is short, so the limits are."""

    @pytest.mark.spec("RFC 8628 §5.1 guessing")
    def test_a_person_has_few_guesses_and_a_right_code_is_refused_then_too(self, device: Device) -> None:
        codes = device.codes()
        with stopped():
            tries = [device.page(user_code=WRONG).status_code for _ in range(USER_CODE_PERSON.burst)]
            assert set(tries) == {422}
            for fields in ({}, {"decision": "allow"}):
                answer = device.page(user_code=codes["user_code"], **fields)
                assert answer.status_code == 429
                assert answer["Retry-After"] == "60"
                assert "Try again in 60 seconds." in answer.content.decode()
        assert not Grant.objects.exists()
        event = Event.objects.get(name=EventName.USER_CODE_LIMITED)
        assert event.details == {"limit": "user-code-person"}
        with time_machine.travel(datetime.now().astimezone() + timedelta(seconds=61)):
            assert device.page(user_code=codes["user_code"]).status_code == 200

    @pytest.mark.spec("RFC 8628 §5.1 guessing")
    def test_an_address_has_few_guesses_whoever_signs_in(self, device: Device, realm: Realm) -> None:
        with stopped():
            tries = []
            for number in range(USER_CODE_ADDRESS.burst // USER_CODE_PERSON.burst + 1):
                make_person(f"person{number}", realm=realm)
                device.app.sign_in(f"person{number}", PASSWORD)
                tries += [device.page(user_code=WRONG).status_code for _ in range(USER_CODE_PERSON.burst)]
        assert tries.count(422) == USER_CODE_ADDRESS.burst
        assert tries.count(429) == len(tries) - USER_CODE_ADDRESS.burst

    def test_a_right_code_costs_nothing(self, device: Device) -> None:
        with stopped():
            for _ in range(3 * USER_CODE_PERSON.burst):
                assert device.page(user_code=device.codes()["user_code"]).status_code == 200

    def test_the_page_looks_at_no_code_before_it_knows_the_person(self, device: Device) -> None:
        codes = device.codes()
        for code in (codes["user_code"], WRONG):
            answer = device.decide(code, browser=Browser())
            assert answer.status_code == 303
            assert parse_qs(urlsplit(answer["Location"]).query)["next"] == [f"/device?user_code={code}"]
        assert device.error(codes["device_code"]) == "authorization_pending"


class TestOtherSites:
    """Those who would have somebody press the button."""

    @pytest.mark.spec("RFC 6749 §10.12 csrf")
    def test_nobody_else_can_press_the_button(self, device: Device) -> None:
        codes = device.codes()
        strict = Browser(enforce_csrf_checks=True)
        strict.cookies = device.app.browser.cookies
        assert device.decide(codes["user_code"], "", browser=strict).status_code == 403
        assert device.decide(codes["user_code"], browser=strict).status_code == 403
        assert device.error(codes["device_code"]) == "authorization_pending"

    @pytest.mark.spec("RFC 8628 §5.4, RFC 9700 §4.16 no-framing, RFC 9700 §4.16 csp")
    def test_the_pages_are_never_framed_stored_or_scripted(self, device: Device) -> None:
        codes = device.codes()
        answers = [
            device.app.browser.get("/device"),
            device.page(user_code=WRONG),
            device.page(user_code=codes["user_code"]),
            device.decide(codes["user_code"]),
        ]
        for answer in answers:
            policy = answer["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy
            assert "form-action 'self'" in policy
            assert "unsafe" not in policy
            assert answer["X-Frame-Options"] == "DENY"
            assert "no-store" in answer["Cache-Control"]
            assert {tag for tag, _have in Elements(answer.content).found} & {"script", "style"} == set()

    def test_a_name_is_shown_as_text(self, device: Device) -> None:
        Client.objects.filter(client_id="tv").update(name='<script>"&', scopes=["openid", "x<b>"])
        codes = device.codes(scope="x<b>")
        answer = device.page(user_code=codes["user_code"])
        assert "&lt;script&gt;" in answer.content.decode()
        assert {tag for tag, _have in Elements(answer.content).found} & {"script", "b"} == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("RFC 8628 §5.1 guessing")
def test_guesses_at_the_same_moment_meet_the_same_limit(now: datetime) -> None:
    """Over HTTP, with threads and a connection each: what workers share is the database alone."""
    realm = make_realm()
    make_person(realm=realm)
    device = register_device(realm, Browser(), now)
    device.app.sign_in()
    cookies = {name: each.value for name, each in device.app.browser.cookies.items()}

    def guess(_number: int) -> int:
        tab = Browser(raise_request_exception=False)
        tab.cookies.load(cookies)
        status: int = Device(replace(device.app, browser=tab)).page(user_code=WRONG).status_code
        return status

    with stopped():
        found = at_once(2 * USER_CODE_PERSON.burst, guess)
    assert sorted(found) == [422] * USER_CODE_PERSON.burst + [429] * USER_CODE_PERSON.burst
