"""Consents in the admin: to look at, and to withdraw with all that goes with them."""

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import Browser, make_person
from tests.tokens.clients import register
from tests.tokens.test_grant_admin import WHY, operator
from tests.tokens.test_withdrawal import consent, grant_for
from tokens.models import Client, Consent, Grant

LIST = "/admin/tokens/consent/"
pytestmark = pytest.mark.spec("issue: operators see consents and withdraw them")


@pytest.fixture
def admin(browser: Browser, db: None) -> Browser:
    return operator(browser, "view_consent", "withdraw_consent")


@pytest.fixture
def client(realm: Realm) -> Client:
    return register(realm)[0]


def withdraw(browser: Browser, *chosen: object, **more: str) -> Any:
    form = {"action": "withdraw_selected", "_selected_action": [str(each) for each in chosen], **more}
    return browser.post(LIST, form)


def test_the_list_says_who_allowed_whom_what(
    admin: Browser, realm: Realm, ana: User, client: Client, now: datetime
) -> None:
    row = consent(ana, client, now)
    consent(make_person("eve", realm=realm), register(realm, "other")[0], now)
    page = admin.get(LIST).content.decode()
    assert '<td class="field-allowed">offline_access openid</td>' in page
    assert '<td class="field-realm">default</td>' in page
    for asked, there in (("ana", True), (ana.subject, True), ("machine", True), ("eve", False), ("nobody", False)):
        found = admin.get(f"{LIST}?q={asked}").content.decode()
        assert (f"{LIST}{row.pk}/change/" in found) == there
    assert "offline_access openid" in admin.get(f"{LIST}{row.pk}/change/").content.decode()
    assert admin.get(f"{LIST}?client__realm__id__exact={realm.pk}").status_code == 200


def test_the_list_takes_as_many_queries_for_twenty_as_for_one(
    admin: Browser, realm: Realm, ana: User, client: Client, now: datetime
) -> None:
    consent(ana, client, now)
    admin.get(LIST)
    with CaptureQueriesContext(connection) as few:
        admin.get(LIST)
    for number in range(20):
        consent(make_person(f"p{number}", realm=realm), client, now)
    with CaptureQueriesContext(connection) as many:
        admin.get(LIST)
    assert len(many) == len(few)


def test_nothing_is_written_by_hand(browser: Browser, ana: User, client: Client, now: datetime) -> None:
    row = consent(ana, client, now)
    admin = operator(browser, "view_consent", "add_consent", "change_consent", "delete_consent")
    for page in ("add/", f"{row.pk}/delete/"):
        assert admin.get(f"{LIST}{page}").status_code == 403
    assert admin.post(f"{LIST}{row.pk}/change/", {"scopes": "[]"}).status_code == 403


def test_the_page_says_what_is_hit_and_wants_a_reason(admin: Browser, ana: User, client: Client, now: datetime) -> None:
    row = consent(ana, client, now)
    for _ in range(3):
        grant_for(ana, client, now)
    page = withdraw(admin, row.pk, index="0").content.decode()
    assert "Consents that would be withdrawn: 1. Grants that would end with them: 3." in page
    assert withdraw(admin, row.pk, confirmed="Withdraw").status_code == 200
    assert Consent.objects.exists()
    assert withdraw(admin, row.pk, **WHY).status_code == 302
    assert not Consent.objects.exists()
    assert not Grant.objects.filter(revoked_at=None).exists()
    root = User.objects.get(username="root")
    event = Event.objects.get(name=EventName.CONSENT_WITHDRAWN)
    assert (event.actor, event.target, event.reason) == (f"user:{root.subject}", "machine", WHY["reason"])
    assert event.details["subject"] == ana.subject
    assert Event.objects.filter(name=EventName.GRANT_ENDED, reason=WHY["reason"]).count() == 3


def test_twenty_take_as_many_queries_as_one(admin: Browser, realm: Realm, client: Client, now: datetime) -> None:
    counts = []
    for several in (1, 20):
        people = [make_person(f"p{several}-{number}", realm=realm) for number in range(several)]
        rows = [consent(person, client, now).pk for person in people]
        for person in people:
            grant_for(person, client, now)
        with CaptureQueriesContext(connection) as statements:
            assert withdraw(admin, *rows, **WHY).status_code == 302
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert not Grant.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("permissions", [("view_consent", "change_consent", "delete_consent"), ("withdraw_consent",)])
def test_it_takes_a_permission_of_its_own(
    permissions: tuple[str, ...], browser: Browser, ana: User, client: Client, now: datetime
) -> None:
    row = consent(ana, client, now)
    admin = operator(browser, *permissions)
    assert b"withdraw_selected" not in admin.get(LIST).content
    assert withdraw(admin, row.pk, **WHY).status_code == (200 if "view_consent" in permissions else 403)
    assert Consent.objects.exists()


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "9" * 30, "1.5", "\0"])
def test_garbage_withdraws_nothing(value: str, admin: Browser, ana: User, client: Client, now: datetime) -> None:
    consent(ana, client, now)
    assert withdraw(admin, value, **WHY).status_code == (302 if value in ("0", "-1") else 400)
    assert Consent.objects.exists()


def test_a_form_of_another_site_withdraws_nothing(ana: User, client: Client, now: datetime) -> None:
    row = consent(ana, client, now)
    admin = operator(Browser(enforce_csrf_checks=True), "view_consent", "withdraw_consent")
    assert withdraw(admin, row.pk, **WHY).status_code == 403
    assert Consent.objects.exists()
