"""What operators see of a person's sign-ins, and do about them."""

from datetime import datetime

import pytest
from django.contrib.auth.models import Permission

from accounts.budget import ACCOUNT_AND_ADDRESS
from accounts.models import TotpSecret, User
from accounts.names import MAX_USERNAME
from accounts.services.attempts import Attempt, reserve
from audit.models import Event
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm
from tests.keys.admin.pages import words
from tests.pages import Elements
from tests.provider import Browser, make_person
from tests.second_factors import codes_of

pytestmark = pytest.mark.spec("issue: operators see sign-in attempts and lock-outs")
LIST, ATTEMPTS = "/admin/accounts/user/", "/admin/accounts/user/attempts/"
HERE = "192.0.2.77"


@pytest.fixture
def admin(browser: Browser, db: None) -> Browser:
    browser.force_login(make_person("root", realm=None, is_staff=True, is_superuser=True))
    return browser


@pytest.fixture
def locked_out(ana: User, now: datetime) -> User:
    """Somebody who has no attempt left from one address."""
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        reserve(Attempt.PASSWORD, username="ana", address=HERE, now=now)
    details = {"fault": "wrong_password"}
    record(EventName.SIGN_IN_REFUSED, realm="default", actor="", target=ana.subject, now=now, details=details)
    return ana


def test_attempts_lead_to_their_people(admin: Browser, locked_out: User, now: datetime) -> None:
    record(EventName.REALM_CREATED, realm="", actor="", target="elsewhere", now=now)
    page = admin.get(ATTEMPTS)
    said = words(page)
    assert "sign_in.refused default" in said
    assert "wrong_password" in said
    assert "elsewhere" not in said
    assert Elements(page.content).all(href=f"{LIST}{locked_out.pk}/change/")


def test_a_lock_out_is_shown_and_lifted(admin: Browser, locked_out: User, now: datetime) -> None:
    page = admin.get(f"{ATTEMPTS}?username=ANA&address={HERE}")
    assert "passwords this name from this address 0 of 10 – locked out" in words(page)
    lift = str(Elements(page.content).one(id="lift-limits")["href"])
    assert lift == f"{LIST}{locked_out.pk}/lift-limit/?address={HERE}"
    asked = admin.get(lift)
    assert "Limits that count attempts of ana now: 2." in words(asked)
    assert admin.post(lift, {"confirmed": "yes", "reason": ""}).status_code == 200
    assert not Event.objects.filter(name=EventName.LIMIT_LIFTED).exists()
    done = admin.post(lift, {"confirmed": "yes", "reason": "Called from home."})
    assert done["Location"] == f"{ATTEMPTS}?username=ana&address={HERE}"
    assert "locked out" not in words(admin.get(done["Location"]))
    reserve(Attempt.PASSWORD, username="ana", address=HERE, now=now)


@pytest.mark.parametrize("username", ["ben", "b n", "x" * 500, "\u202e", "<script>"])
def test_a_name_that_nobody_has_is_told_so_and_can_be_locked_out_all_the_same(
    username: str, admin: Browser, locked_out: User, now: datetime
) -> None:
    page = admin.get(ATTEMPTS, {"username": username})
    assert page.status_code == 200
    too_long = len(username) > MAX_USERNAME  # that is told above a list which it doesn't narrow
    assert ("150 characters" in words(page), "wrong_password" in words(page)) == (too_long, too_long)
    assert b"lift-limits" not in page.content
    assert b"<script>" not in page.content.replace(b"<script src", b"")


@pytest.mark.parametrize("address", ["nonsense", "192.0.2.1/24", "2001:db8::1", "::ffff:192.0.2.1", "0" * 999])
def test_a_strange_address_is_no_fault_of_ours(address: str, admin: Browser) -> None:
    assert admin.get(ATTEMPTS, {"address": address}).status_code == 200


def test_whoever_may_not_see_events_sees_no_attempts(browser: Browser, locked_out: User) -> None:
    clerk = make_person("clerk", realm=None, is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_user"))
    browser.force_login(clerk)
    page = browser.get(f"{ATTEMPTS}?username=ana&address={HERE}")
    assert "locked out" in words(page)
    assert "wrong_password" not in words(page)
    assert b"lift-limits" not in page.content


def test_factors_are_listed_and_reset_with_a_reason(admin: Browser, ana: User, now: datetime) -> None:
    codes_of(ana, now)
    page = admin.get(f"{LIST}{ana.pk}/change/")
    assert "an authenticator app, passkeys: 0, recovery codes left: 10" in words(page)
    reset = str(Elements(page.content).one(id="reset-factors")["href"])
    assert "Reset second factors of ana" in words(admin.get(reset))
    assert admin.post(reset, {"reason": "no button was pressed"}).status_code == 200
    assert admin.post(reset, {"confirmed": "yes", "reason": " "}).status_code == 200
    assert TotpSecret.objects.exists()
    done = admin.post(reset, {"confirmed": "yes", "reason": "The telephone is lost."})
    assert done["Location"] == f"{LIST}{ana.pk}/change/"
    assert not TotpSecret.objects.exists()
    assert "no authenticator app, passkeys: 0, recovery codes left: 0" in words(admin.get(done["Location"]))
    assert admin.get(f"{LIST}999999/reset-factors/").status_code == 404
    assert admin.put(reset).status_code == 405


def test_a_persons_page_leads_to_all_that_is_theirs(admin: Browser, ana: User, realm: Realm) -> None:
    page = Elements(admin.get(f"{LIST}{ana.pk}/change/").content)
    for kind in ("accounts/session", "accounts/device", "accounts/upstreamlink", "tokens/grant", "tokens/consent"):
        address = f"/admin/{kind}/?user__id__exact={ana.pk}"
        assert page.all(href=address)
        assert admin.get(address).status_code == 200
    history = f"/admin/audit/event/?person={ana.subject}"
    assert page.all(href=history)
    assert admin.get(history).status_code == 200
    assert page.all(href=f"{ATTEMPTS}?username=ana")
