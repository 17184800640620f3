"""Every page of the admin and every action, for every role: what the table says, and no more.

The pages are taken from the admin itself, so a new one fails here until it has its place in the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, reverse

from accounts.models import Device, Session, UpstreamLink, User
from accounts.services.invitations import invite
from accounts.services.upstreams import create_provider
from accounts.upstream.terms import ProviderTerms
from accounts.vocabulary import DeviceKind, OperatorRole, group_of
from audit.models import Event
from idp_project.roles import OUR_APPS, OWNERS_ALONE, permissions_of_roles
from keys.models import KeyPair, KeyRing
from realms.models import Realm
from realms.vocabulary import Registration
from tests.provider import Browser, make_person
from tests.tokens.logouts import one_logout
from tokens.models import Consent, Grant

pytestmark = pytest.mark.spec("issue: roles, each can do no more than its permissions")

VIEWER, OPERATOR, OFFICER, OWNER = OperatorRole
ALL = frozenset(OperatorRole)
CARE = frozenset({OPERATOR, OWNER})  # of people and clients
KEYS = frozenset({OFFICER, OWNER})
OWNERS = frozenset({OWNER})
NOBODY: frozenset[OperatorRole] = frozenset()


@dataclass(frozen=True)
class Place:
    """Who may GET and who may POST a page, and what a POST sends that would change something."""

    get: frozenset[OperatorRole]
    post: frozenset[OperatorRole]
    sent: dict[str, str]


def page(get: frozenset[OperatorRole], post: frozenset[OperatorRole] = NOBODY, /, **sent: str) -> Place:
    return Place(get, post, sent)


def pages_of(
    model: str,
    *,
    view: frozenset[OperatorRole] = ALL,
    add: frozenset[OperatorRole] = NOBODY,
    change: frozenset[OperatorRole] = NOBODY,
    delete: frozenset[OperatorRole] = NOBODY,
) -> dict[str, Place]:
    return {
        f"{model}_changelist": page(view),
        f"{model}_add": page(add, add),
        f"{model}_change": page(view, change),
        f"{model}_delete": page(delete, delete, post="yes"),
        f"{model}_history": page(view),
    }


WHY = {"reason": "Because.", "confirmed": "yes"}
TABLE = {
    **pages_of("auth_group", view=OWNERS, add=OWNERS, change=OWNERS, delete=OWNERS),
    **pages_of("accounts_user", add=CARE, change=CARE, delete=CARE),
    "auth_user_password_change": page(CARE, CARE, **{"usable_password": "false", "unset-password": "yes"}),
    "accounts_user_attempts": page(ALL),
    "accounts_user_reset_factors": page(CARE, CARE, **WHY),
    "accounts_user_lift_limit": page(CARE, CARE, **WHY),
    **pages_of("accounts_session"),
    **pages_of("accounts_device"),
    **pages_of("accounts_mailedlink"),
    "accounts_mailedlink_invite": page(CARE, CARE, realm="1", email="new@example.org"),
    **pages_of("accounts_upstreamprovider", add=CARE, change=CARE, delete=CARE),
    **pages_of("accounts_upstreamlink"),
    **pages_of("tokens_client", add=CARE, change=CARE),
    "tokens_client_secret": page(CARE, CARE),
    "tokens_client_try": page(CARE, CARE),
    **pages_of("tokens_consent"),
    **pages_of("tokens_grant"),
    "tokens_grant_end_of_person": page(CARE, CARE, **WHY),
    "tokens_grant_end_of_client": page(CARE, CARE, **WHY),
    **pages_of("tokens_logoutdelivery"),
    **pages_of("keys_keypair"),
    "keys_keypair_compromise": page(KEYS, KEYS, reason="Lost."),
    **pages_of("keys_keyring", add=KEYS, change=KEYS),
    "keys_keyring_move": page(KEYS, KEYS),
    "keys_keyring_rotate": page(KEYS, KEYS, kind="forced", reason="Now."),
    **pages_of("audit_event"),
    **pages_of("realms_realm", change=CARE),
}
# Pages of the admin itself, which tests/idp_project/operators/test_site.py holds; and the one to which a trial of a
# client comes back, which shows nothing to whoever began none.
SITE = {
    "index", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n", "view_on_site",
    "app_list", "tokens_client_trial_answer", "second_factor", "second_factor_passkey",
    "second_factor_passkey_options", "second_factor_set_up",
}  # fmt: skip
ACTIONS = {
    "auth.group": {"delete_selected": OWNERS},
    "accounts.user": {"delete_selected": CARE},
    "accounts.session": {"end_selected": CARE},
    "accounts.device": {"remove_selected": CARE, "trust_selected": CARE},
    "accounts.mailedlink": {"withdraw_selected": CARE},
    "accounts.upstreamprovider": {"check_now": CARE, "delete_selected": CARE},
    "accounts.upstreamlink": {"unlink_selected": CARE},
    "tokens.consent": {"withdraw_selected": CARE},
    "tokens.grant": {"end_selected": CARE},
    "tokens.logoutdelivery": {"try_again": CARE},
}


def names(patterns: Any = None) -> Iterator[str]:
    for pattern in admin.site.get_urls() if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


@pytest.fixture
def rows(realm: Realm, ana: User, now: datetime, settings: LazySettings) -> dict[str, Any]:
    """One row of each kind, by its model's name."""
    settings.IDP_CAN_MAIL = True
    delivery = one_logout(ana, realm, now)
    group = Group.objects.create(name="by hand")
    Consent.objects.create(user=ana, client=delivery.client, scopes=["openid"], granted_at=now)
    grant = Grant.objects.get()
    device = Device.objects.create(
        user=ana, kind=DeviceKind.BROWSER, name="Laptop", created_at=now, last_used_at=now
    )  # fmt: skip
    terms = ProviderTerms(name="Corp", issuer="https://corp.example", client_id="signet")
    provider = create_provider(realm=realm, slug="corp", terms=terms, secret=None, actor="test", now=now)
    Realm.objects.update(registration=Registration.INVITED)
    realm.refresh_from_db()
    Grant.objects.update(revoked_at=None, revocation_reason="")
    return {
        "group": group,
        "user": ana,
        "session": Session.objects.get(),
        "device": device,
        "mailedlink": invite(realm=realm, email="ben@example.org", roles=(), actor="test", now=now),
        "upstreamprovider": provider,
        "upstreamlink": UpstreamLink.objects.create(provider=provider, user=ana, subject="u-1", created_at=now),
        "client": delivery.client,
        "consent": Consent.objects.get(),
        "grant": grant,
        "logoutdelivery": delivery,
        "keypair": KeyPair.objects.filter(ring__purpose="sign", deactivates_at__isnull=False).get(),
        "keyring": KeyRing.objects.get(purpose="sign"),
        "event": Event.objects.first(),
        "realm": realm,
    }


def address_of(name: str, rows: dict[str, Any]) -> str:
    special = {"tokens_grant_end_of_person": "user", "tokens_grant_end_of_client": "client"}
    if name.endswith(("_changelist", "_add", "_attempts", "_invite")):
        return reverse(f"admin:{name}")
    return reverse(f"admin:{name}", args=[rows[special.get(name) or name.split("_")[1]].pk])


def with_role(role: OperatorRole) -> User:
    person = make_person(f"the-{role}".replace(" ", "-"), realm=None, is_staff=True, is_superuser=role is OWNER)
    if role is not OWNER:
        person.groups.set([Group.objects.get(name=group_of(role))])
    return person


def signed_in(person: User) -> Browser:
    browser = Browser(raise_request_exception=False)
    browser.force_login(person)
    return browser


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row that somebody might change."""
    models: list[Any] = [Group, Group.permissions.through, User.groups.through, User.user_permissions.through]
    models += [model for label in OUR_APPS for model in apps.get_app_config(label).get_models()]
    return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models}


def test_every_page_of_the_admin_has_its_place() -> None:
    assert set(names()) <= TABLE.keys() | SITE
    assert TABLE.keys() <= set(names())


def is_closed_to_whoever_has_no_role(address: str, sent: dict[str, str], ana: User) -> None:
    """Nobody, a person, and somebody who may come in and has no permission."""
    bare = signed_in(make_person("bare", realm=None, is_staff=True))
    before = everything()
    for browser, statuses in ((Browser(), {302}), (signed_in(ana), {302}), (bare, {403, 405})):
        for answer in (browser.get(address), browser.post(address, sent)):
            assert answer.status_code in statuses
            assert answer.status_code != 302 or answer["Location"].startswith("/admin/login/")
    after = everything()
    assert {**after, "accounts.User": before["accounts.User"]} == before  # but for their last sign-in


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_page_opens_for_its_roles_alone(name: str, rows: dict[str, Any], ana: User) -> None:
    place, address = TABLE[name], address_of(name, rows)
    is_closed_to_whoever_has_no_role(address, place.sent, ana)
    for role in OperatorRole:
        browser = signed_in(with_role(role))
        got = browser.get(address).status_code
        assert (got == 200) is (role in place.get), (role, "GET", got)
        assert role in place.get or got == 403
        before = everything()
        with transaction.atomic():
            answer = browser.post(
                address, place.sent | ({"realm": str(rows["realm"].pk)} if "realm" in place.sent else {})
            )
            if role in place.post:
                assert answer.status_code in (200, 302), (role, "POST", answer.status_code)
                changes = bool(place.sent) or name == "tokens_client_secret"
                assert (everything() != before) is changes, (role, "POST changed nothing")
            else:
                assert everything() == before, (role, "POST changed something")
                reads = name.endswith(("_changelist", "_history")) and role in place.get
                assert answer.status_code in ({200, 302, 405} if reads else {403, 405}), (role, answer.status_code)
            transaction.set_rollback(True)


def test_the_actions_of_a_list_are_those_of_the_role(db: None) -> None:
    for role in OperatorRole:
        request = RequestFactory().get("/admin/")
        request.user = with_role(role)
        for model, model_admin in admin.site._registry.items():
            placed = ACTIONS.get(model._meta.label_lower, {})
            assert set(model_admin.get_actions(request)) == {each for each, who in placed.items() if role in who}


@pytest.mark.parametrize(("model", "action"), [(model, each) for model, found in ACTIONS.items() for each in found])
def test_an_action_is_nobodys_whose_role_has_it_not(
    model: str, action: str, rows: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    label, kind = model.split(".")
    sent = {"action": action, "_selected_action": [str(rows[kind].pk)], "post": "yes", **WHY}
    for role in sorted(ALL - ACTIONS[model][action]):
        browser = signed_in(with_role(role))
        before = everything()
        assert browser.post(reverse(f"admin:{label}_{kind}_changelist"), sent).status_code == (
            403 if label == "auth" else 200  # who sees the list sees it again
        )
        assert everything() == before


@pytest.mark.parametrize("model", list(ACTIONS))
@pytest.mark.parametrize("key", ["abc", "\0", "1" * 400, ""])
def test_what_is_selected_is_a_key_that_a_row_can_have(key: str, model: str, db: None) -> None:
    label, kind = model.split(".")
    sent = {"action": next(iter(ACTIONS[model])), "_selected_action": [key], "post": "yes", **WHY}
    browser = signed_in(with_role(OWNER))
    assert browser.post(reverse(f"admin:{label}_{kind}_changelist"), sent).status_code == 400


@pytest.mark.spec("issue: Django's permissions")
class TestTheTable:
    def test_every_permission_of_our_own_has_its_place(self, db: None) -> None:
        placed = frozenset().union(*permissions_of_roles().values()) | OWNERS_ALONE
        own = {
            f"{label}.{codename}"
            for label in OUR_APPS
            for model in apps.get_app_config(label).get_models()
            for codename, _words in model._meta.permissions
        }
        assert own <= placed

    def test_it_names_no_permission_that_isnt_there(self, db: None) -> None:
        owner = with_role(OWNER)
        there = owner.get_all_permissions()
        assert frozenset().union(*permissions_of_roles().values()) <= there
        assert there >= OWNERS_ALONE

    def test_whoever_views_changes_nothing(self) -> None:
        assert {name.partition(".")[2].partition("_")[0] for name in permissions_of_roles()[VIEWER]} == {"view"}
        assert not permissions_of_roles()[VIEWER] & OWNERS_ALONE

    def test_each_role_has_what_a_viewer_has_and_people_and_keys_are_apart(self) -> None:
        table = permissions_of_roles()
        assert all(found >= table[VIEWER] for found in table.values())
        assert table[OPERATOR] & table[OFFICER] == table[VIEWER]
        for found in table.values():
            assert not {name for name in found if name.startswith(("auth.", "admin.", "contenttypes.", "sessions."))}
