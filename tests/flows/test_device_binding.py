"""Direct sign-in in a browser: its refresh token is bound to the device cookie, and `device_trust` tells of it."""

from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.device_cookie import NAME, cookie_with
from accounts.models import Device, Session, User
from accounts.services.devices import remove_devices, say_trust
from audit.models import Event
from audit.vocabulary import EventName
from keys import api
from realms.models import Realm
from tests.flows.code_flow import post
from tests.flows.code_flow import register as register_app
from tests.provider import PASSWORD, Browser, make_person
from tests.second_factors import fitting, give_totp
from tests.tokens.clients import API, basic, register
from tokens.models import Grant
from tokens.rotation import GRACE
from tokens.services.devices import MOST_KEPT, purge_forgotten_devices

pytestmark = pytest.mark.spec("issue 4, a refresh token bound to a device is refused from another")
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


def sign_in(browser: Browser, username: str = "ana", **headers: str) -> Any:
    return post(browser, "/auth", {"username": username, "password": PASSWORD}, **headers)


def refresh(browser: Browser, token: str) -> Any:
    return post(browser, "/auth/refresh", {"refresh_token": token})


def keep(browser: Browser, response: Any) -> None:
    """What a browser does with Set-Cookie."""
    for name, morsel in SimpleCookie(response["Set-Cookie"]).items():
        browser.cookies[name] = morsel.value


def at_a_browser(browser: Browser, username: str = "ana") -> str:
    response = sign_in(browser, username, **SAME_ORIGIN)
    keep(browser, response)
    token: str = response.json()["refresh_token"]
    return token


def claims_of(response: Any, realm: Realm, now: datetime) -> Any:
    return api.verify_jwt(response.json()["access_token"], realm=realm, typ="at+jwt", now=now).claims


def test_a_program_without_cookies_gets_none_and_its_tokens_are_bound_to_nothing(browser: Browser, ana: User) -> None:
    response = sign_in(browser)
    assert "Set-Cookie" not in response.headers
    assert not Device.objects.exists()
    assert Grant.objects.get().device is None
    assert refresh(Browser(), response.json()["refresh_token"]).status_code == 200


def test_a_browsers_own_script_gets_a_cookie_and_a_refresh_token_for_it_alone(browser: Browser, ana: User) -> None:
    response = sign_in(browser, **SAME_ORIGIN)
    cookie = SimpleCookie(response["Set-Cookie"])[NAME]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (True, True, "Lax", "/")
    assert Grant.objects.get().device == Device.objects.get()
    keep(browser, response)
    assert refresh(browser, response.json()["refresh_token"]).status_code == 200


def test_a_stolen_refresh_token_is_refused_elsewhere_and_its_owner_loses_nothing(
    browser: Browser, ana: User, realm: Realm
) -> None:
    token = at_a_browser(browser)
    make_person("eve", realm=realm)
    eve = Browser()
    at_a_browser(eve, "eve")
    for thief in (Browser(), eve):
        answer = refresh(thief, token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert "Set-Cookie" not in answer.headers
    grant = Grant.objects.get(user=ana)
    assert (grant.generation, grant.revoked_at) == (0, None)
    assert refresh(browser, token).status_code == 200


def test_an_old_one_shown_elsewhere_ends_nothing_and_is_given_no_successor(
    browser: Browser, ana: User, now: datetime
) -> None:
    token = at_a_browser(browser)
    successor = refresh(browser, token).json()["refresh_token"]
    assert refresh(Browser(), token).json()["error"] == "invalid_grant"  # within the window
    assert refresh(browser, token).json()["refresh_token"] == successor
    with time_machine.travel(datetime.now(now.tzinfo) + GRACE + timedelta(seconds=2)):
        assert refresh(Browser(), token).status_code == 400
        assert Grant.objects.get().revoked_at is None
        assert refresh(browser, token).status_code == 400  # reuse on the device itself is one
        assert Grant.objects.get().revocation_reason == "reuse"


def test_a_forged_cookie_is_no_device(browser: Browser, ana: User) -> None:
    token = at_a_browser(browser)
    thief = Browser()
    thief.cookies[NAME] = f"{Device.objects.get().pk.hex}:{'A' * 43}"
    assert refresh(thief, token).status_code == 400


def test_a_removed_device_refreshes_nothing_and_its_tokens_are_out(browser: Browser, ana: User, realm: Realm) -> None:
    response = sign_in(browser, **SAME_ORIGIN)
    keep(browser, response)
    device = Device.objects.get()
    actor = f"user:{ana.subject}"
    remove_devices([device.pk], actor=actor, now=device.created_at)
    grant = Grant.objects.get()
    assert grant.revocation_reason == "device_removed"
    event = Event.objects.get(name=EventName.GRANT_ENDED)
    assert (event.target, event.actor, event.details["reason"]) == (str(grant.pk), actor, "device_removed")
    assert refresh(browser, response.json()["refresh_token"]).json()["error"] == "invalid_grant"
    bearer = {"authorization": f"Bearer {response.json()['access_token']}"}
    assert browser.get("/userinfo", headers=bearer).status_code == 401


def test_a_grant_that_slipped_past_the_removal_refreshes_nothing(browser: Browser, ana: User, now: datetime) -> None:
    """The statement that rotates asks itself, whatever became of the rows that the removal should have ended."""
    token = at_a_browser(browser)
    Device.objects.update(removed_at=now)
    assert refresh(browser, token).status_code == 400
    assert Grant.objects.get().generation == 0


def test_signing_in_again_is_the_same_device_and_somebody_else_has_their_own(
    browser: Browser, ana: User, realm: Realm
) -> None:
    make_person("ben", realm=realm)
    first = at_a_browser(browser)
    bens = at_a_browser(browser, "ben")
    again = at_a_browser(browser)
    assert Device.objects.count() == 2
    assert [refresh(browser, token).status_code for token in (first, bens, again)] == [200, 200, 200]


def test_the_page_and_the_endpoint_know_the_same_device(browser: Browser, ana: User) -> None:
    post(browser, "/sign-in", {"username": "ana", "password": PASSWORD})
    token = at_a_browser(browser)
    assert Device.objects.count() == 1
    assert refresh(browser, token).status_code == 200


def test_the_access_token_tells_how_far_the_device_is_trusted_at_its_making(
    browser: Browser, ana: User, realm: Realm, now: datetime
) -> None:
    response = sign_in(browser, **SAME_ORIGIN)
    keep(browser, response)
    assert claims_of(response, realm, now)["device_trust"] == 10
    say_trust([Device.objects.get().pk], trust=77, actor="test", now=now, because="test")
    assert claims_of(refresh(browser, response.json()["refresh_token"]), realm, now)["device_trust"] == 77
    assert "device_trust" not in claims_of(sign_in(Browser()), realm, now)


def test_the_browser_of_a_code_flow_is_told_of_to_its_client_and_needs_no_cookie_there(
    browser: Browser, ana: User, realm: Realm, now: datetime
) -> None:
    app = register_app(realm, browser, now, resources=(API,))
    app.sign_in()
    tokens = app.exchange(app.code(scope="openid offline_access"))
    assert claims_of(tokens, realm, now)["device_trust"] == 10
    Device.objects.update(operator_trust=64)
    app.browser.cookies.clear()  # a server asks, which has none
    refreshed = app.token(grant_type="refresh_token", refresh_token=tokens.json()["refresh_token"])
    assert claims_of(refreshed, realm, now)["device_trust"] == 64
    service, secret = register(realm, "service", introspects=(realm.issuer,))
    told = post(
        browser, "/introspect", {"token": refreshed.json()["access_token"]}, **basic(service.client_id, secret)
    ).json()
    assert (told["device_trust"], told["token_type"]) == (64, "Bearer")


def test_what_was_allowed_in_a_session_on_a_removed_device_ends_too(
    browser: Browser, ana: User, realm: Realm, now: datetime
) -> None:
    app = register_app(realm, browser, now)
    app.sign_in()
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    Grant.objects.update(device=None)  # as of a device whose grant has a key of its own
    remove_devices([Device.objects.get().pk], actor="test", now=now)
    assert app.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 400
    assert Grant.objects.get().revocation_reason == "device_removed"


def test_trust_costs_no_further_query(browser: Browser, ana: User) -> None:
    unbound = sign_in(Browser()).json()["refresh_token"]
    bound = at_a_browser(browser)
    counts = []
    for who, token in ((Browser(), unbound), (browser, bound)):
        with CaptureQueriesContext(connection) as seen:
            assert refresh(who, token).status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_use_is_written_once_an_hour(browser: Browser, ana: User, now: datetime) -> None:
    token = at_a_browser(browser)
    for later, writes in ((timedelta(minutes=50), 0), (timedelta(minutes=62), 1), (timedelta(minutes=63), 0)):
        moment = now + later
        with time_machine.travel(moment, tick=False), CaptureQueriesContext(connection) as seen:
            token = refresh(browser, token).json()["refresh_token"]
        assert sum("UPDATE accounts_device" in query["sql"] for query in seen) == writes
    assert Device.objects.get().last_used_at == now + timedelta(minutes=62)


def test_a_device_that_nobody_used_for_400_days_is_deleted_and_one_with_a_grant_is_not(
    browser: Browser, ana: User, realm: Realm, now: datetime
) -> None:
    at_a_browser(browser)
    forgotten = Device.objects.create(user=ana, kind="browser", name="old", created_at=now, last_used_at=now)
    assert purge_forgotten_devices(now + timedelta(days=400)) == 0
    assert purge_forgotten_devices(now + timedelta(days=401)) == 1
    assert not Device.objects.filter(pk=forgotten.pk).exists()
    assert Device.objects.count() == 1


def test_of_very_many_devices_of_one_person_the_last_used_are_kept(
    browser: Browser, ana: User, realm: Realm, now: datetime
) -> None:
    """A program that signs in on the page and keeps no cookies is another device each time."""
    at_a_browser(browser)  # the grant keeps it
    Device.objects.update(last_used_at=now, created_at=now)
    ben = make_person("ben", realm=realm)
    for person, count in ((ana, MOST_KEPT + 3), (ben, MOST_KEPT)):
        moments = [now + timedelta(minutes=minute) for minute in range(1, count + 1)]
        Device.objects.bulk_create(
            Device(user=person, kind="browser", name="new", created_at=moment, last_used_at=moment)
            for moment in moments
        )
    Device.objects.create(user=ana, kind="browser", name="x", created_at=now, last_used_at=now, operator_trust=0)
    assert purge_forgotten_devices(now + timedelta(hours=12)) == 0
    assert purge_forgotten_devices(now + timedelta(days=2)) == 3
    kept = Device.objects.filter(user=ana, name="new")
    assert (kept.count(), kept.earliest("last_used_at").last_used_at) == (MOST_KEPT, now + timedelta(minutes=4))
    assert Device.objects.filter(user=ana).exclude(name="new").count() == 2
    assert Device.objects.filter(user=ben).count() == MOST_KEPT


def test_the_cookie_of_a_garbled_list_is_renewed_by_a_sign_in(browser: Browser, ana: User) -> None:
    browser.cookies[NAME] = "garbage"
    response = sign_in(browser)
    device = Device.objects.get()
    assert SimpleCookie(response["Set-Cookie"])[NAME].value == cookie_with(device.pk, ()).value


def surer(browser: Browser, ana: User) -> None:
    """Add an authenticator app's code to the session."""
    seed = give_totp(ana, timezone.now() - timedelta(minutes=5))
    answer = post(browser, "/sign-in/second-factor", {"code": fitting(seed, timezone.now())})
    assert answer.status_code == 303


def test_a_session_that_goes_on_is_on_the_same_device_and_ends_with_it(
    browser: Browser, ana: User, realm: Realm, now: datetime
) -> None:
    """Else a grant with `offline_access` outlived the removal of the device, and its tokens told of none."""
    app = register_app(realm, browser, now)
    app.sign_in()
    surer(browser, ana)
    assert set(Session.objects.values_list("device", flat=True)) == {Device.objects.get().pk}
    tokens = app.exchange(app.code(scope="openid offline_access"))
    assert "device_trust" in claims_of(tokens, realm, now)
    remove_devices([Device.objects.get().pk], actor="test", now=datetime.now(now.tzinfo))
    again = app.token(grant_type="refresh_token", refresh_token=tokens.json()["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_second_factor_that_is_added_to_a_session_counts_for_its_device(browser: Browser, ana: User) -> None:
    post(browser, "/sign-in", {"username": "ana", "password": PASSWORD})
    assert Device.objects.get().second_factor_at is None
    surer(browser, ana)
    assert Device.objects.get().second_factor_at == Session.objects.get(methods__contains=["mfa"]).created_at
