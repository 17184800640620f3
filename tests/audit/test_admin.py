"""Security events in the admin: searched and read, never written."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from accounts.services.personal import make_personal_key
from accounts.services.sign_in import sign_in
from audit.hooks import SEALED
from audit.models import Event
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm
from tests.keys.admin.pages import words
from tests.provider import PASSWORD, Browser, make_person, make_realm

LIST = "/admin/audit/event/"
WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def operator(db: None) -> Browser:
    browser = Browser(raise_request_exception=False)
    browser.force_login(make_person("operator", realm=None, is_staff=True, is_superuser=True))
    return browser


@pytest.fixture
def events(realm: Realm) -> list[Event]:
    record(EventName.KEY_COMPROMISED, realm="default", actor="user:abc", target="kid-1", now=WHEN, reason="lost <host>")
    record(EventName.PERSON_CREATED, realm="", actor="command:x", target="sub-2", now=WHEN, details={"operator": True})
    return list(Event.objects.order_by("id"))


def found(page: Any) -> set[str]:
    """The targets of the listed events; the search's own words stand in a field, not on the page."""
    return {"kid-1", "sub-2"} & set(words(page).split())


def test_the_list_tells_who_did_what_when_and_why(operator: Browser, events: list[Event]) -> None:
    said = words(operator.get(LIST))
    assert "04 Mar 2026 05:06:07" in said
    assert "key.compromised default kid-1 user:abc lost <host>" in said


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=kid-1", {"kid-1"}),
        ("q=command:x", {"sub-2"}),
        ("q=lost", {"kid-1"}),
        ("name=person.created", {"sub-2"}),
        ("realm=default", {"kid-1"}),
        ("realm=-", {"sub-2"}),
        ("q=nobody", set()),
    ],
)
def test_events_are_found(operator: Browser, events: list[Event], query: str, expected: set[str]) -> None:
    assert found(operator.get(f"{LIST}?{query}")) == expected


@pytest.mark.parametrize("query", ["q=%00", "name=%00", "realm=%00", "name=nonsense", "target=%00", "p=x", "o=77"])
def test_a_strange_query_is_no_fault_of_ours(operator: Browser, events: list[Event], query: str) -> None:
    assert operator.get(f"{LIST}?{query}").status_code < 500


def test_the_page_of_an_event_shows_its_details(operator: Browser, events: list[Event]) -> None:
    assert "operator True" in words(operator.get(f"{LIST}{events[1].pk}/change/"))
    assert "Details: none" in words(operator.get(f"{LIST}{events[0].pk}/change/"))


def test_no_event_is_written_changed_or_deleted(operator: Browser, events: list[Event]) -> None:
    before = list(Event.objects.values())
    page = f"{LIST}{events[0].pk}/"
    sent = {"name": "other", "reason": "none", "post": "yes"}
    for address in (LIST + "add/", page + "change/", page + "delete/"):
        assert operator.post(address, sent).status_code == 403
    operator.post(LIST, {"action": "delete_selected", "_selected_action": [events[0].pk], "post": "yes"})
    assert list(Event.objects.values()) == before


def test_without_the_permission_there_is_no_page(events: list[Event]) -> None:
    browser = Browser()
    browser.force_login(make_person("clerk", realm=None, is_staff=True))
    assert browser.get(LIST).status_code == 403


@pytest.mark.spec("issue 3 of 6: personal fields sealed under a key of the person that is destroyed")
class TestPersonalFields:
    @pytest.fixture
    def sealed(self, db: None) -> Event:
        realm = make_realm()
        ana = make_person(realm=realm)
        now = datetime.now(UTC)
        make_personal_key(ana, now=now)
        sign_in(realm=realm, username="ana", password=PASSWORD, address="192.0.2.77", user_agent="Browser/1", now=now)
        return Event.objects.get(name=EventName.SIGN_IN_SUCCEEDED)

    def viewer(self, *permissions: str) -> Browser:
        person = make_person("viewer", realm=None, is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        browser = Browser()
        browser.force_login(person)
        return browser

    def test_are_opened_on_an_events_page_for_those_who_may(self, sealed: Event) -> None:
        browser = self.viewer("view_event", "view_personal")
        assert "address 192.0.2.77 user_agent Browser/1" in words(browser.get(f"{LIST}{sealed.pk}/change/"))

    def test_leave_an_event_in_the_persons_history_whenever_they_are_opened(self, sealed: Event) -> None:
        browser, subject = self.viewer("view_event", "view_personal"), sealed.target
        browser.get(LIST)
        browser.get(f"{LIST}{sealed.pk}/history/")
        opened = Event.objects.filter(name=EventName.PERSONAL_FIELDS_OPENED)
        assert not opened.exists()
        for times in (1, 2):
            browser.get(f"{LIST}{sealed.pk}/change/")
            assert opened.count() == times
        viewer = User.objects.get(username_canonical="viewer")
        event = opened.latest("id")
        assert (event.actor, event.target, event.realm) == (f"user:{viewer.subject}", str(sealed.pk), sealed.realm)
        assert event.details == {"subject": subject}
        page = browser.get(LIST, {"person": subject})
        assert "personal_fields.opened" in words(page)
        assert f'href="{LIST}{sealed.pk}/change/"' in page.content.decode()

    def test_leave_none_where_nothing_is_opened(self, sealed: Event) -> None:
        self.viewer("view_event").get(f"{LIST}{sealed.pk}/change/")
        User.objects.get(username_canonical="ana").delete()
        owner = make_person("root", realm=None, is_staff=True, is_superuser=True)
        browser = Browser()
        browser.force_login(owner)
        browser.get(f"{LIST}{sealed.pk}/change/")
        assert not Event.objects.filter(name=EventName.PERSONAL_FIELDS_OPENED).exists()

    def test_are_on_no_page_of_anybody_else(self, sealed: Event) -> None:
        browser = self.viewer("view_event", "view_user")
        for address in (f"{LIST}{sealed.pk}/change/", LIST, "/admin/accounts/user/attempts/"):
            page = browser.get(address)
            assert page.status_code == 200
            assert "192.0.2.77" not in words(page)
            assert "Personal" not in words(page)
            assert sealed.details[SEALED].encode() not in page.content

    def test_are_gone_with_the_person(self, sealed: Event) -> None:
        User.objects.get(username_canonical="ana").delete()
        browser = self.viewer("view_event", "view_personal")
        page = words(browser.get(f"{LIST}{sealed.pk}/change/"))
        assert "Personal: none" in page
        assert "192.0.2.77" not in page
