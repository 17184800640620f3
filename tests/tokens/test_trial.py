"""*Try it*: a real sign-in as a client from its page in the admin, and all that has to be in place for it."""

import html
import json
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import time_machine
from django.contrib.auth.models import Permission

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from keys.algorithms import Purpose
from realms.models import Realm
from tests.flows.code_flow import App, post, register
from tests.pages import FORM, Elements
from tests.proofs import WITH_A_CODE, give_app, signed_in_by
from tests.provider import PASSWORD, Browser, distrust, make_person, make_realm
from tests.tokens.clients import jwk, key
from tokens.models import Client, Grant
from tokens.services.trial import callback
from tokens.vocabulary import ResponseType, RevocationReason

pytestmark = pytest.mark.spec("issue 3 of 6: clients, with a try-it link that runs a sign-in")
ANSWER = "/admin/tokens/client/trial/"


@pytest.fixture
def operator(realm: Realm) -> User:
    return make_person("root", realm=realm, is_staff=True, is_superuser=True)


@pytest.fixture
def admin(browser: Browser, operator: User) -> Browser:
    browser.force_login(operator)
    return browser


@pytest.fixture
def app(realm: Realm, admin: Browser, now: datetime) -> App:
    return register(realm, admin, now, redirect_uris=("https://app.example.org/cb", callback()))


def page_of(client: Client) -> str:
    return f"/admin/tokens/client/{client.pk}/try/"


def begin(app: App, **form: str) -> Any:
    return app.browser.post(page_of(app.client), form)


def fields_of(page: Any) -> dict[str, str]:
    """What the page at the authorization endpoint posts to the callback."""
    assert page.status_code == 200, page.content
    text = page.content.decode()
    assert f'<form method="post" action="{callback()}"' in text
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', text)
    return {name: html.unescape(value) for name, value in found}


def through(app: App, begun: Any) -> dict[str, str]:
    """The answer, from somebody who signs in on the way."""
    asked = app.browser.get(begun["Location"])
    following = parse_qs(urlsplit(asked["Location"]).query)["next"][0]
    signed = post(app.browser, "/sign-in", {"username": "root", "password": PASSWORD, "next": following})
    return fields_of(app.browser.get(signed["Location"]))


def answered(app: App, fields: dict[str, str]) -> Any:
    return app.browser.post(ANSWER, urlencode(fields), FORM)


def claims_on(page: Any, place: str) -> dict[str, Any]:
    found = re.search(rf'<pre id="{place}">(.*?)</pre>', page.content.decode(), re.DOTALL)
    assert found is not None, page.content
    claims: dict[str, Any] = json.loads(html.unescape(found[1]))
    return claims


class TestRun:
    """From the button to the claims."""

    def test_a_sign_in_runs_and_the_claims_are_shown(self, app: App, operator: User, realm: Realm) -> None:
        link = Elements(app.browser.get(f"/admin/tokens/client/{app.client.pk}/change/").content).one(id="try-it")
        assert link["href"] == page_of(app.client)
        assert Elements(app.browser.get(page_of(app.client)).content).one(id="trial-begin")
        begun = begin(app)
        assert begun.status_code == 303
        asked = parse_qs(urlsplit(begun["Location"]).query)
        assert asked["redirect_uri"] == [callback()]
        assert (asked["response_mode"], asked["code_challenge_method"]) == (["form_post"], ["S256"])
        assert asked["scope"] == ["openid profile email notes:read"]  # nothing to stay connected with
        page = answered(app, through(app, begun))
        assert page.status_code == 200
        assert "no-store" in page["Cache-Control"]
        told, access = claims_on(page, "trial-id-token"), claims_on(page, "trial-access-token")
        assert (told["sub"], told["aud"], told["nonce"]) == (operator.subject, "app", asked["nonce"][0])
        assert (access["client_id"], access["iss"]) == ("app", realm.issuer)

    @pytest.mark.spec("RFC 6749 §4.1.2, RFC 7636 §4.5")
    def test_nothing_secret_is_shown_kept_or_logged(
        self, app: App, operator: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        begun = begin(app)
        verifier = app.browser.session["signet.trial"]["verifier"]
        fields = through(app, begun)
        page = answered(app, fields)
        text = page.content.decode()
        assert verifier not in begun["Location"]
        assert "signet.trial" not in app.browser.session
        for secret in (verifier, fields["code"]):
            assert secret not in text
            assert secret not in caplog.text
        assert not re.search(r"eyJ[A-Za-z0-9_-]{10,}\.", text)  # no JWT

    def test_the_grant_ends_at_once_and_leaves_events(self, app: App, operator: User) -> None:
        answered(app, through(app, begin(app)))
        grant = Grant.objects.get()
        assert grant.revocation_reason == RevocationReason.OPERATOR
        tried = Event.objects.get(name=EventName.CLIENT_TRIED)
        assert (tried.actor, tried.target) == (f"user:{operator.subject}", "app")
        assert Event.objects.filter(name=EventName.GRANT_ENDED, target=str(grant.pk)).exists()

    def test_whoever_is_signed_in_may_be_asked_again(self, app: App, operator: User, realm: Realm) -> None:
        signed_in_by(app.browser, operator, realm=realm, methods=["pwd"])
        assert "code" in fields_of(app.browser.get(begin(app)["Location"]))
        assert urlsplit(app.browser.get(begin(app, anew="on")["Location"])["Location"]).path == "/sign-in"

    def test_it_meets_every_rule_on_the_way(self, app: App, operator: User, realm: Realm) -> None:
        Client.objects.update(require_second_factor=True, first_party=False)
        give_app(operator)
        signed_in_by(app.browser, operator, realm=realm, methods=["pwd"])
        there = app.browser.get(begin(app)["Location"])
        assert urlsplit(there["Location"]).path == "/sign-in/second-factor"
        signed_in_by(app.browser, operator, realm=realm, methods=WITH_A_CODE)
        asked = app.browser.get(parse_qs(urlsplit(there["Location"]).query)["next"][0])
        assert urlsplit(asked["Location"]).path == "/consent"
        page = answered(app, fields_of(post(app.browser, asked["Location"], {"decision": "allow"})))
        assert claims_on(page, "trial-id-token")["amr"] == list(WITH_A_CODE)

    def test_who_says_no_reads_the_refusal(self, app: App, operator: User, realm: Realm) -> None:
        Client.objects.update(first_party=False)
        signed_in_by(app.browser, operator, realm=realm, methods=["pwd"])
        asked = app.browser.get(begin(app)["Location"])
        page = answered(app, fields_of(post(app.browser, asked["Location"], {"decision": "deny"})))
        assert "access_denied" in page.content.decode()
        assert not Grant.objects.exists()

    def test_of_what_only_the_client_can_read_nothing_is_shown(
        self, realm: Realm, admin: Browser, operator: User, now: datetime
    ) -> None:
        keys = {"keys": [{**jwk(key("ES384"), "ES384", "enc-1"), "use": "enc"}]}
        app = register(
            realm, admin, now, redirect_uris=(callback(),), jwks=keys, id_token_encryption_alg="ECDH-ES",
            id_token_encryption_enc="A128GCM", opaque_access_tokens=True,
        )  # fmt: skip
        signed_in_by(admin, operator, realm=realm, methods=["pwd"])
        page = answered(app, fields_of(admin.get(begin(app)["Location"])))
        elements = Elements(page.content)
        assert elements.one(id="trial-id-token-encrypted")
        assert claims_on(page, "trial-access-token")["client_id"] == "app"
        assert b"at_" not in page.content.replace(b"iat_", b"")

    def test_in_another_realm_its_own_pages_are_used(self, admin: Browser, operator: User, now: datetime) -> None:
        other = make_realm("other")
        make_person("bo", realm=other)
        app = register(other, admin, now, redirect_uris=(callback(),))
        assert urlsplit(begin(app)["Location"]).path == "/realms/other/authorize"

    def test_the_other_redirect_uris_only_show_the_way(self, app: App, operator: User, realm: Realm) -> None:
        signed_in_by(app.browser, operator, realm=realm, methods=["pwd"])
        page = app.browser.get(page_of(app.client)).content.decode()
        [address] = re.findall(r'<a href="(/authorize[^"]*)">', page)
        asked = parse_qs(urlsplit(html.unescape(address)).query)
        assert asked["redirect_uri"] == ["https://app.example.org/cb"]
        assert asked["code_challenge"]


class TestMissing:
    """What can't run says what is missing."""

    def sentences(self, app: App) -> str:
        page = app.browser.get(page_of(app.client))
        assert b"trial-begin" not in page.content
        assert begin(app).status_code == 200  # no way round it
        assert "signet.trial" not in app.browser.session
        return html.unescape(page.content.decode())

    def test_the_callback_has_to_be_registered(self, realm: Realm, admin: Browser, now: datetime) -> None:
        assert callback() in self.sentences(register(realm, admin, now))

    def test_so_has_the_response_type_and_all_has_to_be_switched_on(self, app: App) -> None:
        Client.objects.filter(pk=app.client.pk).update(enabled=False, response_types=[ResponseType.ID_TOKEN])
        Realm.objects.update(enabled=False)
        told = self.sentences(app)
        for sentence in ("realm is switched off", "tick enabled", "response type code"):
            assert sentence in told

    def test_the_built_in_client_has_nothing_to_try(self, realm: Realm, admin: Browser) -> None:
        built_in = Client.objects.get(kind="built_in")
        assert "provider's own" in self.sentences(App(built_in, None, admin))
        assert b"try-it" not in admin.get(f"/admin/tokens/client/{built_in.pk}/change/").content


class TestHostile:
    """Only the answer to this operator's own request counts, once."""

    @pytest.fixture
    def fields(self, app: App, operator: User, realm: Realm) -> dict[str, str]:
        signed_in_by(app.browser, operator, realm=realm, methods=["pwd"])
        return fields_of(app.browser.get(begin(app)["Location"]))

    def failure(self, page: Any) -> str:
        assert b"trial-success" not in page.content
        assert Elements(page.content).one(id="trial-failure")
        return html.unescape(page.content.decode())

    @pytest.mark.spec("RFC 6749 §10.12, RFC 9207 §2.4")
    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"state": "other"}, "another state"),
            ({"state": ""}, "another state"),
            ({"iss": "https://evil.example"}, "another issuer"),
            ({"iss": ""}, "another issuer"),
            ({"code": "x"}, "not honoured"),
            ({"code": ""}, "not honoured"),
            ({"code": "\x00"}, "not honoured"),
        ],
    )
    def test_an_answer_that_was_changed_is_refused(
        self, app: App, fields: dict[str, str], changes: dict[str, str], why: str
    ) -> None:
        assert why in self.failure(answered(app, {**fields, **changes}))
        assert not Event.objects.filter(name=EventName.CLIENT_TRIED).exists()

    def test_a_parameter_that_comes_twice_counts_for_nothing(self, app: App, fields: dict[str, str]) -> None:
        twice = f"{urlencode(fields)}&state={fields['state']}"
        assert "another state" in self.failure(app.browser.post(ANSWER, twice, FORM))

    def test_it_works_once(self, app: App, fields: dict[str, str]) -> None:
        assert b"trial-success" in answered(app, fields).content
        again = answered(app, fields)
        assert (again.status_code, again["Location"]) == (302, "/admin/tokens/client/")

    def test_a_refused_answer_is_no_second_try(self, app: App, fields: dict[str, str]) -> None:
        answered(app, {**fields, "state": "other"})
        assert answered(app, fields).status_code == 302

    def test_nobody_else_can_use_it(self, app: App, fields: dict[str, str], realm: Realm) -> None:
        other = Browser()
        other.force_login(make_person("second", realm=realm, is_staff=True, is_superuser=True))
        assert other.post(ANSWER, urlencode(fields), FORM).status_code == 302
        assert Grant.objects.get().code_used_at is None

    def test_it_ends_after_a_while(self, app: App, fields: dict[str, str]) -> None:
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=16)):
            assert "too long ago" in self.failure(answered(app, fields))

    def test_an_address_does_nothing(self, app: App, fields: dict[str, str]) -> None:
        assert app.browser.get(f"{ANSWER}?{urlencode(fields)}").status_code == 302
        assert Grant.objects.get().code_used_at is None

    def test_a_realm_without_a_key_is_said_to_be(self, app: App, fields: dict[str, str]) -> None:
        distrust(Purpose.SIGN)
        assert "No key may sign now" in self.failure(answered(app, fields))
        assert Grant.objects.get().revocation_reason == RevocationReason.OPERATOR

    def test_the_error_of_a_stranger_is_shown_as_text(self, app: App, fields: dict[str, str]) -> None:
        forged = {"state": fields["state"], "iss": fields["iss"], "error": "<b>x", "error_description": "<script>"}
        page = answered(app, forged).content
        assert b"<b>x" not in page
        assert b"<script>" not in page.replace(b"<script src", b"")

    @pytest.mark.spec("issue 3 of 6: Django's permissions, and tests that each can do no more than that")
    @pytest.mark.parametrize("permission", ["view_client", "add_client"])
    def test_it_takes_the_permission_to_change_clients(
        self, app: App, fields: dict[str, str], operator: User, permission: str
    ) -> None:
        User.objects.filter(pk=operator.pk).update(is_superuser=False)
        operator.user_permissions.set(Permission.objects.filter(codename=permission))
        assert app.browser.get(page_of(app.client)).status_code == 403
        assert begin(app).status_code == 403
        assert answered(app, fields).status_code == 403
        operator.user_permissions.set(Permission.objects.filter(codename="change_client"))
        assert app.browser.get(page_of(app.client)).status_code == 200

    def test_a_person_who_is_no_operator_comes_to_the_login(self, app: App, realm: Realm) -> None:
        stranger = Browser()
        for answer in (stranger.get(page_of(app.client)), stranger.post(ANSWER, "", FORM)):
            assert answer.status_code == 302
            assert urlsplit(answer["Location"]).path == "/admin/login/"

    def test_the_button_is_protected_from_other_sites(self, app: App, operator: User) -> None:
        strict = Browser(enforce_csrf_checks=True)
        strict.force_login(operator)
        assert strict.post(page_of(app.client), {}, headers={"origin": "https://evil.example"}).status_code == 403
