"""Another password by mail: the same answer for everybody, a link that works once, and nobody signed in by it."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.conf import LazySettings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core import mail
from django.db import close_old_connections, connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.budget import MAIL_ADDRESS, MAIL_RECIPIENT, MAIL_RECIPIENT_AND_ADDRESS
from accounts.models import MailedLink, Membership, OutgoingMail, Session, TotpSecret, User
from accounts.selectors.mail import link_with
from accounts.services import passwords
from accounts.services.mailed_links import LIFETIMES, digest_of
from accounts.vocabulary import LinkPurpose
from audit.models import Event
from audit.vocabulary import EventName
from keys.errors import KeysError
from realms.models import Realm
from tests.flows.code_flow import post
from tests.mailbox import Mailbox, mailbox
from tests.pages import Elements, whose
from tests.provider import Browser, make_person, make_realm

__all__ = ["mailbox"]
ASK, CHOOSE = "/reset-password", "/new-password"
NEW = "quite another password"
ADDRESS = "ana@example.org"


@pytest.fixture
def addressed(ana: User) -> User:
    """A person who confirmed an address."""
    User.objects.update(email=ADDRESS, email_canonical=ADDRESS, email_verified=True)
    ana.refresh_from_db()
    return ana


def ask(browser: Browser, email: str = ADDRESS, page: str = ASK, **more: Any) -> Any:
    return post(browser, page, {"email": email}, **more)


def open_link(browser: Browser, link: str) -> Any:
    """Follow the link as far as the page behind it."""
    answer = browser.get(link)
    return browser.get(answer["Location"]) if answer.status_code == 303 else answer


def choose(browser: Browser, password: str = NEW, page: str = CHOOSE) -> Any:
    return post(browser, page, {"password": password})


def kinds_of(statements: CaptureQueriesContext) -> list[str]:
    """The statements without their values; read before another request, which forgets them."""
    return [re.sub(r"'[^']*'|\d+", "", query["sql"])[:60] for query in statements]


def noting(real: Callable[..., object], calls: list[int]) -> Callable[..., object]:
    """A function that notes its calls."""

    def noted(*args: object) -> object:
        calls.append(1)
        return real(*args)

    return noted


def signs_in(password: str, username: str = "ana") -> bool:
    return bool(post(Browser(), "/sign-in", {"username": username, "password": password}).status_code == 303)


@pytest.mark.spec("issue: People can reset a password")
def test_a_password_is_reset_by_mail(browser: Browser, addressed: User, mailbox: Mailbox) -> None:
    page = Elements(browser.get("/sign-in").content)
    assert page.one(id="reset-link")["href"] == ASK
    assert Elements(browser.get(ASK).content).one(id="reset-submit")["type"] == "submit"
    answer = ask(browser)
    assert (answer.status_code, answer["Location"]) == (303, "/reset-password/sent")
    link = mailbox.link()
    assert mailbox.last().to == [ADDRESS]
    shown = open_link(browser, link)
    assert b'id="new-password-username"><bdi>ana' in shown.content
    changed = choose(browser)
    assert (changed.status_code, changed["Location"]) == (303, "/password-changed")
    assert whose(browser) == ""
    assert signs_in(NEW)
    assert not signs_in("correct horse battery")
    assert "was changed" in str(mailbox.last().subject)
    events = Event.objects.filter(target=addressed.subject).values_list("name", flat=True)
    assert {EventName.PASSWORD_RESET_ASKED, EventName.PASSWORD_CHANGED} <= set(events)


def test_an_address_is_compared_in_its_canonical_form_and_written_to_as_it_was_confirmed(
    browser: Browser, addressed: User, mailbox: Mailbox
) -> None:
    ask(browser, "ANA@Example.ORG")
    assert mailbox.last().to == [ADDRESS]


WITHOUT: dict[str, Any] = {
    "nobody's": {},
    "not confirmed": {"email": "x@example.org", "email_verified": False},
    "disabled": {"email": "x@example.org", "email_verified": True, "is_active": False},
}


@pytest.mark.spec("issue: no enumeration by text, status or time")
@pytest.mark.parametrize("fault", [*WITHOUT, "not a member"])
def test_nothing_tells_whether_somebody_has_the_address(
    fault: str, browser: Browser, addressed: User, mailbox: Mailbox, realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte by byte, statement by statement."""
    where = make_realm("other", purposes=()) if fault == "not a member" else realm
    fields = WITHOUT.get(fault, {"email": "x@example.org", "email_verified": True})
    make_person("xaver", realm=where, **fields)
    monkeypatch.setattr(Argon2PasswordHasher, "encode", lambda *_: pytest.fail("Hashing takes time."))
    found = []
    for email in (ADDRESS, "x@example.org"):
        with CaptureQueriesContext(connection) as statements:
            answer = ask(Browser(), email)
        told = kinds_of(statements)
        page = Browser().get(answer["Location"])
        headers = {name: value for name, value in answer.headers.items() if name != "Set-Cookie"}
        found.append((answer.status_code, headers, answer.content, page.content, told))
    assert found[0] == found[1]
    assert len(found[0][4]) > 5
    assert OutgoingMail.objects.count() == 2
    assert [sent.to for sent in mailbox.open()] == [[ADDRESS]]
    assert MailedLink.objects.count() == 1


def test_a_link_is_taken_out_of_the_address_and_kept_by_its_id(
    browser: Browser, addressed: User, mailbox: Mailbox
) -> None:
    ask(browser)
    link = mailbox.link()
    secret = link.partition("link=")[2]
    assert len(secret) == 43
    answer = browser.get(link)
    assert (answer.status_code, answer["Location"]) == (303, CHOOSE)
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"
    assert secret not in str(dict(browser.session))
    row = MailedLink.objects.get()
    assert bytes(row.digest) == digest_of(secret)
    assert row.expires_at - row.created_at == timedelta(minutes=30)


@pytest.mark.spec("issue: GET of a link never uses it (mail scanners)")
def test_looking_at_a_link_does_not_use_it(browser: Browser, addressed: User, mailbox: Mailbox) -> None:
    ask(browser)
    link = mailbox.link()
    for _ in range(3):
        assert open_link(Browser(), link).status_code == 200
        Browser().head(link)
    assert MailedLink.objects.get().used_at is None
    open_link(browser, link)
    assert choose(browser).status_code == 303


@pytest.mark.spec("RFC 9700 §4.7, session fixation")
def test_a_planted_cookie_gets_no_link(browser: Browser, addressed: User, mailbox: Mailbox) -> None:
    ask(browser)
    attacker = Browser()
    planted = attacker.session
    planted["planted"] = True
    planted.save()
    browser.cookies["sessionid"] = str(planted.session_key)
    open_link(browser, mailbox.link())
    attacker.cookies["sessionid"] = str(planted.session_key)
    assert attacker.get(CHOOSE).status_code == 410
    assert choose(attacker).status_code == 410


def test_a_link_works_once(browser: Browser, addressed: User, mailbox: Mailbox) -> None:
    ask(browser)
    link = mailbox.link()
    second = Browser()
    for each in (browser, second):
        open_link(each, link)
    assert choose(browser).status_code == 303
    assert choose(second, "a third password, then").status_code == 410
    assert open_link(Browser(), link).status_code == 410
    assert signs_in(NEW)


@pytest.mark.django_db(transaction=True)
def test_of_many_clicks_at_once_one_counts(mailbox: Mailbox) -> None:
    make_person("ana", realm=make_realm(purposes=()), email=ADDRESS, email_verified=True)
    ask(Browser())
    link = mailbox.link()
    ready = [Browser(raise_request_exception=False) for _ in range(4)]
    for each in ready:
        open_link(each, link)

    def click(number: int) -> int:
        close_old_connections()
        try:
            return int(choose(ready[number], f"the password of click {number}").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(click, range(4)))
    assert answers == [303, 410, 410, 410]
    assert Event.objects.filter(name=EventName.PASSWORD_CHANGED).count() == 1


@pytest.mark.spec("RFC 9110 §15.6.4")
def test_where_no_mail_can_be_sealed_it_is_said_so(
    browser: Browser, addressed: User, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "post", Mock(side_effect=KeysError("None.")))
    answer = ask(browser)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert (MailedLink.objects.count(), mailbox.open()) == (0, [])


def test_a_newer_mail_takes_the_place_of_the_older(browser: Browser, addressed: User, mailbox: Mailbox) -> None:
    ask(browser)
    older = mailbox.link()
    ask(browser)
    assert open_link(Browser(), older).status_code == 410
    assert open_link(Browser(), mailbox.link()).status_code == 200


def test_a_link_ends(browser: Browser, addressed: User, mailbox: Mailbox, now: datetime) -> None:
    ask(browser)
    link = mailbox.link()
    open_link(browser, link)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=30, seconds=1)):
        assert choose(browser).status_code == 410
        assert open_link(Browser(), link).status_code == 410


@pytest.mark.parametrize("wrong", ["", "x", "é", "\ud800", "x" * 10_000, "%00", "../..", "null"])
def test_a_tampered_link_is_no_link(wrong: str, browser: Browser, addressed: User, mailbox: Mailbox) -> None:
    answer = browser.get(CHOOSE, {"link": wrong.encode("utf-8", "surrogatepass")})
    assert answer.status_code in (410, 400)
    assert answer.headers.get("Referrer-Policy") in ("no-referrer", "same-origin")


def test_a_link_is_good_for_its_realm_and_purpose_alone(
    browser: Browser, addressed: User, mailbox: Mailbox, now: datetime
) -> None:
    make_realm("other", purposes=())
    ask(browser)
    link = mailbox.link()
    assert open_link(browser, f"/realms/other{link}").status_code == 410
    assert open_link(browser, link.replace(CHOOSE, "/confirm-address")).status_code == 410
    assert open_link(browser, link.replace(CHOOSE, "/invitation")).status_code == 410
    open_link(browser, link)
    assert browser.get("/realms/other/new-password").status_code == 410
    secret = link.partition("link=")[2]
    realm = Realm.objects.get(slug="default")
    assert link_with(digest_of(secret), purpose=LinkPurpose.RESET_PASSWORD, realm=realm, now=datetime.now(UTC))


CHANGES: dict[str, dict[str, Any]] = {
    "another address": {"email": "new@example.org", "email_canonical": "new@example.org"},
    "an address that is not confirmed any more": {"email_verified": False},
    "disabled": {"is_active": False},
    "another password since": {"signed_out_at": datetime(2126, 1, 1, tzinfo=UTC)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_link_is_void_once_its_person_changed(
    change: str, browser: Browser, addressed: User, mailbox: Mailbox
) -> None:
    ask(browser)
    open_link(browser, mailbox.link())
    User.objects.filter(pk=addressed.pk).update(**CHANGES[change])
    assert choose(browser).status_code == 410
    assert not Event.objects.filter(name=EventName.PASSWORD_CHANGED).exists()


MEANWHILE: dict[str, Callable[[], object]] = {
    "another address": lambda: User.objects.update(email="n@example.org", email_canonical="n@example.org"),
    "no member any more": lambda: Membership.objects.all().delete(),
}


@pytest.mark.parametrize("change", MEANWHILE)
def test_a_link_is_void_also_where_its_person_changes_while_the_password_is_looked_at(
    change: str, browser: Browser, addressed: User, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of stolen passwords may take seconds, and who reads the old mailbox may wait for that."""
    ask(browser)
    open_link(browser, mailbox.link())
    monkeypatch.setattr(passwords, "check_new_password", lambda *_, **__: MEANWHILE[change]())
    assert choose(browser).status_code == 410
    assert signs_in(NEW) is False
    assert MailedLink.objects.get().used_at is None


def test_who_left_the_realm_resets_nothing_there(browser: Browser, addressed: User, mailbox: Mailbox) -> None:
    ask(browser)
    open_link(browser, mailbox.link())
    addressed.memberships.all().delete()
    assert choose(browser).status_code == 410


def test_everything_that_was_got_with_the_old_password_ends(
    browser: Browser, addressed: User, mailbox: Mailbox
) -> None:
    here, other = Browser(), Browser()
    for each in (here, other):
        post(each, "/sign-in", {"username": "ana", "password": "correct horse battery"})
    tokens = post(Browser(), "/auth", {"username": "ana", "password": "correct horse battery"}).json()
    ask(browser)
    open_link(browser, mailbox.link())
    choose(browser)
    assert [whose(each) for each in (here, other)] == ["", ""]
    assert not Session.objects.filter(ended_at=None).exists()
    assert post(Browser(), "/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 400


def test_a_second_factor_is_still_due(browser: Browser, addressed: User, mailbox: Mailbox, now: datetime) -> None:
    TotpSecret.objects.create(user=addressed, secret=b"x", created_at=now, confirmed_at=now)
    ask(browser)
    open_link(browser, mailbox.link())
    choose(browser)
    assert "sid" not in str(dict(browser.session))
    assert TotpSecret.objects.filter(user=addressed).exists()


@pytest.mark.parametrize("password", ["", "short", "passwordpassword", "ana@example.org ana", f"{NEW}\0", "x" * 2_000])
def test_a_weak_password_leaves_the_link_good(
    password: str, browser: Browser, addressed: User, mailbox: Mailbox
) -> None:
    ask(browser)
    open_link(browser, mailbox.link())
    answer = choose(browser, password)
    assert answer.status_code == 422
    assert Elements(answer.content).one(id="password-error")
    assert "value" not in Elements(answer.content).one(id="password")
    assert choose(browser).status_code == 303


@pytest.mark.spec("RFC 6585 §4")
@pytest.mark.parametrize("email", [ADDRESS, "nobody@example.org"])
def test_a_mailbox_is_not_flooded(email: str, addressed: User, mailbox: Mailbox) -> None:
    """From wherever they ask, and whether somebody has it or not."""
    for number in range(MAIL_RECIPIENT.burst):
        assert ask(Browser(REMOTE_ADDR=f"192.0.2.{number}"), email).status_code == 303
    answer = ask(Browser(REMOTE_ADDR="198.51.100.9"), email.upper())
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) <= MAIL_RECIPIENT.interval.total_seconds()
    assert Event.objects.filter(name=EventName.MAIL_LIMITED, details={"limit": "mail-recipient"}).count() == 1


@pytest.mark.spec("threat-model.md: nobody is kept from the mail with which they choose another password")
def test_one_client_never_keeps_an_owner_from_their_mail(addressed: User, mailbox: Mailbox, now: datetime) -> None:
    """A try a minute for three hours and more; the owner asks from elsewhere at the end."""
    with time_machine.travel(now, tick=False) as clock:
        for _ in range(182):
            ask(Browser(REMOTE_ADDR="192.0.2.1"))
            clock.shift(timedelta(minutes=1))
        assert ask(Browser(REMOTE_ADDR="192.0.2.1")).status_code == 429
        assert ask(Browser(REMOTE_ADDR="198.51.100.9")).status_code == 303


def test_one_client_sends_one_mailbox_so_many(addressed: User, mailbox: Mailbox) -> None:
    for _ in range(MAIL_RECIPIENT_AND_ADDRESS.burst):
        assert ask(Browser()).status_code == 303
    assert ask(Browser()).status_code == 429
    assert ask(Browser(), "another@example.org").status_code == 303


@pytest.mark.spec("RFC 6585 §4")
def test_one_address_asks_for_so_many_mails(addressed: User, mailbox: Mailbox) -> None:
    browser = Browser()
    for number in range(MAIL_ADDRESS.burst):
        assert ask(browser, f"p{number}@example.org").status_code == 303
    assert ask(browser, "one-more@example.org").status_code == 429


@pytest.mark.parametrize("email", ["", "ana", "a b@example.org", "a@b\r\nBcc: c@d.example", "ana@ｅxample.org", "\0@x"])
def test_what_is_no_address_is_named(email: str, browser: Browser, realm: Realm, mailbox: Mailbox) -> None:
    answer = ask(browser, email)
    assert answer.status_code == 422
    assert Elements(answer.content).one(id="email-error")
    assert not OutgoingMail.objects.exists()


@pytest.mark.spec("issue: links are built from the issuer, never from the request")
def test_a_forged_host_changes_no_link(addressed: User, mailbox: Mailbox, settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    evil = "evil.example"
    answer = ask(Browser(HTTP_HOST=evil, HTTP_X_FORWARDED_HOST=evil, HTTP_ORIGIN=f"https://{evil}"))
    assert answer.wsgi_request.get_host() == "evil.example"
    text = str(mailbox.last().body)
    assert "evil" not in text
    assert "https://id.example.test/new-password?link=" in text


def test_where_no_mail_is_sent_nobody_is_offered_any(browser: Browser, addressed: User, settings: LazySettings) -> None:
    settings.IDP_CAN_MAIL = False
    assert not Elements(browser.get("/sign-in").content).all(id="reset-link")
    for answer in (browser.get(ASK), ask(browser)):
        assert answer.status_code == 404
        assert b"sends no mail" in answer.content
    assert mail.outbox == []
    assert not OutgoingMail.objects.exists()


def test_nothing_secret_is_logged(
    browser: Browser, addressed: User, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ask(browser)
    link = mailbox.link()
    open_link(browser, link)
    choose(browser)
    open_link(Browser(), link)
    for canary in (link.partition("link=")[2], ADDRESS, NEW):
        assert canary not in caplog.text


def test_every_purpose_has_its_time() -> None:
    assert {purpose: LIFETIMES[purpose] for purpose in LinkPurpose} == {
        LinkPurpose.CONFIRM_ADDRESS: timedelta(hours=24),
        LinkPurpose.RESET_PASSWORD: timedelta(minutes=30),
        LinkPurpose.INVITATION: timedelta(days=7),
    }
