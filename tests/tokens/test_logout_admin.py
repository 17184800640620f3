"""Logout deliveries in the admin: to look at, and to try again."""

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import Browser, make_person
from tests.tokens.logouts import one_logout
from tokens.models import LogoutDelivery

LIST = "/admin/tokens/logoutdelivery/"
pytestmark = pytest.mark.spec("issue: a visible state in the admin")


def operator(browser: Browser, *permissions: str) -> Browser:
    person = make_person("root", realm=None, is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser.force_login(person)
    return browser


@pytest.fixture
def delivery(realm: Realm, ana: User, now: datetime) -> LogoutDelivery:
    return one_logout(ana, realm, now)


def again(browser: Browser, delivery: LogoutDelivery) -> int:
    form = {"action": "try_again", "_selected_action": str(delivery.pk)}
    return int(browser.post(LIST, form).status_code)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "waiting"),
        ({"attempts": 1, "last_outcome": "timeout"}, "waiting"),
        ({"attempts": 2, "delivered_at": True, "last_outcome": "204"}, "delivered"),
        ({"attempts": 11, "given_up_at": True, "last_outcome": "500"}, "given up"),
    ],
)
def test_the_list_says_how_far_it_is(
    browser: Browser, delivery: LogoutDelivery, now: datetime, changes: dict[str, object], state: str
) -> None:
    moments = {name: now for name, value in changes.items() if value is True}
    LogoutDelivery.objects.update(next_attempt_at=now + timedelta(minutes=5), **{**changes, **moments})
    admin = operator(browser, "view_logoutdelivery")
    page = admin.get(LIST).content.decode()
    assert f'<td class="field-state">{state}</td>' in page
    assert f'<td class="field-attempts">{changes.get("attempts", 0)}</td>' in page
    assert f'<td class="field-last_outcome">{changes.get("last_outcome", "-")}</td>' in page
    assert bool(re.search('class="field-next_attempt[^"]*">–<', page)) == (state != "waiting")
    for asked in ("waiting", "delivered", "given_up"):
        found = admin.get(f"{LIST}?state={asked}").content.decode()
        assert (delivery.sid in found) == (asked == state.replace(" ", "_"))
    assert admin.get(f"{LIST}?state=nonsense").status_code == 200
    assert delivery.sid in admin.get(f"{LIST}?q={delivery.sid}").content.decode()
    shown = admin.get(f"{LIST}{delivery.pk}/change/").content.decode()
    assert state in shown
    assert f"{delivery.sid} → {delivery.client.client_id}" in shown
    assert (f"{now + timedelta(minutes=5):%-d %b %Y %H:%M:%S} UTC" in shown) == (state == "waiting")


def test_nothing_is_written_by_hand(browser: Browser, delivery: LogoutDelivery) -> None:
    admin = operator(
        browser, "view_logoutdelivery", "add_logoutdelivery", "change_logoutdelivery", "delete_logoutdelivery"
    )
    for page in ("add/", f"{delivery.pk}/delete/"):
        assert admin.get(f"{LIST}{page}").status_code == 403
    assert admin.post(f"{LIST}{delivery.pk}/change/", {"sid": "x"}).status_code == 403


def test_trying_again_needs_its_own_permission(browser: Browser, delivery: LogoutDelivery, now: datetime) -> None:
    LogoutDelivery.objects.update(given_up_at=now, attempts=11)
    admin = operator(browser, "view_logoutdelivery", "change_logoutdelivery", "delete_logoutdelivery")
    assert b"try_again" not in admin.get(LIST).content
    again(admin, delivery)
    assert LogoutDelivery.objects.get().given_up_at == now
    assert not Event.objects.filter(name=EventName.LOGOUT_RETRIED).exists()


def test_trying_again_is_at_once_and_leaves_an_event(browser: Browser, delivery: LogoutDelivery, now: datetime) -> None:
    LogoutDelivery.objects.update(given_up_at=now, attempts=11, next_attempt_at=now + timedelta(hours=8))
    admin = operator(browser, "view_logoutdelivery", "retry_logoutdelivery")
    assert b"try_again" in admin.get(LIST).content
    assert again(admin, delivery) == 302
    found = LogoutDelivery.objects.get()
    assert found.given_up_at is None
    assert found.next_attempt_at < now + timedelta(hours=1)
    person = User.objects.get(username="root")
    assert Event.objects.get(name=EventName.LOGOUT_RETRIED).actor == f"user:{person.subject}"


def test_what_was_delivered_is_not_sent_again(browser: Browser, delivery: LogoutDelivery, now: datetime) -> None:
    LogoutDelivery.objects.update(delivered_at=now, attempts=1)
    again(operator(browser, "view_logoutdelivery", "retry_logoutdelivery"), delivery)
    assert LogoutDelivery.objects.get().delivered_at == now
    assert not Event.objects.filter(name=EventName.LOGOUT_RETRIED).exists()
