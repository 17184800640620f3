"""The sign-in page and those who mean harm: open redirects, planted cookies, forms of other sites, malformed ones."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib.sessions.models import Session as CookieSession
from django.db import close_old_connections, connections

from accounts.models import Session, User
from accounts.views.page import MAX_FORM
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.accounts.test_return_path import OPEN_REDIRECTS
from tests.pages import FORM, NEXT, PAGE, Elements, post, whose
from tests.provider import PASSWORD, Browser, make_person, make_realm


@pytest.fixture
def strict() -> Browser:
    """A browser whose forms are checked as in production."""
    return Browser(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.mark.spec("RFC 9700 §4.11.2, RFC 9700 §2.1 no-open-redirector")
@pytest.mark.parametrize("target", [text for text in OPEN_REDIRECTS if text.isprintable() or "\r" in text])
def test_it_leads_nowhere_else(target: str, browser: Browser, ana: User) -> None:
    shown = browser.get(f"{PAGE}?next={quote(target, errors='surrogatepass')}")
    assert not Elements(shown.content).all(name="next")
    answer = post(browser, next=target)
    assert (answer.status_code, answer["Location"]) == (303, "/signed-in")


@pytest.mark.spec("RFC 9700 §4.11.2")
def test_a_page_of_another_realm_is_no_way_on(browser: Browser, ana: User) -> None:
    make_realm("other", purposes=())
    assert post(browser, next="/realms/other/authorize?x=1")["Location"] == "/signed-in"


@pytest.mark.parametrize("hint", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:7 }}"])
def test_a_hint_is_shown_as_text(hint: str, browser: Browser, realm: Realm) -> None:
    answer = browser.get(f"{PAGE}?{urlencode({'login_hint': hint})}")
    page = Elements(answer.content)
    assert page.one(id="username")["value"] == hint
    assert {have.get("src") for tag, have in page.found if tag == "script"} == {"/static/signet/passkeys.js"}
    assert len(page.all(src="x")) == 0


@pytest.mark.parametrize("hint", ["x" * 255, "a\nb", "\u202eana", "", "%ff%fe"])
def test_a_hint_that_is_no_name_is_left_out(hint: str, browser: Browser, realm: Realm) -> None:
    encoded = hint if hint.startswith("%") else quote(hint)
    answer = browser.get(f"{PAGE}?login_hint={encoded}")
    assert answer.status_code == 200
    username = Elements(answer.content).one(id="username")
    assert username["value"] in {"", "\ufffd\ufffd"}


@pytest.mark.spec("RFC 9700 §4.7, session fixation")
def test_a_planted_cookie_is_worth_nothing_after_the_sign_in(browser: Browser, ana: User) -> None:
    attacker = Browser()
    planted = attacker.session
    planted["planted"] = True
    planted.save()
    browser.cookies["sessionid"] = str(planted.session_key)
    assert post(browser).status_code == 303
    assert browser.cookies["sessionid"].value != planted.session_key
    assert not CookieSession.objects.filter(session_key=planted.session_key).exists()
    attacker.cookies["sessionid"] = str(planted.session_key)
    assert whose(attacker) == ""


@pytest.mark.parametrize("cookie", ["x", "x" * 5_000, "x" * 32, "\\000", "../../etc"])
def test_a_made_up_cookie_is_none(cookie: str, browser: Browser, ana: User) -> None:
    browser.cookies["sessionid"] = cookie
    assert whose(browser) == ""
    assert post(browser).status_code == 303
    assert browser.cookies["sessionid"].value != cookie


@pytest.mark.django_db(transaction=True)
def test_two_tabs_at_once_both_get_in() -> None:
    realm = make_realm(purposes=())
    make_person(realm=realm)
    first = Browser()
    assert post(first).status_code == 303

    def another_tab(_: int) -> int:
        close_old_connections()
        try:
            tab = Browser()
            tab.cookies["sessionid"] = first.cookies["sessionid"].value
            status: int = post(tab, next=NEXT).status_code
            return status if whose(tab) == "ana" else 0
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(another_tab, range(4))) == [303] * 4
    assert Session.objects.count() == 5


@pytest.mark.spec("RFC 9700 §4.7, CSRF, OIDC Core §3.1.2.3 csrf, RFC 6749 §10.12 csrf")
def test_a_form_of_another_site_signs_nobody_in(strict: Browser, ana: User) -> None:
    answer = post(strict)
    assert answer.status_code == 403
    assert b"This page is out of date" in answer.content
    assert answer["Cache-Control"] == "no-store"
    assert not Session.objects.exists()
    assert not Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).exists()


@pytest.mark.spec("RFC 9700 §4.7, CSRF")
def test_our_own_form_does(strict: Browser, ana: User) -> None:
    token = Elements(strict.get(PAGE).content).first(name="csrfmiddlewaretoken")["value"] or ""
    referer: dict[str, Any] = {"HTTP_HOST": "testserver", "HTTP_REFERER": "https://testserver/sign-in"}
    body = urlencode({"username": "ana", "password": PASSWORD, "csrfmiddlewaretoken": token})
    evil = strict.post(PAGE, body, FORM, HTTP_ORIGIN="https://evil.example")
    assert evil.status_code == 403
    assert strict.post(PAGE, body, FORM, **referer).status_code == 303
    assert strict.post(PAGE, body, FORM, **referer).status_code == 403  # the token changed with the sign-in


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize(("page", "allowed"), [(PAGE, "GET, HEAD, POST"), ("/signed-in", "GET, HEAD")])
@pytest.mark.spec("RFC 9110 §15.5.6")
def test_another_method_is_not_allowed(method: str, page: str, allowed: str, strict: Browser, realm: Realm) -> None:
    answer = strict.generic(method, page, b"x" * 100_000, "text/plain")
    assert (answer.status_code, answer["Allow"]) == (405, allowed)


def test_head_goes_with_get(browser: Browser, realm: Realm) -> None:
    answer = browser.head(PAGE)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("content_type", "body", "headers", "status"),
    [
        ("application/json", b"{}", {}, 415),
        ("text/plain", b"username=ana", {}, 415),
        ("multipart/form-data; boundary=x", b"--x--", {}, 415),
        ("", b"", {}, 415),
        (FORM, b"x" * (MAX_FORM + 1), {}, 413),
        (FORM, b"username=a&username=b", {}, 400),
        (FORM, b"password=a&password=b", {}, 400),
        (FORM, b"next=a&next=b", {}, 400),
        (FORM, b"&" * 500, {}, 422),
        (FORM, b"username=%ff%fe&password=%ff", {}, 422),
        (FORM, b"username=%00&password=%00", {}, 422),
        (FORM, b"a=1&" * 2_000, {}, 400),
        (FORM, b"username=ana", {"transfer-encoding": "chunked"}, 411),
        (FORM, b"username=ana", {"content-length": "²"}, 413),
        (FORM, b"username=ana", {"content-length": "-1"}, 413),
        (FORM, b"username=ana", {"content-length": "9" * 5_000}, 413),
    ],
)
def test_a_malformed_form_is_refused(
    content_type: str, body: bytes, headers: dict[str, str], status: int, browser: Browser, ana: User
) -> None:
    extra: dict[str, Any] = {f"HTTP_{key}".upper().replace("-", "_"): value for key, value in headers.items()}
    if "content-length" in headers:
        extra = {"CONTENT_LENGTH": headers["content-length"]}
    assert browser.generic("POST", PAGE, body, content_type, **extra).status_code == status
    assert not Session.objects.exists()


@pytest.mark.parametrize("query", ["next=a&next=b", "login_hint=a&login_hint=b"])
def test_a_repeated_parameter_is_refused(query: str, browser: Browser, realm: Realm) -> None:
    answer = browser.get(f"{PAGE}?{query}")
    assert answer.status_code == 400
    assert b"Malformed request" in answer.content


@pytest.mark.parametrize("slug", ["nowhere", "shut"])
@pytest.mark.parametrize("page", ["sign-in", "signed-in"])
def test_a_realm_that_is_not_there_is_a_page_that_says_so(slug: str, page: str, browser: Browser, ana: User) -> None:
    make_realm("shut", purposes=())
    Realm.objects.filter(slug="shut").update(enabled=False)
    answer = browser.get(f"/realms/{slug}/{page}")
    assert answer.status_code == 404
    assert b"There is no such realm here" in answer.content
    assert browser.post(f"/realms/{slug}/sign-in", "username=ana", FORM).status_code == 404
