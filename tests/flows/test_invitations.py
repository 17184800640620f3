"""Invitations: sent by operators, opened by whoever got the mail, good once, for an account or for joining with one."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.contrib.auth.models import Permission

from accounts.errors import NoMail, RegistrationClosed
from accounts.models import MailedLink, Membership, OutgoingMail, Session, TotpSecret, User
from accounts.services.invitations import invite, withdraw
from accounts.services.mailed_links import digest_of
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import post
from tests.flows.test_reset_password import open_link
from tests.mailbox import Mailbox, mailbox
from tests.pages import Elements, whose
from tests.provider import PASSWORD, Browser, make_person, make_realm

__all__ = ["mailbox"]
ADDRESS = "cleo@example.org"
PAGE, JOIN = "/invitation", "/invitation/join"


@pytest.fixture
def invited_realm(realm: Realm) -> Realm:
    Realm.objects.update(registration="invited")
    return Realm.objects.get()


def send(realm: Realm, now: datetime, *, email: str = ADDRESS, roles: tuple[str, ...] = ("editor",)) -> MailedLink:
    return invite(realm=realm, email=email, roles=roles, actor="user:operator", now=now)


def register(browser: Browser, username: str = "cleo", **fields: str) -> Any:
    return post(browser, PAGE, {"username": username, "password": PASSWORD, **fields})


def join(browser: Browser, username: str = "dora", password: str = PASSWORD) -> Any:
    return post(browser, JOIN, {"username": username, "password": password})


@pytest.mark.spec("issue: People can register (per realm: open, invited or closed)")
def test_whoever_was_invited_makes_an_account(
    browser: Browser, invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    row = send(invited_realm, now)
    link = mailbox.link()
    assert mailbox.last().to == [ADDRESS]
    assert bytes(row.digest) == digest_of(link.partition("link=")[2])
    page = open_link(browser, link)
    assert b"<strong>cleo@example.org</strong>" in page.content
    assert not Elements(page.content).all(name="email")
    assert Elements(page.content).one(id="register-form")["action"] == PAGE
    answer = register(browser, email="another@example.org")
    assert (answer.status_code, answer["Location"]) == (303, "/signed-in")
    person = User.objects.get()
    assert (person.email, person.email_verified) == (ADDRESS, True)
    assert Membership.objects.get().roles == ["editor"]
    assert whose(browser) == "cleo"
    assert Event.objects.filter(name=EventName.INVITATION_ACCEPTED, target=str(row.pk)).count() == 1


def test_without_an_invitation_nobody_registers(browser: Browser, invited_realm: Realm, mailbox: Mailbox) -> None:
    for answer in (browser.get("/register"), post(browser, "/register", {"username": "x", "password": PASSWORD})):
        assert answer.status_code == 403
        assert b"by invitation" in answer.content
    for answer in (browser.get(PAGE), register(browser), browser.get(JOIN), join(browser)):
        assert answer.status_code == 410
    assert not Elements(browser.get("/sign-in").content).all(id="register-link")
    assert not User.objects.exists()


def test_somebody_who_has_an_account_joins_with_it(
    browser: Browser, invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    dora = make_person("dora", realm=make_realm("other", purposes=()))
    send(invited_realm, now)
    page = open_link(browser, mailbox.link())
    assert Elements(page.content).one(id="sign-in-link")["href"] == JOIN
    assert Elements(browser.get(JOIN).content).one(id="join-form")["action"] == JOIN
    refused = join(browser, password="a wrong password")
    assert refused.status_code == 422
    assert not Membership.objects.filter(user=dora, realm=invited_realm).exists()
    assert join(browser).status_code == 303
    assert Membership.objects.get(user=dora, realm=invited_realm).roles == ["editor"]
    assert whose(browser) == "dora"


def test_roles_come_on_top_of_those_that_a_member_has(
    browser: Browser, invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    dora = make_person("dora", realm=invited_realm, roles=("reader",))
    send(invited_realm, now)
    open_link(browser, mailbox.link())
    join(browser)
    assert Membership.objects.get(user=dora).roles == ["editor", "reader"]


def test_roles_that_fit_into_no_token_are_refused_and_the_link_stays_good(
    browser: Browser, invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    make_person("dora", realm=invited_realm, roles=("r" * 64, "s" * 60))
    send(invited_realm, now)
    open_link(browser, mailbox.link())
    assert join(browser).status_code == 422
    assert MailedLink.objects.get().used_at is None


@pytest.mark.spec("threat-model.md: a second factor is due after every first one")
def test_a_second_factor_is_due_before_a_session(
    browser: Browser, invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    dora = make_person("dora", realm=make_realm("other", purposes=()))
    TotpSecret.objects.create(user=dora, secret=b"x", created_at=now, confirmed_at=now)
    send(invited_realm, now)
    open_link(browser, mailbox.link())
    assert join(browser).status_code == 303
    assert not Session.objects.exists()
    assert whose(browser) == ""


def test_an_address_that_somebody_has_leads_to_joining(
    browser: Browser, invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    make_person("dora", realm=None, email=ADDRESS, email_verified=True)
    send(invited_realm, now)
    open_link(browser, mailbox.link())
    answer = register(browser)
    assert answer.status_code == 422
    assert "Join with that one" in answer.content.decode()
    assert join(browser, ADDRESS).status_code == 303


def test_an_invitation_works_once_and_for_a_week(
    browser: Browser, invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    send(invited_realm, now)
    link = mailbox.link()
    second = Browser()
    for each in (browser, second):
        open_link(each, link)
    assert register(browser).status_code == 303
    assert register(second, "late").status_code == 410
    assert User.objects.get().username == "cleo"
    assert MailedLink.objects.get().email == ""  # it outlives its person, and what they change
    send(invited_realm, now, email="eve@example.org")
    link = mailbox.link()
    with time_machine.travel(datetime.now(UTC) + timedelta(days=7, seconds=1)):
        assert open_link(Browser(), link).status_code == 410


def test_a_later_invitation_ends_the_earlier_and_an_operator_any(
    invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    send(invited_realm, now)
    first = mailbox.link()
    row = send(invited_realm, now, email="CLEO@example.org")
    second = mailbox.link()
    assert open_link(Browser(), first).status_code == 410
    opened = Browser()
    assert open_link(opened, second).status_code == 200
    assert withdraw([row.pk], actor="user:operator", now=now) == 1
    assert withdraw([row.pk], actor="user:operator", now=now) == 0
    assert register(opened).status_code == 410
    assert Event.objects.filter(name=EventName.LINK_WITHDRAWN).count() == 1


def test_a_realm_that_closes_takes_nobody_in(
    browser: Browser, invited_realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    send(invited_realm, now)
    open_link(browser, mailbox.link())
    Realm.objects.update(registration="closed")
    assert register(browser).status_code == 410
    assert join(browser).status_code in (410, 422)
    assert not User.objects.exists()
    invited_realm.refresh_from_db()
    with pytest.raises(RegistrationClosed):
        send(invited_realm, now)


def test_without_mail_nobody_is_invited(invited_realm: Realm, now: datetime, settings: LazySettings) -> None:
    settings.IDP_CAN_MAIL = False
    with pytest.raises(NoMail):
        send(invited_realm, now)
    assert not OutgoingMail.objects.exists()


# --- The admin -----------------------------------------------------------------------------------------------

ADMIN = "/admin/accounts/mailedlink/"


def operator(*codenames: str) -> Browser:
    found = make_person("op", realm=None, is_staff=True)
    found.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    browser = Browser()
    browser.force_login(found, backend="accounts.backends.LimitedBackend")
    return browser


def test_an_operator_invites_and_withdraws(invited_realm: Realm, mailbox: Mailbox) -> None:
    browser = operator("view_mailedlink", "invite_person", "view_user")
    assert Elements(browser.get("/admin/accounts/user/").content).one(id="invitations")["href"] == ADMIN
    assert Elements(browser.get(ADMIN).content).one(id="invite")["href"] == f"{ADMIN}invite/"
    form = {"realm": str(invited_realm.pk), "email": ADDRESS, "roles": "editor reader"}
    answer = browser.post(f"{ADMIN}invite/", form)
    assert (answer.status_code, answer["Location"]) == (302, ADMIN)
    row = MailedLink.objects.get()
    assert (row.email, row.roles, row.user) == (ADDRESS, ["editor", "reader"], None)
    listed = browser.get(ADMIN).content
    assert b"cleo@example.org" in listed
    page = browser.get(f"{ADMIN}{row.pk}/change/").content
    link = mailbox.link()
    for text in (listed, page):
        assert link.partition("link=")[2].encode() not in text
        assert bytes(row.digest).hex().encode() not in text
    browser.post(ADMIN, {"action": "withdraw_selected", "_selected_action": str(row.pk)})
    assert not MailedLink.objects.exists()


@pytest.mark.parametrize("codenames", [(), ("view_mailedlink",), ("invite_person",)])
def test_it_takes_a_permission_of_its_own(codenames: tuple[str, ...], invited_realm: Realm, mailbox: Mailbox) -> None:
    browser = operator(*codenames)
    assert browser.get(f"{ADMIN}invite/").status_code == 403
    form = {"realm": str(invited_realm.pk), "email": ADDRESS, "roles": ""}
    assert browser.post(f"{ADMIN}invite/", form).status_code == 403
    assert not MailedLink.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"email": "x"}, {"email": "a@b\r\nBcc: c@d"}, {"roles": "a,b"}, {"realm": "0"}, {"realm": "x\0"}]
)
def test_what_is_wrong_stands_on_the_form(wrong: dict[str, str], invited_realm: Realm, mailbox: Mailbox) -> None:
    browser = operator("view_mailedlink", "invite_person")
    form = {"realm": str(invited_realm.pk), "email": ADDRESS, "roles": "", **wrong}
    answer = browser.post(f"{ADMIN}invite/", form)
    assert answer.status_code == 200
    assert re.search(rb'class="errorlist', answer.content)
    assert not MailedLink.objects.exists()


def test_only_open_invitations_are_listed(invited_realm: Realm, ana: User, now: datetime, mailbox: Mailbox) -> None:
    User.objects.filter(pk=ana.pk).update(email="a@example.org", email_canonical="a@example.org", email_verified=True)
    post(Browser(), "/reset-password", {"email": "a@example.org"})
    send(invited_realm, now - timedelta(days=8), email="old@example.org")
    browser = operator("view_mailedlink", "invite_person")
    listed = browser.get(ADMIN).content
    assert b"a@example.org" not in listed
    assert b"old@example.org" not in listed
    reset = MailedLink.objects.get(purpose="reset_password")
    browser.post(ADMIN, {"action": "withdraw_selected", "_selected_action": str(reset.pk)})
    assert MailedLink.objects.filter(pk=reset.pk).exists()
