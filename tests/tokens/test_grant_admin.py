"""Grants in the admin: all that stand of what was chosen, of a person or of a client end at once, with a reason."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.pages import Elements
from tests.provider import Browser, make_person, make_realm
from tests.tokens.clients import register
from tests.tokens.grants import begin, refused
from tests.tokens.test_withdrawal import grant_for
from tokens.models import Client, Grant

LIST = "/admin/tokens/grant/"
WHY = {"reason": "A laptop was stolen.", "confirmed": "End"}
pytestmark = pytest.mark.spec("issue: operators end grants, of a person, of a client or chosen ones")


def operator(browser: Browser, *permissions: str) -> Browser:
    person, _made = User.objects.get_or_create(
        username="root", defaults={"is_staff": True, "created_at": datetime.fromisoformat("2026-01-01T00:00Z")}
    )
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser.force_login(person)
    return browser


@pytest.fixture
def admin(browser: Browser, db: None) -> Browser:
    return operator(browser, "view_grant", "end_grant", "view_user", "view_client")


def end_selected(browser: Browser, *chosen: object, **more: str) -> Any:
    return browser.post(LIST, {"action": "end_selected", "_selected_action": [str(each) for each in chosen], **more})


def standing() -> set[Any]:
    return set(Grant.objects.filter(revoked_at=None).values_list("pk", flat=True))


def hits(response: Any) -> int:
    found = re.search(r'id="hits">[^<]*?(\d+)\.', response.content.decode())
    assert found, response.content
    return int(found[1])


class TestChosenOnes:
    def test_the_page_says_how_many_and_ends_none_before_there_is_a_reason(
        self, admin: Browser, realm: Realm, ana: User, now: datetime
    ) -> None:
        first, second, third = (str(begin(realm, ana, now)[0].grant_id) for _ in range(3))
        Grant.objects.filter(pk=third).update(revoked_at=now, revocation_reason="logout")
        assert b"end_selected" in admin.get(LIST).content
        page = end_selected(admin, first, third)
        assert (page.status_code, hits(page)) == (200, 1)
        for reason in ("", "  ", "x" * 501, "a\0b"):
            again = end_selected(admin, first, third, confirmed="End", reason=reason)
            assert again.status_code == 200
            assert b"errornote" in again.content
        assert {str(pk) for pk in standing()} == {first, second}
        assert not Event.objects.filter(name=EventName.GRANT_ENDED).exists()

    def test_the_form_of_the_page_ends_them_with_an_event_each(
        self, admin: Browser, realm: Realm, ana: User, now: datetime
    ) -> None:
        held = [begin(realm, ana, now) for _ in range(3)]
        first, second, third = (begun.grant_id for begun, _token in held)
        page = Elements(end_selected(admin, first, second, index="0").content)
        sent = {"_selected_action": [have["value"] for have in page.all(name="_selected_action")]}
        kept = {have["name"]: have["value"] for have in page.all(type="hidden") if have["name"] != "_selected_action"}
        assert page.one(id="confirm")["name"] == "confirmed"
        answer = admin.post(f"{LIST}?realm__id__exact={realm.pk}", {**kept, **sent, **WHY})
        assert (answer.status_code, answer["Location"]) == (302, f"{LIST}?realm__id__exact={realm.pk}")
        assert standing() == {third}
        assert [refused(token, realm, now) for _begun, token in held[:2]] == ["refuse"] * 2
        root = User.objects.get(username="root")
        events = Event.objects.filter(name=EventName.GRANT_ENDED)
        assert {(event.target, event.actor, event.reason, event.details["reason"]) for event in events} == {
            (str(pk), f"user:{root.subject}", WHY["reason"], "operator") for pk in (first, second)
        }

    def test_all_of_a_long_list_end_and_no_others(self, admin: Browser, realm: Realm, ana: User, now: datetime) -> None:
        eve = make_person("eve", realm=realm)
        for _ in range(105):
            begin(realm, ana, now)
        kept, _token = begin(realm, eve, now)
        [one] = Grant.objects.filter(user=ana)[:1]
        form = {"action": "end_selected", "_selected_action": str(one.pk), "select_across": "1"}
        assert hits(admin.post(f"{LIST}?q=ana", {**form, "index": "0"})) == 105
        assert admin.post(f"{LIST}?q=ana", {**form, **WHY}).status_code == 302
        assert standing() == {kept.grant_id}

    def test_twenty_take_as_many_queries_as_one(self, admin: Browser, realm: Realm, ana: User, now: datetime) -> None:
        counts = []
        for several in (1, 20):
            chosen = [begin(realm, ana, now)[0].grant_id for _ in range(several)]
            with CaptureQueriesContext(connection) as statements:
                assert end_selected(admin, *chosen, **WHY).status_code == 302
            counts.append(len(statements))
            updates = [query["sql"] for query in statements if query["sql"].startswith('UPDATE "tokens_grant"')]
            assert len(updates) == 1
        assert counts[0] == counts[1]
        assert standing() == set()

    @pytest.mark.parametrize("value", ["", "1", "x", "\0", "00000000-0000-0000-0000-000000000000", "'--", "é" * 40])
    def test_garbage_ends_nothing(self, value: str, admin: Browser, realm: Realm, ana: User, now: datetime) -> None:
        begin(realm, ana, now)
        assert end_selected(admin, value, **WHY).status_code == (302 if value.count("-") == 4 else 400)
        assert len(standing()) == 1


class TestAllOfOne:
    @pytest.fixture
    def grants(self, realm: Realm, ana: User, now: datetime) -> dict[str, Any]:
        other = make_realm("other")
        eve, client = make_person("eve", realm=realm), register(realm)[0]
        return {
            "direct": begin(realm, ana, now)[0].grant_id,
            "client": grant_for(ana, client, now).pk,
            "elsewhere": begin(other, ana, now)[0].grant_id,
            "eve": grant_for(eve, client, now).pk,
        }

    def test_of_a_person_in_every_realm(self, admin: Browser, ana: User, grants: dict[str, Any]) -> None:
        link = Elements(admin.get(f"/admin/accounts/user/{ana.pk}/change/").content).one(id="end-grants")["href"]
        assert link is not None
        page = admin.get(link)
        assert hits(page) == 3
        assert b"End all grants of ana" in page.content
        assert len(standing()) == 4
        assert admin.post(link, {"confirmed": "End"}).status_code == 200
        assert len(standing()) == 4
        answer = admin.post(link, WHY)
        assert (answer.status_code, answer["Location"]) == (302, f"/admin/accounts/user/{ana.pk}/change/")
        assert standing() == {grants["eve"]}
        assert set(Event.objects.filter(name=EventName.GRANT_ENDED).values_list("realm", flat=True)) == {
            "default",
            "other",
        }

    def test_of_a_client(self, admin: Browser, grants: dict[str, Any]) -> None:
        client = Client.objects.get(client_id="machine")
        link = Elements(admin.get(f"/admin/tokens/client/{client.pk}/change/").content).one(id="end-grants")["href"]
        assert link is not None
        assert hits(admin.get(link)) == 2
        assert admin.post(link, WHY)["Location"] == f"/admin/tokens/client/{client.pk}/change/"
        assert standing() == {grants["direct"], grants["elsewhere"]}

    def test_where_there_is_nothing_nothing_ends(self, admin: Browser, realm: Realm, ana: User) -> None:
        link = f"{LIST}of-person/{ana.pk}/end/"
        assert hits(admin.get(link)) == 0
        assert admin.post(link, WHY).status_code == 302

    @pytest.mark.parametrize(
        ("key", "got", "posted"),
        [
            ("0", 404, 404),
            ("99999999999999999999", 404, 404),
            ("-1", 200, 302),  # no address of ours: Django's own page says that there is none
            ("x", 200, 302),
            ("1/../2", 200, 302),
            ("%00", 400, 400),
        ],
    )
    @pytest.mark.parametrize("whose", ["person", "client"])
    def test_garbage_is_nobodys(
        self, whose: str, key: str, got: int, posted: int, admin: Browser, grants: dict[str, Any]
    ) -> None:
        link = f"{LIST}of-{whose}/{key}/end/"
        assert admin.get(link, follow=True).status_code == got
        assert admin.post(link, WHY).status_code == posted
        assert len(standing()) == len(grants)

    def test_another_method_is_refused(self, admin: Browser, ana: User) -> None:
        assert admin.delete(f"{LIST}of-person/{ana.pk}/end/").status_code == 405


@pytest.mark.parametrize(
    "permissions",
    [("view_grant", "view_user", "view_client", "change_grant", "delete_grant"), ("end_grant", "view_user"), ()],
)
def test_it_takes_a_permission_of_its_own(
    permissions: tuple[str, ...], browser: Browser, realm: Realm, ana: User, now: datetime
) -> None:
    admin = operator(browser, *permissions)
    begun, _token = begin(realm, ana, now)
    client = Client.objects.get()
    for link in (f"{LIST}of-person/{ana.pk}/end/", f"{LIST}of-client/{client.pk}/end/"):
        assert admin.get(link).status_code == 403
        assert admin.post(link, WHY).status_code == 403
    assert end_selected(admin, begun.grant_id, **WHY).status_code == (200 if "view_grant" in permissions else 403)
    assert b"end_selected" not in admin.get(LIST).content
    for page in (f"/admin/accounts/user/{ana.pk}/change/", f"/admin/tokens/client/{client.pk}/change/"):
        assert b"end-grants" not in admin.get(page).content
    assert standing() == {begun.grant_id}


def test_who_is_no_operator_is_sent_to_sign_in(browser: Browser, realm: Realm, ana: User, now: datetime) -> None:
    begin(realm, ana, now)
    ana.user_permissions.set(Permission.objects.filter(codename__in=("end_grant", "view_grant")))
    browser.force_login(ana)
    assert browser.post(f"{LIST}of-person/{ana.pk}/end/", WHY).status_code == 302
    assert len(standing()) == 1


def test_a_form_of_another_site_ends_nothing(realm: Realm, ana: User, now: datetime) -> None:
    admin = operator(Browser(enforce_csrf_checks=True), "view_grant", "end_grant")
    begun, _token = begin(realm, ana, now)
    assert admin.post(f"{LIST}of-person/{ana.pk}/end/", WHY).status_code == 403
    assert end_selected(admin, begun.grant_id, **WHY).status_code == 403
    assert len(standing()) == 1


def test_a_name_is_text_and_nothing_else(admin: Browser, realm: Realm, now: datetime) -> None:
    eve = make_person("<script>&", realm=realm)
    grant_for(eve, register(realm)[0], now - timedelta(minutes=1))
    assert b"<script>&" not in admin.get(f"{LIST}of-person/{eve.pk}/end/").content
