"""A realm's own colours and logo: how operators give them, and where its pages have them from."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from audit.vocabulary import EventName
from realms import views
from realms.models import Logo, Realm
from realms.pictures import picture_of
from realms.services import change_logo
from tests.keys.admin.pages import words
from tests.pages import Elements
from tests.provider import Browser
from tests.realms.pictures import jpeg, png
from tests.realms.test_admin import SOUND, page_of

pytestmark = pytest.mark.spec("issue 3, Pages")
LIGHT, DARK = "#1f6f54", "#7ad6c7"


def linked(browser: Browser, path: str = "/sign-in") -> tuple[list[str], list[str]]:
    """The addresses of a page's sheets and pictures that are the realm's own."""
    found = Elements(browser.get(path).content).found
    sheets = [have["href"] or "" for tag, have in found if tag == "link" and have.get("rel") == "stylesheet"]
    pictures = [have["src"] or "" for tag, have in found if tag == "img"]
    return [address for address in sheets if "/static/" not in address], [
        address for address in pictures if "/static/" not in address
    ]


def test_a_realm_without_a_look_of_its_own_has_signets(browser: Browser, realm: Realm) -> None:
    assert linked(browser) == ([], [])
    for path in ("/theme.css", "/logo"):
        assert browser.get(path).status_code == 404


def test_an_operator_gives_colours_and_a_logo(operator: Browser, browser: Browser, realm: Realm) -> None:
    uploaded = SimpleUploadedFile("evil.svg", png(), content_type="image/svg+xml")
    form = {**SOUND, "accent": LIGHT.upper(), "accent_dark": DARK, "picture": uploaded}
    answer = operator.post(page_of(realm), form)
    assert answer.status_code == 302, words(answer)
    [theme], [logo] = linked(browser)
    sheet = browser.get(theme)
    assert sheet["Content-Type"] == "text/css; charset=utf-8"
    assert LIGHT in sheet.content.decode()
    assert DARK in sheet.content.decode()
    picture = browser.get(logo)
    assert picture.content == png()
    assert picture["Content-Type"] == "image/png"  # whatever it was called
    for answer in (sheet, picture):
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer["Cache-Control"] == "public, max-age=86400"
        assert not answer.cookies
        assert "Cookie" not in answer.get("Vary", "")
    assert 'src="/logo' in operator.get(page_of(realm)).content.decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accent": "#ffff00"}, "contrast of 1.02:1"),
        ({"accent_dark": "#1f6f54"}, "choose a lighter one"),
        ({"accent": "green"}, "Write a colour as"),
        ({"picture": SimpleUploadedFile("logo.png", b"<svg/>", content_type="image/png")}, "Upload a PNG, JPEG"),
        ({"picture": SimpleUploadedFile("logo.png", png() + bytes(131_072), content_type="image/png")}, "128"),
    ],
)
def test_what_pages_can_not_show_is_refused(
    operator: Browser, realm: Realm, changes: dict[str, object], said: str
) -> None:
    answer = operator.post(page_of(realm), {**SOUND, **changes})
    assert answer.status_code == 200
    assert said in words(answer)
    realm.refresh_from_db()
    assert (realm.accent, realm.accent_dark, realm.logo_digest) == ("", "", "")
    assert not Logo.objects.exists()


def test_the_form_says_what_each_colour_is(operator: Browser, realm: Realm) -> None:
    said = words(operator.get(page_of(realm)))
    assert "Colour: Of links and buttons, as #rrggbb." in said
    assert "Colour, dark: The same for people whose devices prefer a dark scheme." in said


def test_another_logo_stands_in_the_audit(operator: Browser, realm: Realm) -> None:
    for sent in ({"picture": SimpleUploadedFile("x", png())}, {"without_picture": "on"}, {"without_picture": "on"}):
        assert operator.post(page_of(realm), {**SOUND, **sent}).status_code == 302
    told = [event.details["logo"] for event in Event.objects.filter(name=EventName.REALM_CHANGED).order_by("id")]
    digest = told[0].removeprefix(" → ")
    assert digest
    assert told == [f" → {digest}", f"{digest} → "]


def test_a_logo_is_exchanged_kept_and_removed(operator: Browser, browser: Browser, realm: Realm) -> None:
    change_logo(realm, picture=picture_of(png()))
    [before] = linked(browser)[1]
    assert operator.post(page_of(realm), {**SOUND, "picture": SimpleUploadedFile("x", jpeg())}).status_code == 302
    [after] = linked(browser)[1]
    assert before != after  # what a browser kept is not shown
    assert browser.get(after)["Content-Type"] == "image/jpeg"
    assert operator.post(page_of(realm), {**SOUND, "name": "Ours"}).status_code == 302
    assert linked(browser)[1] == [after]
    assert operator.post(page_of(realm), {**SOUND, "without_picture": "on"}).status_code == 302
    assert linked(browser)[1] == []
    assert not Logo.objects.exists()


def test_a_further_realm_has_its_own_below_its_issuer(browser: Browser, realm: Realm) -> None:
    shop = Realm.objects.create(
        slug="shop", name="Shop", issuer=f"{realm.issuer}/realms/shop", accent=LIGHT, created_at=realm.created_at
    )
    change_logo(shop, picture=picture_of(png()))
    [theme], [logo] = linked(browser, "/realms/shop/sign-in")
    assert theme == "/realms/shop/theme.css?v=1f6f54"
    assert browser.get(theme).status_code == browser.get(logo).status_code == 200
    assert linked(browser) == ([], [])
    Realm.objects.filter(pk=shop.pk).update(enabled=False)
    assert browser.get(theme).status_code == browser.get(logo).status_code == 404


@pytest.mark.spec("RFC 9110 §13.1.2")
def test_what_a_browser_has_is_not_sent_again(browser: Browser, realm: Realm) -> None:
    Realm.objects.update(accent=LIGHT)
    change_logo(realm, picture=picture_of(png()))
    for path in ("/theme.css", "/logo"):
        etag = browser.get(path)["ETag"]
        again = browser.get(path, headers={"if-none-match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert browser.head(path).status_code == 200
        assert browser.post(path).status_code == 405


def test_an_outage_is_no_fault_of_ours(browser: Browser, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_slug: str) -> Realm:
        raise OperationalError("away")

    monkeypatch.setattr(views, "realm_by_slug", away)
    answer = browser.get("/theme.css")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_no_page_loads_the_picture(browser: Browser, realm: Realm) -> None:
    change_logo(realm, picture=picture_of(png()))
    with CaptureQueriesContext(connection) as asked:
        browser.get("/sign-in")
    assert asked.captured_queries
    assert not [query for query in asked.captured_queries if "realms_logo" in query["sql"]]


def test_the_database_holds_it_too(realm: Realm) -> None:
    for wrong in ({"accent": "#12345"}, {"accent": "red"}, {"accent_dark": "#ABCDEF"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Realm.objects.update(**wrong)
    with pytest.raises(IntegrityError), transaction.atomic():
        Logo.objects.create(realm=realm, media_type="image/svg+xml", picture=b"x")
