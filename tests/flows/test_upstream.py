"""Signing in with an upstream provider: what is asked of it, who that is here, and what becomes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from accounts.acr import MULTI_FACTOR
from accounts.budget import UPSTREAM_ADDRESS
from accounts.models import Membership, Session, TotpSecret, UpstreamLink, UpstreamProvider, User
from accounts.services.attempts import Attempt, reserve
from accounts.services.personal import open_personal
from audit.models import Event
from audit.vocabulary import EventName
from keys import api
from realms.models import Realm
from tests.flows.code_flow import register, sent_back
from tests.flows.upstream_flow import Visit, _loopback, add_provider, upstream, visit
from tests.pages import Elements, whose
from tests.provider import Browser, make_person, make_realm
from tests.second_factors import give_totp
from tests.upstream import CLIENT_ID, upstream_provider

__all__ = ["_loopback", "upstream", "visit"]
pytestmark = pytest.mark.spec("tokens.md People and sessions")


def faults() -> list[Any]:
    return [event.details["fault"] for event in Event.objects.filter(name=EventName.SIGN_IN_REFUSED).order_by("pk")]


@pytest.mark.spec("OpenID Connect Core §3.1.2.1, RFC 7636 §4.3, RFC 9700 §2.1.1, RFC 9700 §4.4")
def test_the_browser_is_sent_with_all_that_binds_the_answer_to_it(visit: Visit) -> None:
    address = visit.address(login_hint="ana@example.org")
    asked = dict(parse_qsl(urlsplit(address).query, strict_parsing=True))
    assert asked.pop("state") != asked.pop("nonce")
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "https://id.example.test/upstream/corp/callback",
        "scope": "openid email",
        "code_challenge_method": "S256",
        "max_age": "25200",
        "login_hint": "ana@example.org",
    }
    held = visit.browser.session["signet.upstream_departures"][0]["secrets"]
    assert held["code_verifier"] not in address


def test_a_linked_person_is_signed_in_and_goes_on(visit: Visit, ana: User, now: datetime) -> None:
    made = visit.link(ana, now)
    answer = visit.come_back(next="/account/sessions")
    assert (answer.status_code, answer["Location"]) == (303, "/account/sessions")
    session = Session.objects.get()
    assert (session.user, session.methods) == (ana, ["fed"])
    assert session.auth_time == datetime.fromtimestamp(int(visit.upstream.signed_in_at or 0), UTC)
    made.refresh_from_db()
    assert made.last_used_at is not None
    [event] = Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED)
    assert open_personal(event) == {"address": "127.0.0.1"}
    del event.details["sealed"]
    assert (event.target, event.details) == (ana.subject, {"methods": "fed", "upstream": "corp"})
    assert whose(visit.browser) == "ana"
    assert visit.upstream.count("/userinfo") == 0


def test_who_has_a_second_factor_has_only_begun(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now)
    give_totp(ana, now)
    assert visit.come_back()["Location"] == "/sign-in/second-factor"
    [event] = Event.objects.filter(name=EventName.SIGN_IN_BEGUN)
    del event.details["sealed"]
    assert event.details == {"methods": "fed", "upstream": "corp"}
    assert not Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).exists()


def test_a_next_elsewhere_leads_nowhere(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now)
    assert visit.come_back(next="https://evil.example/")["Location"] == "/signed-in"


def test_the_sign_in_page_has_a_button_for_each_enabled_provider_of_the_realm(
    visit: Visit, realm: Realm, now: datetime, django_assert_num_queries: Any
) -> None:
    add_provider(realm, visit.upstream, now, slug="off", enabled=False)
    add_provider(make_realm("other", purposes=()), visit.upstream, now, slug="there")
    add_provider(realm, visit.upstream, now, slug="a", name="A & B")
    page = visit.browser.get("/sign-in?login_hint=ana&prompt=login&max_age=5&next=/account")
    buttons = [found["id"] for found in Elements(page.content).all(type="submit")]
    assert buttons == ["login-submit", "passkey-sign-in", "upstream-a", "upstream-corp"]
    assert b"Sign in with A &amp; B" in page.content
    assert Elements(page.content).one(id="upstream-corp-form")["action"] == "/upstream/corp/start"
    for name, value, forms in (("prompt", "login", 4), ("max_age", "5", 4), ("next", "/account", 3)):
        assert [found["value"] for found in Elements(page.content).all(name=name)] == [value] * forms
    assert "next=%2Faccount" in str(Elements(page.content).one(id="passkey-sign-in-form")["action"])
    assert [found["value"] for found in Elements(page.content).all(name="login_hint")] == ["ana"] * 2
    assert "form-action" not in page["Content-Security-Policy"]


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.spec("RFC 8176 §2")
def test_a_second_factor_there_counts_where_the_operator_trusts_it(
    visit: Visit, ana: User, now: datetime, trusted: bool
) -> None:
    UpstreamProvider.objects.update(trusts_second_factor=trusted)
    TotpSecret.objects.create(user=ana, secret=b"sealed", confirmed_at=now, created_at=now)
    visit.link(ana, now)
    visit.upstream.claims["amr"] = ["pwd", "mfa"]
    visit.come_back()
    if trusted:
        assert Session.objects.get().methods == ["fed", "mfa"]
    else:
        assert not Session.objects.exists()


@pytest.mark.spec("tokens.md: members whose address is in its allowed domains")
@pytest.mark.parametrize(
    ("domains", "person", "enters"),
    [
        (["example.org"], {}, True),
        (["example.org"], {"email": "ana@EXAMPLE.org"}, True),
        (["other.test", "example.org"], {}, True),
        (["example.com"], {}, False),
        (["example.org"], {"email": "ana@sub.example.org"}, False),
        (["example.org"], {"email": "ana@evil.test@example.org"}, False),
        (["example.org"], {"email_verified": False}, False),
        (["example.org"], {"email_verified": "true"}, False),
        (["example.org"], {"email_verified": None}, False),
        (["example.org"], {"email": None}, False),
        ([], {"email": None}, True),
    ],
)
def test_only_allowed_addresses_enter(
    visit: Visit, ana: User, now: datetime, domains: list[str], person: dict[str, Any], enters: bool
) -> None:
    UpstreamProvider.objects.update(allowed_domains=domains)
    visit.link(ana, now)
    visit.upstream.person |= person
    answer = visit.come_back()
    assert answer.status_code == (303 if enters else 403)
    assert Session.objects.exists() is enters
    assert faults() == ([] if enters else ["upstream_address"])


@pytest.mark.spec("OpenID Connect Core §5.3.2")
def test_userinfo_tells_the_address_where_the_id_token_does_not(visit: Visit, ana: User, now: datetime) -> None:
    UpstreamProvider.objects.update(allowed_domains=["example.org"])
    visit.link(ana, now)
    visit.upstream.claims["email"] = None
    assert visit.come_back().status_code == 303
    assert visit.upstream.count("/userinfo") == 1
    visit.upstream.person["sub"] = "u-2"
    visit.upstream.claims["sub"] = "u-1"
    assert visit.come_back().status_code == 502, "userinfo about somebody else"


def test_a_disabled_person_and_one_who_is_no_member_stay_outside(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now)
    User.objects.update(is_active=False)
    first = visit.come_back()
    User.objects.update(is_active=True)
    Membership.objects.all().delete()
    second = visit.come_back()
    assert (first.status_code, second.status_code) == (403, 403)
    assert first.content.count(b"Ask those who run default") == second.content.count(b"Ask those who run default") == 1
    assert faults() == ["disabled", "not_a_member"]
    assert not Session.objects.exists()


def test_a_provider_of_another_realm_or_switched_off_is_none(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now)
    make_realm("other", purposes=())
    elsewhere = Visit(visit.browser, visit.upstream, visit.provider, "/realms/other")
    assert elsewhere.start().status_code == 404
    address = visit.upstream.authorize(visit.address())
    UpstreamProvider.objects.update(enabled=False)
    assert visit.back(address).status_code == 404
    assert visit.start().status_code == 404
    assert visit.browser.get("/upstream/corp/start").status_code == 405
    assert visit.browser.get("/upstream/nowhere/callback").status_code == 404


@pytest.mark.spec("OpenID Connect Core §3.1.2.1, OpenID Connect Core §2")
def test_a_silent_session_there_does_not_satisfy_prompt_login(
    visit: Visit, ana: User, realm: Realm, now: datetime
) -> None:
    visit.link(ana, now)
    app = register(realm, visit.browser, now)
    visit.upstream.signed_in_at = now.timestamp() - 3600
    page = visit.browser.get(str(app.authorize(prompt="login")["Location"]))
    fields = {str(one["name"]): str(one.get("value", "")) for one in Elements(page.content).all(type="hidden")}
    assert fields.pop("prompt") == "login"
    address = visit.address(next=fields["next"], prompt="login")
    assert dict(parse_qsl(urlsplit(address).query))["prompt"] == "login"
    assert dict(parse_qsl(urlsplit(address).query))["max_age"] == "0"
    silent = address.replace("prompt=login", "prompt=none")
    refused = visit.back(visit.upstream.authorize(silent))
    assert refused.status_code == 403
    assert b"Sign in at Corp once more" in refused.content
    assert Elements(refused.content).one(name="prompt")["value"] == "login"
    assert not Session.objects.exists()
    answer = visit.back(visit.upstream.authorize(visit.address(next=fields["next"], prompt="login")))
    assert sent_back(visit.browser.get(str(answer["Location"])))["code"]
    assert Session.objects.get().auth_time >= now


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
@pytest.mark.parametrize(("age", "status"), [(290, 303), (400, 403)])
def test_max_age_holds_there_too(visit: Visit, ana: User, realm: Realm, now: datetime, age: int, status: int) -> None:
    visit.link(ana, now)
    app = register(realm, visit.browser, now)
    visit.upstream.signed_in_at = now.timestamp() - age
    page = visit.browser.get(str(app.authorize(max_age="300")["Location"]))
    fields = {str(one["name"]): str(one.get("value", "")) for one in Elements(page.content).all(type="hidden")}
    assert fields["max_age"] == "300"
    assert visit.come_back(next=fields["next"], max_age="300").status_code == status


def test_who_does_not_tell_when_is_believed_for_a_plain_sign_in_alone(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now)
    visit.upstream.tells_auth_time = False
    assert visit.come_back(prompt="login").status_code == 403
    assert visit.come_back(max_age="60").status_code == 403
    assert visit.come_back().status_code == 303
    assert Session.objects.get().auth_time >= now


def test_a_sign_in_there_of_before_the_password_changed_counts_no_more(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now)
    visit.upstream.signed_in_at = now.timestamp() - 60
    User.objects.update(signed_out_at=now - timedelta(seconds=30))
    assert visit.come_back().status_code == 403
    assert visit.come_back(prompt="login").status_code == 303
    assert whose(visit.browser) == "ana"


def test_what_the_tokens_say_is_true(visit: Visit, ana: User, realm: Realm, now: datetime) -> None:
    UpstreamProvider.objects.update(trusts_second_factor=True)
    visit.link(ana, now)
    visit.upstream.claims["amr"] = ["mfa"]
    visit.come_back()
    app = register(realm, visit.browser, now)
    tokens = app.exchange(app.code()).json()
    claims = api.verify_jwt(tokens["id_token"], realm=realm, typ="JWT", now=datetime.now(UTC)).claims
    assert (claims["acr"], claims["amr"]) == (MULTI_FACTOR, ["mfa"])
    assert claims["auth_time"] == int(visit.upstream.signed_in_at or 0)


@pytest.mark.spec("RFC 9700 §4.7, OpenID Connect Core §15.5.2")
class TestTheAnswerBelongsToOneBrowser:
    def test_a_state_is_used_once(self, visit: Visit, ana: User, now: datetime) -> None:
        visit.link(ana, now)
        address = visit.upstream.authorize(visit.address())
        assert visit.back(address).status_code == 303
        again = visit.back(address)
        assert again.status_code == 400
        assert b"This sign-in is over" in again.content
        assert visit.upstream.count("/token") == 1

    def test_another_browser_has_no_use_for_an_address(self, visit: Visit, ana: User, now: datetime) -> None:
        visit.link(ana, now)
        address = visit.upstream.authorize(visit.address())
        victim = Visit(Browser(), visit.upstream, visit.provider)
        assert victim.back(address).status_code == 400
        assert visit.upstream.count("/token") == 0
        assert not Session.objects.exists()

    @pytest.mark.spec("RFC 9700 §4.5.3.1")
    def test_a_code_of_another_browser_is_refused(self, visit: Visit, ana: User, now: datetime) -> None:
        """PKCE at a provider that checks it, the nonce at one that doesn't."""
        visit.link(ana, now)
        attacker = Visit(Browser(), visit.upstream, visit.provider)
        stolen = dict(parse_qsl(urlsplit(visit.upstream.authorize(attacker.address())).query))
        mine = dict(parse_qsl(urlsplit(visit.address()).query))
        injected = {"code": stolen["code"], "state": mine["state"], "iss": visit.upstream.issuer}
        assert visit.back(f"/upstream/corp/callback?{urlencode(injected)}").status_code == 502
        assert not Session.objects.exists()

    def test_no_state_and_two_states_are_none(self, visit: Visit) -> None:
        visit.address()
        assert visit.browser.get("/upstream/corp/callback").status_code == 400
        assert visit.browser.get("/upstream/corp/callback?state=&code=x").status_code == 400
        assert visit.browser.get("/upstream/corp/callback?state=a&state=b&code=x").status_code == 400

    def test_after_ten_minutes_it_is_over(self, visit: Visit, ana: User, now: datetime, stopped_clock: Any) -> None:
        stopped_clock.move_to(now)
        visit.link(ana, now)
        address = visit.upstream.authorize(visit.address())
        stopped_clock.shift(timedelta(minutes=10))
        assert visit.back(address).status_code == 400

    def test_two_tabs_don_t_disturb_each_other_and_many_push_out_the_oldest(
        self, visit: Visit, ana: User, now: datetime
    ) -> None:
        visit.link(ana, now)
        addresses = [visit.upstream.authorize(visit.address()) for _ in range(6)]
        assert [visit.back(address).status_code for address in addresses] == [400, 303, 303, 303, 303, 303]

    @pytest.mark.spec("RFC 9700 §4.4.2, RFC 9207 §2.4")
    def test_an_answer_of_one_provider_is_not_taken_for_another_s(
        self, visit: Visit, realm: Realm, ana: User, now: datetime
    ) -> None:
        with upstream_provider() as evil:
            other = add_provider(realm, evil, now, slug="evil")
            visit.link(ana, now)
            answer = visit.upstream.authorize(visit.address())
            at_the_other = answer.replace("/upstream/corp/", f"/upstream/{other.slug}/")
            assert visit.back(at_the_other).status_code == 400
            mine = visit.upstream.authorize(visit.address())
            named = mine.replace(urlencode({"iss": visit.upstream.issuer}), urlencode({"iss": evil.issuer}))
            assert visit.back(named).status_code == 502
            silent = visit.upstream.authorize(visit.address()).replace(urlencode({"iss": visit.upstream.issuer}), "")
            assert visit.back(silent).status_code == 502
            assert ("POST", "/token") not in [*visit.upstream.asked, *evil.asked]

    def test_the_form_has_to_come_from_here(self, visit: Visit) -> None:
        strict = Browser(enforce_csrf_checks=True)
        assert Visit(strict, visit.upstream, visit.provider).start().status_code == 403
        assert visit.upstream.asked == []


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("access_denied", 403, b"It was cancelled there"),
        ("login_required", 403, b"Corp did not sign you in"),
        ("<script>", 403, b"Corp did not sign you in"),
        ("temporarily_unavailable", 503, b"reached"),
        ("server_error", 503, b"reached"),
    ],
)
@pytest.mark.spec("OpenID Connect Core §3.1.2.6")
def test_a_refusal_there_is_told_in_plain_words(visit: Visit, error: str, status: int, words: bytes) -> None:
    state = dict(parse_qsl(urlsplit(visit.address(next="/account")).query))["state"]
    answer = {"state": state, "error": error, "error_description": "Ring 0900-EVIL", "iss": visit.upstream.issuer}
    page = visit.browser.get(f"/upstream/corp/callback?{urlencode(answer)}")
    assert page.status_code == status
    assert words in page.content
    assert b"EVIL" not in page.content
    assert b"<script>" not in page.content
    assert Elements(page.content).one(name="next")["value"] == "/account"
    assert Elements(page.content).one(id="sign-in-link")["href"] == "/sign-in?next=%2Faccount"
    assert ("Retry-After" in page) is (status == 503)


@pytest.mark.spec("RFC 9700 §2.1")
def test_nothing_secret_is_logged(visit: Visit, ana: User, now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    visit.link(ana, now)
    address = visit.upstream.authorize(visit.address())
    held = visit.browser.session["signet.upstream_departures"][0]["secrets"]
    visit.back(address)
    visit.upstream.claims["nonce"] = "wrong"
    visit.come_back()
    for secret in (*held.values(), "upstream-access-token", "upstream/secret", "code-0", "ana@example.org", "u-1"):
        assert secret not in caplog.text
    assert "upstream.failed realm=default provider=corp why=The ID token's nonce" in caplog.text
    assert not UpstreamLink.objects.filter(subject="").exists()
    assert make_person("bea", realm=None)


@pytest.mark.spec("issue 3 of 6: limits shared by the workers")
def test_one_address_does_not_leave_for_providers_without_end(visit: Visit) -> None:
    assert visit.start().status_code == 303
    in_a_minute = datetime.now(UTC) + timedelta(minutes=1)
    for _ in range(UPSTREAM_ADDRESS.burst):
        reserve(Attempt.UPSTREAM, address="127.0.0.1", now=in_a_minute)
    answer = visit.start()
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) in range(50, 68)
