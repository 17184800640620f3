"""Upstream providers in the admin: the rules beside their fields, a secret that never comes out, and who may what."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, transaction

from accounts.models import UpstreamLink, UpstreamProvider, User
from accounts.services.upstreams import client_secret_of, link
from audit.models import Event
from audit.vocabulary import EventName
from keys import hooks
from keys.services.rewrapping import sealed_by
from realms.models import Realm
from tests.accounts.test_session_admin import operator
from tests.flows.upstream_flow import add_provider
from tests.pages import Elements
from tests.provider import Browser
from tests.upstream import SECRET, Upstream, upstream_provider

LIST = "/admin/accounts/upstreamprovider/"
LINKS = "/admin/accounts/upstreamlink/"
pytestmark = pytest.mark.spec("issue 3 of 6: upstream providers in the admin")


@pytest.fixture
def upstream(settings: LazySettings) -> Iterator[Upstream]:
    settings.IDP_PLAIN_HTTP = True
    with upstream_provider() as found:
        yield found


@pytest.fixture
def provider(realm: Realm, upstream: Upstream, now: datetime) -> UpstreamProvider:
    return add_provider(realm, upstream, now)


@pytest.fixture
def admin(browser: Browser, db: None) -> Browser:
    actions = ("view", "add", "change", "delete")
    return operator(browser, *(f"{action}_upstreamprovider" for action in actions), "view_realm")


def fields(realm: Realm, **changes: Any) -> dict[str, Any]:
    right = {
        "realm": realm.pk,
        "slug": "corp",
        "name": "Corp",
        "issuer": "https://login.corp.example/tenant",
        "client_id": "signet",
        "scopes": "openid email",
        "allowed_domains": "",
        "enabled": "on",
        "new_secret": SECRET,
        **changes,
    }
    return {name: value for name, value in right.items() if value is not None}


def events(*names: EventName) -> list[Any]:
    return [(event.name, event.target) for event in Event.objects.filter(name__in=names).order_by("pk")]


def test_a_provider_is_added_with_its_secret_sealed(admin: Browser, realm: Realm) -> None:
    answer = admin.post(f"{LIST}add/", fields(realm, allowed_domains="Corp.example  other.example"))
    assert answer.status_code == 302, answer.content.decode()
    made = UpstreamProvider.objects.get()
    assert (made.issuer, made.scopes) == ("https://login.corp.example/tenant", ["openid", "email"])
    assert made.allowed_domains == ["corp.example", "other.example"]
    assert SECRET.encode() not in bytes(made.client_secret or b"")
    assert client_secret_of(made) == SECRET
    assert events(EventName.UPSTREAM_CREATED) == [("upstream.created", "corp")]
    page = admin.get(f"{LIST}{made.pk}/change/").content.decode()
    assert SECRET not in page
    assert "https://id.example.test/upstream/corp/callback" in page
    assert SECRET not in admin.get("/admin/").content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issuer", "http://login.corp.example"),
        ("issuer", "http://127.0.0.1:1"),
        ("issuer", "https://login.corp.example/?tenant=1"),
        ("issuer", "https://login.corp.example/#x"),
        ("issuer", "https://user@login.corp.example/"),
        ("issuer", "ldap://login.corp.example"),
        ("issuer", "https://login.corp.example:99999"),
        ("issuer", "https://lögin.example"),
        ("slug", "Corp"),
        ("slug", "-corp"),
        ("slug", "a/b"),
        ("scopes", "email"),
        ("scopes", 'openid "x"'),
        ("scopes", "openid openid"),
        ("allowed_domains", "@corp.example"),
        ("allowed_domains", "corp.example,other.example"),
        ("allowed_domains", "a a"),
        ("client_id", "zoë"),
        ("new_secret", "zoë"),
        ("name", "   "),
    ],
)
def test_what_breaks_a_rule_is_refused_beside_its_field(admin: Browser, realm: Realm, field: str, value: str) -> None:
    answer = admin.post(f"{LIST}add/", fields(realm, **{field: value}))
    assert answer.status_code == 200
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not UpstreamProvider.objects.exists()


def test_two_of_a_realm_have_two_slugs(admin: Browser, realm: Realm, provider: UpstreamProvider) -> None:
    answer = admin.post(f"{LIST}add/", fields(realm))
    assert answer.status_code == 200
    assert UpstreamProvider.objects.count() == 1


def test_who_it_is_never_changes_and_the_rest_does(
    admin: Browser, realm: Realm, provider: UpstreamProvider, upstream: Upstream
) -> None:
    changed = fields(realm, name="Corporation", issuer="https://evil.example", slug="evil", new_secret="")
    assert admin.post(f"{LIST}{provider.pk}/change/", changed).status_code == 302
    found = UpstreamProvider.objects.get()
    assert (found.name, found.slug, found.issuer) == ("Corporation", "corp", upstream.issuer)
    assert client_secret_of(found) == SECRET
    [event] = Event.objects.filter(name=EventName.UPSTREAM_CHANGED)
    assert event.details == {"fields": "client_id name", "enabled": True}


def test_a_secret_is_kept_replaced_or_forgotten(admin: Browser, realm: Realm, provider: UpstreamProvider) -> None:
    def save(**changes: Any) -> str:
        same = {"client_id": provider.client_id, "new_secret": "", **changes}
        assert admin.post(f"{LIST}{provider.pk}/change/", fields(realm, **same)).status_code == 302
        return client_secret_of(UpstreamProvider.objects.get())

    assert save() == SECRET
    assert events(EventName.UPSTREAM_CHANGED) == [], "nothing differs"
    assert save(new_secret="another") == "another"
    assert save(forget_secret="on") == ""
    assert save(forget_secret="on") == ""
    assert len(events(EventName.UPSTREAM_CHANGED)) == 2
    both = fields(realm, new_secret="x", forget_secret="on")
    assert admin.post(f"{LIST}{provider.pk}/change/", both).status_code == 200


@pytest.mark.spec("keys.md: a rewrap reaches every sealed value")
def test_the_secret_is_rewrapped_with_all_else(provider: UpstreamProvider) -> None:
    assert any(column.label == "accounts.UpstreamProvider" for column in hooks.sealed_columns())
    assert sum(sealed_by().values()) >= 1


def test_a_provider_is_deleted_with_its_links(
    admin: Browser, provider: UpstreamProvider, ana: User, now: datetime
) -> None:
    link(provider=provider, subject="u-1", person=ana, now=now)
    assert admin.post(f"{LIST}{provider.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not UpstreamLink.objects.exists()
    assert events(EventName.UPSTREAM_DELETED) == [("upstream.deleted", "corp")]


class TestCheckNow:
    def run(self, browser: Browser, *chosen: Any) -> str:
        form = {"action": "check_now", "_selected_action": [str(each) for each in chosen], "index": "0"}
        return browser.post(LIST, form, follow=True).content.decode()

    def test_it_says_that_all_is_well(self, admin: Browser, provider: UpstreamProvider) -> None:
        said = self.run(admin, provider.pk)
        assert "Corp: all is well; usable keys: 1, client by client_secret_basic." in said

    @pytest.mark.parametrize(
        ("metadata", "said"),
        [
            ({"issuer": "https://other.example"}, "Corp: Its metadata name another issuer."),
            ({"jwks_uri": "http://other.example/"}, "Corp: Its jwks_uri is refused"),
            ({"token_endpoint_auth_methods_supported": ["none"]}, "takes a client&#x27;s secret neither"),
        ],
    )
    def test_it_says_what_is_wrong(
        self, admin: Browser, provider: UpstreamProvider, upstream: Upstream, metadata: dict[str, Any], said: str
    ) -> None:
        upstream.metadata |= metadata
        assert said in self.run(admin, provider.pk)

    def test_it_says_that_nobody_is_there(self, admin: Browser, provider: UpstreamProvider) -> None:
        UpstreamProvider.objects.all().delete()
        gone = add_provider(provider.realm, Upstream("http://127.0.0.1:1"), provider.created_at)
        assert "Corp: Its metadata can&#x27;t be had: unreachable." in self.run(admin, gone.pk)

    def test_whoever_may_only_look_can_not_have_it_ask(
        self, browser: Browser, provider: UpstreamProvider, upstream: Upstream
    ) -> None:
        self.run(operator(browser, "view_upstreamprovider"), provider.pk)
        assert upstream.asked == []


def test_whoever_may_only_look_changes_nothing(browser: Browser, realm: Realm, provider: UpstreamProvider) -> None:
    viewer = operator(browser, "view_upstreamprovider", "view_upstreamlink")
    assert viewer.get(f"{LIST}{provider.pk}/change/").status_code == 200
    assert viewer.post(f"{LIST}{provider.pk}/change/", fields(realm, name="X")).status_code == 403
    assert viewer.post(f"{LIST}add/", fields(realm, slug="x")).status_code == 403
    assert viewer.post(f"{LIST}{provider.pk}/delete/", {"post": "yes"}).status_code == 403
    assert UpstreamProvider.objects.get().name == "Corp"


class TestLinks:
    def end(self, browser: Browser, *chosen: Any) -> Any:
        form = {"action": "unlink_selected", "_selected_action": [str(each) for each in chosen], "index": "0"}
        return browser.post(LINKS, form)

    @pytest.mark.parametrize("may", [True, False])
    def test_they_are_seen_and_ended_by_a_permission(
        self, browser: Browser, provider: UpstreamProvider, ana: User, now: datetime, may: bool
    ) -> None:
        made = link(provider=provider, subject="u-1", person=ana, now=now)
        who = operator(browser, "view_upstreamlink", *(["delete_upstreamlink"] if may else []))
        page = who.get(LINKS)
        assert b"u-1" in page.content
        assert bool(Elements(page.content).all(name="action")) is may
        self.end(who, made.pk)
        assert UpstreamLink.objects.exists() is not may
        assert events(EventName.UPSTREAM_UNLINKED) == ([("upstream.unlinked", ana.subject)] if may else [])

    def test_a_key_that_none_can_have_is_refused(self, browser: Browser, provider: UpstreamProvider) -> None:
        assert self.end(operator(browser, "view_upstreamlink", "delete_upstreamlink"), "x").status_code == 400


@pytest.mark.spec("house.md: database constraints before code rules")
@pytest.mark.parametrize("column", ["issuer", "slug", "realm_id"])
def test_the_database_holds_who_a_provider_is(provider: UpstreamProvider, column: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        UpstreamProvider.objects.update(**{column: 7 if column == "realm_id" else "https://other"})


@pytest.mark.spec("house.md: database constraints before code rules")
def test_the_database_holds_who_a_link_means(provider: UpstreamProvider, ana: User, now: datetime) -> None:
    link(provider=provider, subject="u-1", person=ana, now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        UpstreamLink.objects.update(subject="u-2")
