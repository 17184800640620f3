"""Registration with an address: nobody's until the mail was opened, and no page tells whose it is."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import close_old_connections, connection, connections
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from accounts.budget import MAIL_RECIPIENT_AND_ADDRESS
from accounts.models import MailedLink, OutgoingMail, Session, User
from accounts.services import passwords
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import post
from tests.flows.test_reset_password import kinds_of, noting, open_link
from tests.mailbox import Mailbox, mailbox
from tests.pages import NEXT, Elements, whose
from tests.provider import PASSWORD, Browser, make_person, make_realm

__all__ = ["mailbox"]
ADDRESS = "bea@example.org"
PAGE = "/confirm-address"


@pytest.fixture
def open_realm(realm: Realm) -> Realm:
    Realm.objects.update(registration="open")
    return Realm.objects.get()


def register(browser: Browser, username: str = "bea", email: str = ADDRESS, **fields: str) -> Any:
    return post(browser, "/register", {"username": username, "email": email, "password": PASSWORD, **fields})


def confirm(browser: Browser) -> Any:
    return post(browser, PAGE, {"csrfmiddlewaretoken": "x"})


@pytest.mark.spec("issue: People can register, confirm their address")
def test_a_person_registers_and_confirms(browser: Browser, open_realm: Realm, mailbox: Mailbox) -> None:
    form = Elements(browser.get("/register").content)
    assert form.one(id="email")["autocomplete"] == "email"
    answer = register(browser, next=NEXT)
    assert (answer.status_code, answer["Location"]) == (303, f"/look-at-your-mail?next={quote(NEXT, safe='')}")
    page = browser.get(answer["Location"])
    assert b'id="awaited-email">bea@example.org' in page.content
    assert Elements(page.content).one(id="go-on")["href"] == NEXT
    assert whose(browser) == "bea"
    person = User.objects.get()
    assert (person.email, person.email_verified) == ("", False)
    shown = open_link(browser, mailbox.link())
    assert b'id="confirm-email">bea@example.org' in shown.content
    assert b'id="confirm-username"><bdi>bea' in shown.content
    person.refresh_from_db()
    assert person.email == ""
    done = confirm(browser)
    assert (done.status_code, done["Location"]) == (303, "/address-confirmed")
    assert browser.get("/address-confirmed").status_code == 200
    person.refresh_from_db()
    assert (person.email, person.email_canonical, person.email_verified) == (ADDRESS, ADDRESS, True)
    assert Event.objects.filter(name=EventName.ADDRESS_CONFIRMED, target=person.subject).count() == 1
    assert whose(browser) == "bea", "nobody is signed in or out by it"


def test_an_unconfirmed_address_signs_nobody_in_and_resets_nothing(
    browser: Browser, open_realm: Realm, mailbox: Mailbox
) -> None:
    register(browser)
    mailbox.open()
    assert post(Browser(), "/sign-in", {"username": ADDRESS, "password": PASSWORD}).status_code == 422
    post(Browser(), "/reset-password", {"email": ADDRESS})
    assert len(mailbox.open()) == 1


def without_what_is_random(answer: Any) -> bytes:
    return re.sub(rb'csrfmiddlewaretoken" value="[^"]*"', b"", answer.content)


@pytest.mark.spec("issue: no enumeration by text, status or time")
@pytest.mark.parametrize("verified", [True, False])
def test_nothing_tells_whether_an_address_is_taken(
    verified: bool, open_realm: Realm, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person("owner", realm=open_realm, email="xqown@example.org", email_verified=verified)
    hashed: list[int] = []
    monkeypatch.setattr(Argon2PasswordHasher, "encode", noting(Argon2PasswordHasher.encode, hashed))
    found = []
    for email in ("xqown@example.org", "xqoth@example.org"):
        browser = Browser()
        with CaptureQueriesContext(connection) as statements:
            answer = register(browser, f"a{email[:5]}", email)
        told = kinds_of(statements)
        pages = [without_what_is_random(browser.get(page)) for page in (answer["Location"], "/account/email")]
        texts = [page.replace(email[:5].encode(), b"") for page in pages]
        found.append((answer.status_code, answer["Location"], texts, told, len(hashed)))
        hashed.clear()
    assert found[0] == found[1]
    assert len(found[0][3]) > 10
    first, second = mailbox.open()
    assert (first.to, second.to) == (["xqown@example.org"], ["xqoth@example.org"])
    assert "already" in str(first.subject)
    assert "link=" not in str(first.body)
    assert User.objects.get(username="owner").email == "xqown@example.org"


def test_a_name_that_reads_like_an_address_is_nobodys_to_choose(
    browser: Browser, open_realm: Realm, mailbox: Mailbox
) -> None:
    for name in ("ana@example.org", "ana＠example.org", "@", "ana﹫x"):
        answer = register(browser, name)
        assert answer.status_code == 422
        assert "no @" in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("email", ["", "bea", "bea@", "a@b c", "a@example.org\r\nBcc: x@example.org", "x" * 300])
def test_an_address_has_to_be_one(email: str, browser: Browser, open_realm: Realm, mailbox: Mailbox) -> None:
    answer = register(browser, email=email, next=NEXT)
    assert answer.status_code == 422
    page = Elements(answer.content)
    assert page.one(id="email")["aria-invalid"] == "true"
    assert page.one(id="username")["value"] == "bea"
    assert page.one(name="next")["value"] == NEXT
    assert not User.objects.exists()
    assert not OutgoingMail.objects.exists()


def test_a_repeated_address_is_malformed(browser: Browser, open_realm: Realm, mailbox: Mailbox) -> None:
    body = f"username=bea&password={PASSWORD}&email=a@example.org&email=b@example.org".replace(" ", "+")
    form = "application/x-www-form-urlencoded"
    assert browser.post("/register", body, form).status_code == 400


def test_two_who_want_an_address_get_it_by_opening_the_mail(open_realm: Realm, mailbox: Mailbox) -> None:
    first, second = Browser(), Browser()
    register(first, "one")
    link_of_one = mailbox.link()
    register(second, "two")
    link_of_two = mailbox.link()
    open_link(first, link_of_one)
    open_link(second, link_of_two)
    assert confirm(second).status_code == 303
    late = confirm(first)
    assert late.status_code == 409
    assert User.objects.get(email=ADDRESS).username == "two"
    assert MailedLink.objects.filter(used_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_clicks_at_once_one_counts(mailbox: Mailbox) -> None:
    make_realm(purposes=())
    Realm.objects.update(registration="open")
    register(Browser())
    link = mailbox.link()
    ready = [Browser(raise_request_exception=False) for _ in range(4)]
    for each in ready:
        open_link(each, link)

    def click(each: Browser) -> int:
        close_old_connections()
        try:
            return int(confirm(each).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(click, ready)) == [303, 410, 410, 410]
    assert Event.objects.filter(name=EventName.ADDRESS_CONFIRMED).count() == 1


def test_after_a_day_the_link_is_over(browser: Browser, open_realm: Realm, mailbox: Mailbox) -> None:
    register(browser)
    link = mailbox.link()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24, seconds=1)):
        assert open_link(Browser(), link).status_code == 410
    assert User.objects.get().email == ""


def test_a_form_of_another_site_confirms_nothing(open_realm: Realm, mailbox: Mailbox) -> None:
    register(Browser())
    strict = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    open_link(strict, mailbox.link())
    assert confirm(strict).status_code == 403
    assert User.objects.get().email == ""


@pytest.mark.spec("RFC 6585 §4")
def test_registrations_flood_no_mailbox(open_realm: Realm, mailbox: Mailbox) -> None:
    for number in range(MAIL_RECIPIENT_AND_ADDRESS.burst):
        assert register(Browser(), f"p{number}").status_code == 303
    assert register(Browser(), "one-more").status_code == 429
    assert register(Browser(), "elsewhere", "cleo@example.org").status_code == 303


@pytest.mark.spec("threat-model.md: what goes to an unconfirmed address holds no word of whoever gave it")
def test_nobody_has_words_of_theirs_mailed_to_others(open_realm: Realm, mailbox: Mailbox) -> None:
    """A user name may read like a link; the page behind ours shows it to whoever is curious."""
    for number, name in enumerate(("https://evil.example/win", "evil.example")):
        assert register(Browser(), name, f"v{number}@example.org").status_code == 303
        assert "evil" not in f"{mailbox.last().subject} {mailbox.last().body}"


# --- The account's page -------------------------------------------------------------------------------------


def signed_in(username: str = "ana") -> Browser:
    browser = Browser()
    assert post(browser, "/sign-in", {"username": username, "password": PASSWORD}).status_code == 303
    return browser


@pytest.mark.spec("issue: change address (with re-authentication)")
def test_a_person_changes_their_address(ana: User, mailbox: Mailbox) -> None:
    User.objects.update(email="old@example.org", email_canonical="old@example.org", email_verified=True)
    browser = signed_in()
    assert Elements(browser.get("/account").content).one(id="account-email")["href"] == "/account/email"
    answer = post(browser, "/account/email", {"email": "new@example.org"})
    assert (answer.status_code, answer["Location"]) == (303, "/account/email")
    page = browser.get("/account/email").content
    assert b'id="present-email">old@example.org' in page
    assert b'id="awaited-email">new@example.org' in page
    to_new, to_old = mailbox.open()
    assert (to_new.to, to_old.to) == (["new@example.org"], ["old@example.org"])
    assert "link=" not in str(to_old.body)
    link = re.findall(r"https://id.example.test(\S*link=\S+)", str(to_new.body))[0]
    open_link(browser, link)
    assert confirm(browser).status_code == 303
    ana.refresh_from_db()
    assert (ana.email, ana.email_verified) == ("new@example.org", True)


@pytest.mark.spec("issue: no enumeration by text, status or time")
def test_the_page_does_not_tell_whose_an_address_is(ana: User, realm: Realm, mailbox: Mailbox) -> None:
    make_person("bo", realm=realm, email="bo@example.org", email_verified=True)
    pages = []
    browser = signed_in()
    for email in ("bo@example.org", "no@example.org"):
        with CaptureQueriesContext(connection) as statements:
            answer = post(browser, "/account/email", {"email": email})
        told = kinds_of(statements)
        page = without_what_is_random(browser.get("/account/email")).replace(email.encode(), b"")
        pages.append((answer.status_code, page, told))
    assert pages[0] == pages[1]
    assert [sent.to for sent in mailbox.open()] == [["bo@example.org"], ["no@example.org"]]
    assert "already" in str(mailbox.open()[0].subject)


def test_another_password_voids_the_change_of_an_address(ana: User, mailbox: Mailbox) -> None:
    browser = signed_in()
    post(browser, "/account/email", {"email": "new@example.org"})
    link = mailbox.link()
    assert post(browser, "/account/password", {"password": "quite another password"}).status_code == 303
    open_link(browser, link)
    assert confirm(browser).status_code == 410


@pytest.mark.parametrize("page", ["/account/email", "/account/password"])
def test_an_old_proof_does_not_do(page: str, ana: User, mailbox: Mailbox) -> None:
    browser = signed_in()
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=11)):
        for answer in (browser.get(page), post(browser, page, {"email": "x@example.org", "password": "x" * 20})):
            assert answer.status_code == 303
            assert answer["Location"].startswith(f"/sign-in?next={quote(page, safe='')}")
    assert mailbox.open() == []


@pytest.mark.parametrize("page", ["/account/email", "/account/password", "/look-at-your-mail"])
def test_the_pages_are_for_whoever_is_signed_in(page: str, browser: Browser, realm: Realm, mailbox: Mailbox) -> None:
    assert browser.get(page)["Location"].startswith("/sign-in")


@pytest.mark.parametrize("email", ["", "x", "a@b\r\nc"])
def test_a_wrong_address_stands_beside_its_field(email: str, ana: User, mailbox: Mailbox) -> None:
    browser = signed_in()
    answer = post(browser, "/account/email", {"email": email})
    assert answer.status_code == 422
    assert Elements(answer.content).one(id="email-error")
    assert mailbox.open() == []


def test_the_page_meets_the_limit_of_a_mailbox(ana: User, mailbox: Mailbox) -> None:
    browser = signed_in()
    for _ in range(MAIL_RECIPIENT_AND_ADDRESS.burst):
        assert post(browser, "/account/email", {"email": "x@example.org"}).status_code == 303
    answer = post(browser, "/account/email", {"email": "x@example.org"})
    assert answer.status_code == 429
    assert answer["Retry-After"]


def test_where_no_mail_is_sent_the_page_is_not_offered(ana: User) -> None:
    browser = signed_in()
    assert not Elements(browser.get("/account").content).all(id="account-email")
    assert browser.get("/account/email").status_code == 404
    assert post(browser, "/account/email", {"email": "x@example.org"}).status_code == 404


@pytest.mark.spec("OpenID Connect Core §2, auth_time")
def test_a_person_changes_their_password_and_proves_it_before_they_go_on(ana: User, mailbox: Mailbox) -> None:
    """To choose a password is no proof: no session goes on with a time of proof that there wasn't."""
    User.objects.update(email="ana@example.org", email_canonical="ana@example.org", email_verified=True)
    browser, other = signed_in(), signed_in()
    changed = datetime.now(UTC)
    answer = post(browser, "/account/password", {"password": "quite another password"})
    assert (answer.status_code, answer["Location"]) == (303, "/password-changed")
    assert (whose(browser), whose(other)) == ("", "")
    assert not Session.objects.filter(Q(ended_at=None) | Q(auth_time__gte=changed)).exists()
    assert "was changed" in str(mailbox.last().subject)
    assert post(Browser(), "/sign-in", {"username": "ana", "password": PASSWORD}).status_code == 422
    assert post(browser, "/sign-in", {"username": "ana", "password": "quite another password"}).status_code == 303
    assert whose(browser) == "ana"


@pytest.mark.parametrize("weak", ["", "short", "x" * 2_000, "a\0" * 20])
def test_a_weak_password_is_not_changed_to(weak: str, ana: User, mailbox: Mailbox) -> None:
    browser = signed_in()
    refused = post(browser, "/account/password", {"password": weak})
    assert refused.status_code == 422
    assert Elements(refused.content).one(id="password-error")
    assert whose(browser) == "ana"


def test_who_is_deleted_meanwhile_changes_no_password(
    ana: User, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in()
    monkeypatch.setattr(passwords, "check_new_password", lambda *_, **__: User.objects.all().delete())
    answer = post(browser, "/account/password", {"password": "quite another password"})
    assert (answer.status_code, answer["Location"]) == (303, "/sign-in")
    assert mailbox.open() == []
