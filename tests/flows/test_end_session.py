"""`/logout`: who may end a session without being asked, and where people are sent."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import time_machine

from accounts.models import Session, User
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import OTHER_SITE, OUR_SITE, App, post, register, resent, sent_back
from tests.provider import Browser, make_person, make_realm

AFTER = "https://app.example.org/bye?x=1"
pytestmark = pytest.mark.spec("OpenID Connect RP-Initiated Logout §2, §3")


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, post_logout_redirect_uris=(AFTER,))
    found.sign_in()
    return found


def logout(app: App, **parameters: str) -> Any:
    return app.browser.get(f"{app.base}/logout?{urlencode(parameters)}")


def hint(app: App) -> str:
    """An ID token of the person who is signed in."""
    found: str = app.exchange(app.code()).json()["id_token"]
    return found


def is_signed_in(app: App) -> bool:
    return bool(urlsplit(app.authorize()["Location"]).path != "/sign-in")


@pytest.mark.spec(
    "OIDC RP-Initiated Logout §2 get-and-post, OIDC RP-Initiated Logout §2 state",
    "OIDC RP-Initiated Logout §2 signed-out",
)
def test_a_hint_that_proves_it_ends_the_session_and_leads_back(app: App, ana: User) -> None:
    answer = logout(app, id_token_hint=hint(app), post_logout_redirect_uri=AFTER, state="s&1")
    assert (answer.status_code, answer["Location"]) == (303, f"{AFTER}&state=s%261")
    assert not is_signed_in(app)
    assert Session.objects.get().end_reason == SessionEnd.SIGNED_OUT
    assert Event.objects.get(name=EventName.SESSION_ENDED).actor == f"user:{ana.subject}"


@pytest.mark.spec("OIDC RP-Initiated Logout §2 hint-expired")
def test_a_hint_that_is_over_is_still_one(app: App) -> None:
    token = hint(app)
    with time_machine.travel(datetime.now().astimezone() + timedelta(hours=1)):
        assert logout(app, id_token_hint=token).status_code == 200
    assert not is_signed_in(app)


@pytest.mark.spec("OIDC RP-Initiated Logout §2 get-and-post")
def test_by_post_it_is_the_same(app: App) -> None:
    answer = post(app.browser, "/logout", {"id_token_hint": hint(app), "post_logout_redirect_uri": AFTER})
    assert (answer.status_code, answer["Location"]) == (303, AFTER)
    assert not is_signed_in(app)


@pytest.mark.spec("OIDC RP-Initiated Logout §2 get-and-post, OIDC RP-Initiated Logout §2 signed-out")
def test_a_form_of_another_site_ends_the_session_although_it_comes_without_the_cookie(app: App) -> None:
    form = {"id_token_hint": hint(app), "post_logout_redirect_uri": AFTER, "state": "s1"}
    page = post(Browser(), "/logout", form, **OTHER_SITE)
    assert page.status_code == 200
    assert resent(page) == form
    assert is_signed_in(app)
    answer = post(app.browser, "/logout", resent(page), **OUR_SITE)
    assert (answer.status_code, answer["Location"]) == (303, f"{AFTER}&state=s1")
    assert not is_signed_in(app)


@pytest.mark.spec(
    "OIDC RP-Initiated Logout §2 asked, OIDC RP-Initiated Logout §2 signed-out, OIDC RP-Initiated Logout §2 state",
)
def test_without_a_proof_the_person_is_asked_and_may_stay(app: App) -> None:
    asked = logout(app, client_id="app", post_logout_redirect_uri=AFTER, state="s1")
    page = asked["Location"]
    assert urlsplit(page).path == "/logout/confirm"
    body = app.browser.get(page).content.decode()
    assert 'id="logout-submit"' in body
    assert 'id="logout-stay"' in body
    assert "Notes" in body
    assert is_signed_in(app)
    answer = post(app.browser, page, {"go": "on"})
    assert (answer.status_code, answer["Location"]) == (303, f"{AFTER}&state=s1")
    assert not is_signed_in(app)


@pytest.mark.spec("OIDC RP-Initiated Logout §2 asked, RFC 9700 §4.3: no tokens in addresses")
@pytest.mark.parametrize("by_post", [True, False])
def test_the_page_that_asks_knows_client_and_target_without_the_hint(by_post: bool, app: App, realm: Realm) -> None:
    make_person("bo", realm=realm)
    other = App(app.client, app.secret, Browser())
    other.sign_in("bo")
    token = hint(other)
    asked = {"id_token_hint": token, "post_logout_redirect_uri": AFTER, "state": "s1", "ui_locales": "de en", "x": "y"}
    answer = post(app.browser, "/logout", asked) if by_post else logout(app, **asked)
    known = {"client_id": "app", "post_logout_redirect_uri": AFTER, "state": "s1", "ui_locales": "de en"}
    assert answer["Location"] == f"/logout/confirm?{urlencode(known)}"
    assert "<bdi>Notes</bdi>" in app.browser.get(answer["Location"]).content.decode()
    assert post(app.browser, answer["Location"], {"go": "on"})["Location"] == f"{AFTER}&state=s1"
    assert not is_signed_in(app)
    assert is_signed_in(other)


@pytest.mark.spec("OIDC RP-Initiated Logout §2 asked, OIDC RP-Initiated Logout §2 hint-of-client")
def test_a_hint_too_long_for_an_address_is_no_obstacle(app: App, realm: Realm, now: datetime) -> None:
    asked = {"id_token_hint": "a" * 9_000, "client_id": "app", "post_logout_redirect_uri": AFTER}
    page = post(app.browser, "/logout", asked)["Location"]
    assert post(app.browser, page, {"go": "on"})["Location"] == AFTER
    app.sign_in()
    unknown = post(app.browser, "/logout", {"id_token_hint": "a" * 9_000, "post_logout_redirect_uri": AFTER})
    assert (unknown.status_code, is_signed_in(app)) == (400, True)
    register(realm, app.browser, now, client_id="other")
    assert post(app.browser, "/logout", {**asked, "id_token_hint": hint(app), "client_id": "other"}).status_code == 400


def test_nobody_else_can_press_the_button(app: App) -> None:
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = app.browser.cookies
    assert post(strict, "/logout/confirm", {"go": "on"}).status_code == 403
    assert is_signed_in(app)


@pytest.mark.spec("OIDC RP-Initiated Logout §2 hint-of-ours, OIDC RP-Initiated Logout §2 asked")
def test_somebody_elses_hint_proves_nothing(app: App, realm: Realm, now: datetime) -> None:
    make_person("bo", realm=realm)
    other = App(app.client, app.secret, Browser())
    other.sign_in("bo")
    for token in (hint(other), hint(app)[:-4] + "AAAA", "x", app.exchange(app.code()).json()["access_token"]):
        assert urlsplit(logout(app, id_token_hint=token)["Location"]).path == "/logout/confirm"
    assert is_signed_in(app)


@pytest.mark.spec("OIDC RP-Initiated Logout §2 asked")
def test_another_session_of_the_same_person_is_left_alone(app: App) -> None:
    other = App(app.client, app.secret, Browser())
    other.sign_in()
    assert urlsplit(logout(app, id_token_hint=hint(other))["Location"]).path == "/logout/confirm"
    logout(other, id_token_hint=hint(other))
    assert is_signed_in(app)
    assert not is_signed_in(other)


@pytest.mark.spec(
    "OIDC RP-Initiated Logout §2 uri-registered, OIDC RP-Initiated Logout §3 exact-match",
    "OIDC RP-Initiated Logout §3 legitimate, OIDC RP-Initiated Logout §4 nothing-used",
)
@pytest.mark.parametrize(
    ("parameters", "title"),
    [
        ({"client_id": "app", "post_logout_redirect_uri": AFTER + "&y=2"}, "Invalid post_logout_redirect_uri"),
        ({"client_id": "app", "post_logout_redirect_uri": "https://evil.example/"}, "Invalid post_logout_redirect_uri"),
        ({"post_logout_redirect_uri": AFTER}, "Invalid post_logout_redirect_uri"),
        ({"client_id": "nobody"}, "Invalid client_id"),
        ({"client_id": "signet-direct"}, "Invalid client_id"),
    ],
)
def test_nobody_is_sent_where_no_client_registered(app: App, parameters: dict[str, str], title: str) -> None:
    answer = logout(app, **parameters)
    assert answer.status_code == 400
    assert title in answer.content.decode()
    assert "evil" not in answer.content.decode()
    assert is_signed_in(app)


@pytest.mark.spec("OIDC RP-Initiated Logout §2 hint-of-client, OIDC RP-Initiated Logout §4 nothing-used")
def test_a_hint_of_another_client_and_a_repeated_parameter_are_refused(app: App, realm: Realm, now: datetime) -> None:
    register(realm, app.browser, now, client_id="other")
    assert "another client" in logout(app, id_token_hint=hint(app), client_id="other").content.decode()
    assert app.browser.get("/logout?state=a&state=b").status_code == 400


def test_whoever_is_not_signed_in_is_asked_nothing(app: App, browser: Browser) -> None:
    app.browser.cookies.clear()
    assert logout(app).status_code == 200
    assert logout(app, client_id="app", post_logout_redirect_uri=AFTER)["Location"] == AFTER
    assert app.browser.get("/logout/confirm").status_code == 200


def test_a_sign_out_of_one_realm_is_none_of_another(app: App, browser: Browser, now: datetime) -> None:
    other = make_realm("other")
    make_person("bo", realm=other)
    there = register(other, browser, now)
    there.sign_in("bo")
    logout(app, id_token_hint=hint(app))
    assert not is_signed_in(app)
    assert "code" in sent_back(there.authorize())
