"""More than a password: what realms, clients and requests demand of a sign-in, and how a person gets there."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts import acr
from accounts.acr import ACR_VALUES, MULTI_FACTOR, PHISHING_RESISTANT, SINGLE_FACTOR
from accounts.models import Session, User
from realms.models import Realm
from tests.flows.code_flow import App, post, register, sent_back
from tests.flows.device_flow import Device, register_device
from tests.flows.test_code_exchange import claims_of
from tests.pages import Elements
from tests.proofs import BY_PASSKEY, WITH_A_CODE, give_app, give_passkey, signed_in_by
from tests.provider import Browser, make_person, make_realm
from tokens.models import Client, Grant
from tokens.vocabulary import ResponseType

PROVE, SET_UP = reverse("second-factor"), reverse("second-factor-set-up")
UNMET = "unmet_authentication_requirements"


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, response_types=tuple(ResponseType))
    found.sign_in()
    return found


def essential(*classes: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": classes}}})


def led(response: Any) -> tuple[str, str]:
    """The page that a person is led to, and where it leads on."""
    assert response.status_code == 303, response.content
    target = urlsplit(response["Location"])
    return target.path, parse_qs(target.query)["next"][0]


def page_of(response: Any) -> str:
    return led(response)[0]


def error_of(response: Any) -> str:
    return sent_back(response)["error"]


def demand(of: str) -> dict[str, str]:
    """A request that demands a second factor, by itself or by what is registered."""
    if of == "client":
        Client.objects.update(require_second_factor=True)
    elif of == "realm":
        Realm.objects.update(require_second_factor=True)
    elif of == "acr":
        return {"claims": essential(MULTI_FACTOR)}
    return {"acr_values": MULTI_FACTOR} if of == "acr_values" else {}


EVERY = ("client", "realm", "acr", "acr_values")


class TestWay:
    """To the page, and back with what was demanded."""

    @pytest.mark.spec("RFC 9470 §5 acr-attempted, OIDC Core §5.5.1.1 essential-acr, RFC 8176 §2 mfa, issue 3 of 6")
    @pytest.mark.parametrize("of", EVERY)
    def test_who_signed_in_with_less_proves_the_rest_and_goes_on(
        self, app: App, ana: User, realm: Realm, of: str
    ) -> None:
        give_app(ana)
        page, onward = led(app.authorize(**demand(of)))
        assert page == PROVE
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        answer = sent_back(app.browser.get(onward))
        assert answer["state"] == "s1"
        told = claims_of(app.exchange(answer["code"]).json()["id_token"])
        assert (told["acr"], told["amr"]) == (MULTI_FACTOR, list(WITH_A_CODE))

    @pytest.mark.spec("RFC 9470 §5 acr-attempted")
    @pytest.mark.parametrize("of", EVERY)
    def test_who_has_no_second_factor_sets_one_up_first(self, app: App, of: str) -> None:
        assert page_of(app.authorize(**demand(of))) == SET_UP

    @pytest.mark.spec("RFC 9470 §5 acr-attempted")
    @pytest.mark.parametrize("of", EVERY)
    def test_who_proved_it_already_is_not_asked_again(self, app: App, ana: User, realm: Realm, of: str) -> None:
        for methods in (WITH_A_CODE, BY_PASSKEY):
            signed_in_by(app.browser, ana, realm=realm, methods=methods)
            assert "code" in sent_back(app.authorize(**demand(of)))

    @pytest.mark.spec("RFC 9470 §5 acr-attempted")
    def test_a_passkey_is_asked_for_where_only_it_is_sure_enough(self, app: App, ana: User, realm: Realm) -> None:
        give_app(ana)
        give_passkey(ana)
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        page, onward = led(app.authorize(acr_values=PHISHING_RESISTANT))
        assert page == PROVE
        signed_in_by(app.browser, ana, realm=realm, methods=BY_PASSKEY)
        told = claims_of(app.exchange(sent_back(app.browser.get(onward))["code"]).json()["id_token"])
        assert told["acr"] == PHISHING_RESISTANT

    @pytest.mark.spec("RFC 9470 §5 acr-attempted")
    def test_who_needs_a_passkey_is_offered_nothing_that_is_turned_down(
        self, app: App, ana: User, realm: Realm
    ) -> None:
        """A code would have ended in the client's error, with the passkey at hand."""
        give_app(ana)
        give_passkey(ana)
        asked = app.authorize(acr_values=PHISHING_RESISTANT)
        page = Elements(app.browser.get(asked["Location"]).content)
        form = page.one(id="passkey-use-form")
        assert not page.all(name="code")
        refused = post(
            app.browser, str(form["action"]), {"credential": "{}", "only": page.one(name="only")["value"] or ""}
        )
        assert refused.status_code == 422
        assert not Elements(refused.content).all(name="code")
        assert Elements(refused.content).one(name="only")["value"] == "passkey"
        other = Elements(app.browser.get(app.authorize(acr_values=MULTI_FACTOR)["Location"]).content)
        assert other.one(name="code")
        assert other.one(id="passkey-use-form")

    @pytest.mark.spec("issue: step-up in place")
    @pytest.mark.parametrize("way", ["client", "device", "account"])
    def test_half_a_sign_in_of_somebody_else_is_not_asked_for_in_its_place(
        self, app: App, ana: User, realm: Realm, now: datetime, way: str
    ) -> None:
        """Left behind in this browser: its person's factor would be asked for, and this one's code count as a guess."""
        give_app(ana)
        give_app(make_person("bea", realm=realm))
        app.sign_in("bea")
        if way == "client":
            page = app.authorize(**demand("client"))["Location"]
        elif way == "device":
            device = register_device(realm, app.browser, now, client_id="tv", require_second_factor=True)
            page = device.page(user_code=device.codes()["user_code"])["Location"]
        else:
            page = app.browser.get("/account/data")["Location"]
        assert page.startswith(PROVE)
        assert b"You are signed in as <strong><bdi>ana" in app.browser.get(page).content

    @pytest.mark.spec("RFC 9470 §5 acr-attempted")
    def test_the_hint_hides_nothing_from_who_has_no_passkey(self, app: App, ana: User, realm: Realm) -> None:
        give_app(ana)
        assert Elements(app.browser.get(f"{PROVE}?only=passkey").content).one(name="code")
        assert app.browser.get(f"{PROVE}?only=passkey&only=x").status_code == 400

    @pytest.mark.spec("OpenID Connect Core §3.1.2.1, acr_values: in order of preference")
    def test_of_several_classes_one_is_enough(self, app: App) -> None:
        asked = f"{PHISHING_RESISTANT} urn:gold {SINGLE_FACTOR}"
        assert "code" in sent_back(app.authorize(acr_values=asked))

    @pytest.mark.spec("OpenID Connect Core §5.5.1.1, RFC 9470 §5")
    def test_of_several_demands_all_have_to_be_met(self, app: App, ana: User, realm: Realm) -> None:
        give_app(ana)
        give_passkey(ana)
        demand("realm")
        asked = {"acr_values": PHISHING_RESISTANT, "claims": essential(SINGLE_FACTOR)}
        assert page_of(app.authorize(**asked)) == PROVE
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        assert page_of(app.authorize(**asked)) == PROVE
        signed_in_by(app.browser, ana, realm=realm, methods=BY_PASSKEY)
        assert "code" in sent_back(app.authorize(**asked))

    @pytest.mark.spec("RFC 9470 §5 unknown-acr, OIDC Core §15.1 acr-values")
    def test_a_wish_of_which_nothing_is_known_changes_nothing(self, app: App) -> None:
        for wish in ("urn:gold urn:silver", "0", MULTI_FACTOR.upper(), f"{MULTI_FACTOR}x"):
            assert "code" in sent_back(app.authorize(acr_values=wish))

    @pytest.mark.spec("RFC 9470 §5 acr-attempted")
    def test_a_class_that_is_known_counts_beside_others(self, app: App) -> None:
        assert page_of(app.authorize(acr_values=f"urn:gold  {MULTI_FACTOR} urn:silver")) == SET_UP

    @pytest.mark.spec("RFC 9470 §5 max-age, OIDC Core §3.1.2.1 max-age")
    def test_an_old_sign_in_is_renewed_first_and_then_stepped_up(self, app: App, ana: User) -> None:
        give_app(ana)
        app.browser.cookies.clear()
        with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
            signed_in_by(app.browser, ana, realm=Realm.objects.get(), methods=["pwd"])
        page, onward = led(app.authorize(max_age="60", acr_values=MULTI_FACTOR))
        assert page == "/sign-in"
        assert page_of(app.browser.get(onward)) == PROVE  # where the person came by with no more than a password
        # A sign-in asks for the factor by itself, so nobody comes by without.
        assert page_of(app.sign_in(next=onward)) == PROVE

    @pytest.mark.spec("OpenID Connect Core §2, auth_time", "RFC 9470 §5 auth-time")
    def test_the_time_of_the_sign_in_stays_that_of_the_first_proof(self, app: App, ana: User, realm: Realm) -> None:
        app.browser.cookies.clear()
        began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
        with time_machine.travel(began, tick=False):
            signed_in_by(app.browser, ana, realm=realm, methods=["pwd"])
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        tokens = app.exchange(app.code(acr_values=MULTI_FACTOR, scope="openid offline_access")).json()
        for token in (tokens["id_token"], tokens["access_token"]):
            assert claims_of(token)["auth_time"] == int(began.timestamp())
        # To have it young, a client asks for it.
        assert page_of(app.authorize(max_age="60")) == "/sign-in"

    @pytest.mark.spec("RFC 6749 §3.1.2, RFC 9700 §4.11")
    def test_the_request_comes_back_as_it_was(self, app: App, ana: User, realm: Realm) -> None:
        give_app(ana)
        nonce, state = "n & =é+ ", "s?#/"
        _page, onward = led(app.authorize(acr_values=MULTI_FACTOR, nonce=nonce, state=state, ui_locales="de"))
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        answer = sent_back(app.browser.get(onward))
        assert answer["state"] == state
        assert claims_of(app.exchange(answer["code"]).json()["id_token"])["nonce"] == nonce

    @pytest.mark.spec("RFC 9470 §5 acr-attempted")
    def test_it_holds_on_the_consent_page_too(self, app: App, ana: User, realm: Realm) -> None:
        Client.objects.update(first_party=False)
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        asked = app.authorize(acr_values=MULTI_FACTOR)["Location"]
        assert urlsplit(asked).path == "/consent"
        signed_in_by(app.browser, ana, realm=realm, methods=["pwd"])
        assert page_of(post(app.browser, asked, {"decision": "allow"})) == SET_UP
        assert not Grant.objects.exists()
        # Somebody else who signs in there is asked anew.
        assert "signet_stepped_up" not in asked

    @pytest.mark.spec("tokens.md, realms: a session of one realm satisfies no other")
    def test_the_demand_of_one_realm_is_nothing_to_another(self, app: App, now: datetime) -> None:
        Realm.objects.update(require_second_factor=True)
        other = make_realm("other")
        make_person("bo", realm=other)
        there = register(other, Browser(), now)
        there.sign_in("bo")
        assert "code" in sent_back(there.authorize())
        assert page_of(app.authorize()) == SET_UP


class TestRefusal:
    """What can't be met is told to the client, once the person is known; and nobody goes round in circles."""

    @pytest.mark.spec("RFC 9470 §5 acr-unmet, OIDC Core §5.5.1.1 essential-acr")
    @pytest.mark.parametrize("asked", [{"acr_values": PHISHING_RESISTANT}, {"claims": essential(PHISHING_RESISTANT)}])
    def test_nobody_makes_their_first_passkey_on_the_way(self, app: App, ana: User, asked: dict[str, str]) -> None:
        assert error_of(app.authorize(**asked)) == UNMET
        give_app(ana)
        assert error_of(app.authorize(**asked)) == UNMET

    @pytest.mark.spec("RFC 9470 §5 acr-unmet, OIDC Core §5.5.1.1 essential-acr")
    def test_a_demanded_class_that_nobody_knows_is_out_of_reach(self, app: App, ana: User) -> None:
        give_passkey(ana)
        assert error_of(app.authorize(claims=essential("urn:gold"))) == UNMET
        assert error_of(app.authorize(claims=essential("urn:gold"), acr_values=MULTI_FACTOR)) == UNMET

    @pytest.mark.spec("RFC 9470 §5 acr-unmet, OIDC Core §3.1.2.3 prompt-none, OIDC Core §3.1.2.1 prompt-none")
    @pytest.mark.parametrize(
        ("of", "word"),
        [("client", "login_required"), ("realm", "login_required"), ("acr", UNMET), ("acr_values", UNMET)],
    )
    def test_in_silence_no_page_is_shown(self, app: App, ana: User, of: str, word: str) -> None:
        asked = demand(of)
        assert error_of(app.authorize(prompt="none", **asked)) == word
        give_app(ana)
        assert error_of(app.authorize(prompt="none", **asked)) == word

    @pytest.mark.spec("RFC 9470 §5 no-circle")
    @pytest.mark.parametrize("of", EVERY)
    def test_who_comes_back_with_as_little_is_not_sent_again(self, app: App, ana: User, of: str) -> None:
        give_app(ana)
        _page, onward = led(app.authorize(**demand(of)))
        assert error_of(app.browser.get(onward)) == UNMET
        assert not Grant.objects.exists()

    @pytest.mark.spec("RFC 9470 §5 no-circle")
    def test_who_proves_the_wrong_thing_is_not_sent_again(self, app: App, ana: User, realm: Realm) -> None:
        give_app(ana)
        give_passkey(ana)
        _page, onward = led(app.authorize(acr_values=PHISHING_RESISTANT))
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        assert error_of(app.browser.get(onward)) == UNMET

    @pytest.mark.spec("RFC 9470 §5 acr-attempted")
    def test_who_signs_in_anew_meanwhile_is_asked_again(self, app: App, ana: User, realm: Realm) -> None:
        _page, onward = led(app.authorize(acr_values=MULTI_FACTOR))
        app.browser.cookies.clear()
        page, after = led(app.browser.get(onward))
        assert page == "/sign-in"
        signed_in_by(app.browser, ana, realm=realm, methods=["pwd"])
        assert page_of(app.browser.get(after)) == SET_UP

    @pytest.mark.spec("RFC 9470 §5 no-circle, RFC 9700 §4.11")
    def test_the_mark_of_having_been_asked_opens_nothing(self, app: App, ana: User) -> None:
        give_app(ana)
        forged = {"signet_stepped_up": "1"}
        assert error_of(app.authorize(acr_values=MULTI_FACTOR, **forged)) == UNMET
        assert "code" in sent_back(app.authorize(**forged))
        _page, onward = led(app.authorize(acr_values=MULTI_FACTOR, signet_stepped_up="2"))
        assert parse_qs(urlsplit(onward).query)["signet_stepped_up"] == ["1"]
        app.browser.cookies.clear()
        assert page_of(app.authorize(acr_values=MULTI_FACTOR, **forged)) == "/sign-in"

    @pytest.mark.spec("RFC 9700 §4.11.2")
    def test_nobody_learns_of_it_before_the_sign_in(self, app: App) -> None:
        app.browser.cookies.clear()
        for of in EVERY:
            assert page_of(app.authorize(**demand(of))) == "/sign-in"
            assert error_of(app.authorize(prompt="none", **demand(of))) == "login_required"

    @pytest.mark.spec("RFC 6749 §4.1.2.1 error")
    def test_a_request_that_is_too_long_to_come_back_to_is_told_on_a_page(self, app: App, ana: User) -> None:
        give_app(ana)
        parameters = {
            "response_type": "code",
            "client_id": app.client.client_id,
            "redirect_uri": "https://app.example.org/cb",
            "scope": "openid",
            "code_challenge": "c" * 43,
            "code_challenge_method": "S256",
            "acr_values": MULTI_FACTOR,
            "x": "y" * 5_000,
        }
        answer = post(app.browser, "/authorize", parameters)
        assert answer.status_code == 400


class TestTruth:
    """What tokens say of a sign-in is what happened in it."""

    @pytest.mark.spec("RFC 9470 §6.1 jwt, RFC 9470 §6.2 introspection, RFC 8176 §2 told, RFC 9068 §2.2.1")
    def test_tokens_and_introspection_tell_class_methods_and_time(
        self, app: App, ana: User, realm: Realm, now: datetime
    ) -> None:
        api = register(
            realm, Browser(), now, client_id="api", grant_types=(), redirect_uris=(), introspects=(realm.issuer,)
        )
        expected = {("pwd",): SINGLE_FACTOR, WITH_A_CODE: MULTI_FACTOR, BY_PASSKEY: PHISHING_RESISTANT}
        for methods, reached in expected.items():
            session = signed_in_by(app.browser, ana, realm=realm, methods=methods)
            tokens = app.exchange(app.code()).json()
            about = {"acr": reached, "amr": list(methods), "auth_time": int(session.auth_time.timestamp())}
            introspected = post(
                api.browser,
                "/introspect",
                {"client_id": "api", "client_secret": str(api.secret), "token": tokens["access_token"]},
            ).json()
            for told in (claims_of(tokens["id_token"]), claims_of(tokens["access_token"]), introspected):
                assert {name: told[name] for name in about} == about

    @pytest.mark.spec("RFC 9068 §2.2.1, RFC 8176 §2")
    def test_what_was_granted_before_keeps_its_class(self, app: App, ana: User, realm: Realm) -> None:
        before = app.exchange(app.code(scope="openid offline_access")).json()
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        demand("client")
        demand("realm")
        refreshed = app.refresh(before["refresh_token"], scope="openid").json()
        for token in (refreshed["access_token"], refreshed["id_token"]):
            assert claims_of(token)["acr"] == SINGLE_FACTOR

    @pytest.mark.spec("RFC 9470 §7 announced, OIDC Discovery §3")
    def test_discovery_names_the_classes_that_there_are(self, app: App) -> None:
        found = app.browser.get("/.well-known/openid-configuration").json()
        assert found["acr_values_supported"] == list(ACR_VALUES)

    @pytest.mark.spec("RFC 8176 §2 registered")
    def test_methods_are_words_of_the_registry(self) -> None:
        words = {acr.PASSWORD, acr.ONE_TIME_CODE, acr.KEY, acr.PRESENCE, acr.SECOND_FACTOR}
        assert words <= {"pwd", "otp", "pop", "user", "mfa"}
        assert acr.amr_of((*sorted(words), acr.FEDERATED)) == tuple(sorted(words))

    @pytest.mark.spec("house.md, cost of a request")
    def test_who_proved_enough_costs_no_query_more(
        self, app: App, ana: User, realm: Realm, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        signed_in_by(app.browser, ana, realm=realm, methods=WITH_A_CODE)
        app.code()
        with django_assert_num_queries(_queries_of(app)):
            app.code(acr_values=MULTI_FACTOR)


def _queries_of(app: App) -> int:
    with CaptureQueriesContext(connection) as found:
        app.code()
    return len(found)


class TestDevice:
    """The page on which a person allows what a device asked for."""

    @pytest.fixture
    def device(self, realm: Realm, ana: User, browser: Browser, now: datetime) -> Device:
        found = register_device(realm, browser, now)
        found.app.sign_in()
        return found

    @pytest.mark.spec("RFC 8628 §3.3, RFC 9470 §5, issue 3 of 6")
    @pytest.mark.parametrize("of", ["client", "realm"])
    def test_the_demand_holds_there_as_well(self, device: Device, ana: User, realm: Realm, of: str) -> None:
        demand(of)
        codes = device.codes()
        typed = codes["user_code"]
        back = f"/device?{urlencode({'user_code': typed})}"
        assert led(device.page(user_code=typed)) == (SET_UP, back)
        give_app(ana)
        assert led(device.page(user_code=typed)) == (PROVE, back)
        assert led(device.decide(typed)) == (PROVE, back)
        assert device.error(codes["device_code"]) == "authorization_pending"
        signed_in_by(device.app.browser, ana, realm=realm, methods=WITH_A_CODE)
        assert device.page(user_code=typed).status_code == 200
        device.decide(typed)
        token = device.poll(codes["device_code"]).json()["access_token"]
        assert claims_of(token)["acr"] == MULTI_FACTOR

    @pytest.mark.spec("RFC 8628 §3.3, RFC 8628 §5.4")
    def test_to_deny_takes_no_second_factor(self, device: Device) -> None:
        demand("client")
        codes = device.codes()
        assert device.decide(codes["user_code"], "deny").status_code == 200
        assert device.error(codes["device_code"]) == "access_denied"

    @pytest.mark.spec("RFC 8628 §5.1")
    def test_a_wrong_code_tells_nothing_of_the_demand(self, device: Device) -> None:
        demand("realm")
        assert device.page(user_code="BBBB-BBBB").status_code == 422
        assert not Session.objects.filter(ended_at__isnull=False).exists()
