"""`prompt=create`: a client sends a person to make an account, and gets them back."""

from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import User
from realms.models import Realm
from tests.flows.code_flow import App, register, sent_back
from tests.pages import post
from tests.provider import Browser


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    return register(realm, browser, now)


def offered(app: App) -> list[str]:
    found: list[str] = app.browser.get("/.well-known/openid-configuration").json()["prompt_values_supported"]
    return found


@pytest.mark.spec("Initiating User Registration §4.1")
def test_a_person_makes_an_account_and_goes_on_to_the_client(app: App) -> None:
    Realm.objects.update(registration="open")
    app.sign_in()
    page = urlsplit(app.authorize(prompt="create", login_hint="bea")["Location"])
    query = parse_qs(page.query)
    assert (page.path, query["login_hint"]) == ("/register", ["bea"])
    assert "create" not in query["next"][0]
    onwards = post(app.browser, "/register", username="bea", next=query["next"][0])
    assert "code" in sent_back(app.browser.get(onwards["Location"]))
    assert "create" in offered(app)


@pytest.mark.spec("Initiating User Registration §4.1.1, §4.2")
def test_a_closed_realm_refuses_it_and_does_not_offer_it(app: App) -> None:
    app.sign_in()
    assert sent_back(app.authorize(prompt="create"))["error"] == "invalid_request"
    assert "create" not in offered(app)


@pytest.mark.spec("OpenID Connect Core §3.1.2.1, prompt=none")
def test_nobody_makes_an_account_unseen(app: App) -> None:
    Realm.objects.update(registration="open")
    assert sent_back(app.authorize(prompt="none create"))["error"] == "invalid_request"
