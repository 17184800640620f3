"""No operator gets further than their role: not by people's pages, and not by becoming somebody else."""

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from accounts.models import Membership, TotpSecret, User
from accounts.vocabulary import ROLE_GROUPS, OperatorRole, group_of
from audit.models import Event
from audit.vocabulary import EventName
from tests.accounts.test_admin import NO_MEMBERSHIPS
from tests.idp_project.operators.test_role_pages import signed_in, with_role
from tests.pages import Elements
from tests.provider import PASSWORD, Browser, make_person
from tests.second_factors import give_totp

pytestmark = pytest.mark.spec("issue: roles, each can do no more than its permissions")
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
LIST = "/admin/accounts/user/"


@pytest.fixture
def clerk(db: None) -> User:
    """An operator who may change people."""
    return with_role(OperatorRole.OPERATOR)


@pytest.fixture
def admin(clerk: User) -> Browser:
    return signed_in(clerk)


@pytest.fixture
def owner(db: None) -> Browser:
    return signed_in(with_role(OperatorRole.OWNER))


def someone_with(right: str) -> User:
    """A person with one kind of right in the admin, however small."""
    person = make_person("victim", realm=None, is_staff=right == "is_staff", is_superuser=right == "is_superuser")
    if right == "groups":
        person.groups.add(Group.objects.create(name="empty"))
    if right == "user_permissions":
        person.user_permissions.add(Permission.objects.get(codename="view_user"))
    return person


def rights_form(person: User) -> dict[str, Any]:
    """A person's form, with all rights that there are."""
    everything = [permission.pk for permission in Permission.objects.all()]
    groups = [group.pk for group in Group.objects.all()]
    rights = {"is_staff": "on", "is_superuser": "on", "groups": groups, "user_permissions": everything}
    return {"username": person.username, "email": "new@example.org", "is_active": "on", **rights, **NO_MEMBERSHIPS}


class TestRights:
    def test_are_given_by_owners_alone(self, admin: Browser, owner: Browser) -> None:
        person = make_person("ana", realm=None)
        assert admin.post(f"{LIST}{person.pk}/change/", rights_form(person)).status_code == 302
        person.refresh_from_db()
        assert person.email == "new@example.org", "the rest of the form was taken"
        assert (person.is_staff, person.is_superuser) == (False, False)
        assert not person.groups.exists()
        assert not person.user_permissions.exists()
        assert owner.post(f"{LIST}{person.pk}/change/", rights_form(person)).status_code == 302
        person.refresh_from_db()
        assert (person.is_staff, person.is_superuser) == (True, True)
        event = Event.objects.filter(name=EventName.PERSON_CHANGED, target=person.subject).first()
        assert event is not None
        assert {"groups", "is_staff", "is_superuser"} <= set(event.details["fields"].split())

    def test_are_not_given_with_a_new_person_either(self, admin: Browser) -> None:
        form = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
        ana = User(username="ana")
        assert admin.post(LIST + "add/", {**rights_form(ana), **form}).status_code == 302
        person = User.objects.get(username_canonical="ana")
        assert (person.is_staff, person.is_superuser, person.groups.count()) == (False, False, 0)

    def test_are_on_no_page_that_others_see(self, admin: Browser, owner: Browser) -> None:
        person = make_person("ana", realm=None)
        for browser, seen in ((admin, False), (owner, True), (signed_in(with_role(OperatorRole.VIEWER)), False)):
            page = browser.get(f"{LIST}{person.pk}/change/").content.decode()
            assert ("is_superuser" in page, "user_permissions" in page) == (seen, seen)
            assert (b"is_staff" in browser.get(LIST).content) is seen

    @pytest.mark.parametrize(
        "query",
        [
            "is_staff__exact=1",
            "is_superuser=1",
            "groups__name=Signet+operator",
            "user_permissions__codename=view_user",
            "password__startswith=a",
            "o=4",
        ],
    )
    def test_narrow_no_list_of_others(self, query: str, admin: Browser, owner: Browser) -> None:
        make_person("victim", realm=None, is_staff=True)
        answer = admin.get(f"{LIST}?{query}")
        if query.startswith("o="):  # an order of columns, and no other rows
            assert b"victim" in answer.content
        else:
            assert answer.status_code == 400

    def test_of_a_role_are_changed_by_nobody(self, owner: Browser) -> None:
        for name in ROLE_GROUPS:
            group = Group.objects.get(name=name)
            address = reverse("admin:auth_group_change", args=[group.pk])
            assert owner.get(address).status_code == 200
            before = list(group.permissions.values_list("pk"))
            assert owner.post(address, {"name": name, "permissions": []}).status_code == 403
            assert owner.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"}).status_code == 403
            assert list(group.permissions.values_list("pk")) == before
        many = {"action": "delete_selected", "_selected_action": [str(each.pk) for each in Group.objects.all()]}
        owner.post("/admin/auth/group/", {**many, "post": "yes"})
        assert set(Group.objects.values_list("name", flat=True)) >= ROLE_GROUPS

    def test_of_a_further_group_leave_events(self, owner: Browser) -> None:
        may = Permission.objects.get(codename="view_realm")
        assert owner.post("/admin/auth/group/add/", {"name": "auditors", "permissions": [may.pk]}).status_code == 302
        group = Group.objects.get(name="auditors")
        event = Event.objects.get(name=EventName.ROLE_CHANGED)
        assert event.details == {"name": "auditors", "permissions": "realms.view_realm"}
        assert owner.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"}).status_code == 302
        assert Event.objects.get(name=EventName.ROLE_DELETED).target == event.target


@pytest.mark.parametrize("right", RIGHTS)
class TestSomebodyWithRights:
    def attempts(self, person: User) -> dict[str, tuple[str, dict[str, Any]]]:
        """Each way to become somebody, or to weaken how they prove who they are."""
        page = f"{LIST}{person.pk}/"
        why = {"reason": "Lost.", "confirmed": "yes"}
        change = {"username": "victim", "email": "mine@example.org", "is_active": "on", **NO_MEMBERSHIPS}
        new = {
            "usable_password": "true",
            "password1": "a long one, and mine by now",
            "password2": "a long one, and mine by now",
        }
        return {
            "address": (page + "change/", change),
            "password": (page + "password/", new),
            "no password": (page + "password/", {"usable_password": "false", "unset-password": "yes"}),
            "factors": (page + "reset-factors/", why),
            "limit": (page + "lift-limit/", why),
            "delete": (page + "delete/", {"post": "yes"}),
            "delete many": (LIST, {"action": "delete_selected", "_selected_action": [person.pk], "post": "yes"}),
        }

    def test_is_touched_by_owners_alone(self, right: str, admin: Browser, now: datetime) -> None:
        person = someone_with(right)
        give_totp(person, now)
        before = User.objects.values().get(pk=person.pk)
        for what, (address, form) in self.attempts(person).items():
            assert admin.post(address, form).status_code == 403, what
            if address != LIST and "change" not in address:
                assert admin.get(address).status_code == 403, what
        assert User.objects.values().get(pk=person.pk) == before
        assert TotpSecret.objects.filter(user=person).exists()

    def test_gets_no_membership_from_others(self, right: str, admin: Browser, realm: Any) -> None:
        person = someone_with(right)
        form = {
            "username": "victim", "memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0",
            "memberships-0-user": person.pk, "memberships-0-realm": realm.pk, "memberships-0-roles": "admin",
        }  # fmt: skip
        assert admin.post(f"{LIST}{person.pk}/change/", form).status_code == 403
        assert not Membership.objects.filter(user=person).exists()

    def test_is_seen_but_without_the_ways_to_touch_them(self, right: str, admin: Browser) -> None:
        page = admin.get(f"{LIST}{someone_with(right).pk}/change/")
        assert page.status_code == 200
        elements = Elements(page.content)
        assert not elements.all(name="_save")
        assert not elements.all(id="reset-factors")

    def test_is_touched_by_an_owner(self, right: str, owner: Browser, now: datetime) -> None:
        person = someone_with(right)
        give_totp(person, now)
        attempts = self.attempts(person)
        for what in ("limit", "factors", "password", "address", "delete"):
            address, form = attempts[what]
            assert owner.post(address, form).status_code == 302, what


@pytest.mark.parametrize("role", [OperatorRole.VIEWER, OperatorRole.KEY_OFFICER])
def test_whoever_only_looks_sees_nothing_of_a_password(role: OperatorRole, db: None) -> None:
    person, browser = make_person("ana", realm=None), signed_in(with_role(role))
    page = browser.get(f"{LIST}{person.pk}/change/").content.decode()
    assert "argon2" not in page
    assert "password/" not in page.replace("/admin/password_change/", "")


def test_nobody_but_an_owner_touches_themselves_there(clerk: User, admin: Browser) -> None:
    page = f"{LIST}{clerk.pk}/"
    for address, form in (
        (page + "change/", rights_form(clerk)),
        (
            page + "password/",
            {
                "usable_password": "true",
                "password1": "a long one, and mine by now",
                "password2": "a long one, and mine by now",
            },
        ),
        (page + "reset-factors/", {"reason": "x", "confirmed": "x"}),
        (page + "lift-limit/", {"reason": "x", "confirmed": "x"}),
        (page + "delete/", {"post": "yes"}),
    ):
        assert admin.post(address, form).status_code == 403
    clerk.refresh_from_db()
    assert not clerk.is_superuser


def test_a_selection_with_one_such_person_deletes_nobody(admin: Browser) -> None:
    plain = make_person("ana", realm=None)
    chosen = [plain.pk, someone_with("is_staff").pk]
    form = {"action": "delete_selected", "_selected_action": chosen}
    assert "permission to delete" in admin.post(LIST, form).content.decode()
    assert admin.post(LIST, {**form, "post": "yes"}).status_code == 403
    assert User.objects.filter(pk__in=chosen).count() == 2
    assert admin.post(LIST, {**form, "_selected_action": [plain.pk], "post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=plain.pk).exists()


@pytest.mark.parametrize("role", [OperatorRole.VIEWER, OperatorRole.OPERATOR, OperatorRole.KEY_OFFICER])
def test_no_popup_and_no_suggestions_lead_to_rights(role: OperatorRole, db: None) -> None:
    browser = signed_in(with_role(role))
    assert browser.get("/admin/auth/group/add/?_popup=1").status_code == 403
    assert browser.post("/admin/auth/group/add/?_popup=1", {"name": "mine", "_popup": "1"}).status_code == 403
    for asked in (
        "app_label=accounts&model_name=user&field_name=groups",
        "app_label=auth&model_name=group&field_name=permissions",
    ):
        answer = browser.get(f"/admin/autocomplete/?{asked}&term=a")
        assert answer.status_code == 403
    people = "app_label=accounts&model_name=session&field_name=user"
    assert browser.get(f"/admin/autocomplete/?{people}&term=the").status_code == 200, "they may view people"
    bare = signed_in(make_person("bare", realm=None, is_staff=True))
    assert bare.get(f"/admin/autocomplete/?{people}&term=the").status_code == 403
    assert not Group.objects.filter(name="mine").exists()


def test_an_owner_is_no_group_that_somebody_could_be_put_into() -> None:
    assert group_of(OperatorRole.OWNER) not in ROLE_GROUPS
