"""What an operator does to a person ends their sessions, and their clients hear of it."""

import pytest

from accounts import forms
from accounts.models import Membership, User
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.clock import FakeClock
from tests.flows import backchannel
from tests.flows.backchannel import claims_of, deliver, id_token
from tests.flows.code_flow import App
from tests.provider import Browser, make_person, make_realm
from tests.relying_party import RelyingParty
from tokens.vocabulary import DeliveryState

app, clock, party = backchannel.app, backchannel.clock, backchannel.party


@pytest.fixture
def admin(realm: Realm) -> Browser:
    found = Browser()
    found.force_login(make_person("root", realm=None, is_staff=True, is_superuser=True))
    return found


def person_form(person: User, **changes: str) -> dict[str, str]:
    membership = Membership.objects.get(user=person)
    return {
        "username": person.username,
        "is_active": "on",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": str(membership.pk),
        "memberships-0-user": str(person.pk),
        "memberships-0-realm": str(membership.realm_id),
        **changes,
    }


def change(admin: Browser, person: User, form: dict[str, str], page: str = "change") -> None:
    answer = admin.post(f"/admin/accounts/user/{person.pk}/{page}/", form)
    assert answer.status_code == 302, answer.content.decode()


@pytest.mark.spec("issue: operators end sessions by disabling, deleting, re-passwording a person or their membership")
@pytest.mark.parametrize("how", ["disabled", "password", "no password", "departed", "deleted", "deleted with others"])
def test_what_ends_a_persons_sessions_tells_their_clients(
    app: App, ana: User, admin: Browser, clock: FakeClock, party: RelyingParty, how: str
) -> None:
    hint = id_token(app)
    if how == "disabled":
        change(admin, ana, person_form(ana, is_active=""))
    elif how == "password":
        secret = "another long enough one"
        change(admin, ana, {"password1": secret, "password2": secret, "usable_password": "true"}, "password")
    elif how == "no password":
        change(admin, ana, {"usable_password": "false", "unset-password": "1"}, "password")
    elif how == "departed":
        change(admin, ana, person_form(ana, **{"memberships-0-DELETE": "on"}))
    elif how == "deleted":
        change(admin, ana, {"post": "yes"}, "delete")
    else:
        form = {"action": "delete_selected", "_selected_action": str(ana.pk), "post": "yes"}
        assert admin.post("/admin/accounts/user/", form).status_code == 302
    assert deliver(clock) == {DeliveryState.DELIVERED: 1}
    assert [claims_of(token)["sid"] for token in party.tokens] == [claims_of(hint)["sid"]]


@pytest.mark.spec("issue: a sign-out and what has to be told of it are one")
def test_a_password_is_not_changed_where_the_sessions_can_not_be_ended(
    app: App, ana: User, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise RuntimeError

    id_token(app)
    monkeypatch.setattr(forms, "end_sessions_of", fail)
    with pytest.raises(RuntimeError):
        change(admin, ana, {"usable_password": "false", "unset-password": "1"}, "password")
    assert User.objects.get(pk=ana.pk).password == ana.password


def test_a_form_that_contradicts_itself_ends_nothing(app: App, ana: User, admin: Browser, clock: FakeClock) -> None:
    id_token(app)
    change(admin, ana, {"usable_password": "false", "set-password": "1"}, "password")
    assert deliver(clock) == {}
    assert not Event.objects.filter(name=EventName.PERSON_CHANGED).exists()


def test_a_membership_stays_in_its_realm(app: App, ana: User, admin: Browser) -> None:
    """Moved to another one, it would be gone from the first without an event, and without a word to any client."""
    other = make_realm("other")
    change(admin, ana, person_form(ana, **{"memberships-0-realm": str(other.pk)}))
    assert Membership.objects.get(user=ana).realm.slug == "default"


def test_another_change_of_a_person_tells_nobody(app: App, ana: User, admin: Browser, clock: FakeClock) -> None:
    id_token(app)
    change(admin, ana, person_form(ana, name="Ana B."))
    assert deliver(clock) == {}
