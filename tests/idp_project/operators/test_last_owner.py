"""One owner always stays: nobody could make another, and the database would have to be opened by hand."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.vocabulary import OperatorRole
from audit.models import Event
from audit.vocabulary import EventName
from tests.accounts.test_admin import NO_MEMBERSHIPS
from tests.idp_project.operators.test_role_pages import signed_in, with_role
from tests.provider import Browser, make_person

pytestmark = pytest.mark.spec("issue: roles, an owner among them")
LIST = "/admin/accounts/user/"
WHOLE = {"is_staff": "on", "is_superuser": "on", "is_active": "on"}


@pytest.fixture
def root(db: None) -> User:
    return with_role(OperatorRole.OWNER)


@pytest.fixture
def owner(root: User) -> Browser:
    return signed_in(root)


def form(person: User, *without: str) -> dict[str, Any]:
    kept = {name: value for name, value in WHOLE.items() if name not in without}
    return {"username": person.username, **kept, **NO_MEMBERSHIPS}


@pytest.mark.parametrize("right", list(WHOLE))
def test_the_last_owner_is_not_demoted(right: str, owner: Browser, root: User) -> None:
    make_person("asleep", realm=None, is_staff=True, is_superuser=True, is_active=False)
    make_person("outside", realm=None, is_superuser=True)
    answer = owner.post(f"{LIST}{root.pk}/change/", form(root, right), follow=True)
    assert "the only owner" in answer.content.decode()
    root.refresh_from_db()
    assert (root.is_staff, root.is_superuser, root.is_active) == (True, True, True)
    assert not Event.objects.filter(name=EventName.PERSON_CHANGED, target=root.subject).exists()
    assert owner.post(f"{LIST}{root.pk}/change/", form(root)).status_code == 302


@pytest.mark.parametrize("right", list(WHOLE))
def test_one_of_two_is(right: str, owner: Browser, root: User) -> None:
    make_person("other", realm=None, is_staff=True, is_superuser=True)
    owner.post(f"{LIST}{root.pk}/change/", form(root, right))
    assert User.objects.filter(is_staff=True, is_superuser=True, is_active=True).get().username == "other"


def test_the_last_owner_is_not_deleted(owner: Browser, root: User) -> None:
    other = make_person("other", realm=None, is_staff=True, is_superuser=True)
    assert owner.post(f"{LIST}{other.pk}/delete/", {"post": "yes"})["Location"] == LIST
    assert "the only owner" in owner.post(f"{LIST}{root.pk}/delete/", {"post": "yes"}, follow=True).content.decode()
    sent = {"action": "delete_selected", "_selected_action": [root.pk], "post": "yes"}
    assert "the only owner" in owner.post(LIST, sent, follow=True).content.decode()
    assert User.objects.get() == root
    assert not Event.objects.filter(name=EventName.PERSON_DELETED, target=root.subject).exists()


def test_of_two_who_demote_each_other_at_once_one_stays(owner: Browser, root: User) -> None:
    """The rows of all owners are held before one is changed, so that a second change waits for the first."""
    with (
        transaction.atomic(),
        CaptureQueriesContext(
            connection,
        ) as queries,
    ):
        owner.post(f"{LIST}{root.pk}/change/", form(root))
    statements = [each["sql"] for each in queries]
    held = next(at for at, sql in enumerate(statements) if "FOR NO KEY UPDATE" in sql and '"is_superuser"' in sql)
    changed = next(at for at, sql in enumerate(statements) if sql.startswith('UPDATE "accounts_user" SET "password"'))
    assert held < changed
