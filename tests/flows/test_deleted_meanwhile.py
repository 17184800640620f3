"""A person who is deleted between two steps of a flow gets an answer, and nothing is written for nobody."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from accounts.models import Device, Passkey, Session, SignInChallenge, TotpSecret, User
from accounts.services.deletion import delete_account
from realms.models import Realm
from tests.flows.code_flow import register, sent_back
from tests.flows.device_flow import register_device
from tests.flows.test_direct_mfa import challenge_of, complete
from tests.flows.test_direct_sign_in import sign_in
from tests.pages import FORM, post
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tests.second_factors import fitting, give_totp
from tokens.models import Grant

# References to people are looked at when a transaction commits, and those of other tests never do.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("issue: people delete their account")]
AGO = timedelta(minutes=5)


@pytest.fixture
def realm(transactional_db: None) -> Realm:
    return make_realm()


@pytest.fixture
def ana(realm: Realm) -> User:
    return make_person(realm=realm)


@pytest.fixture
def deleted_before(ana: User, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has ana deleted as soon as somebody calls a function."""

    def before(name: str) -> None:
        module, _dot, function = name.rpartition(".")
        there = getattr(__import__(module, fromlist=[function]), function)

        def first_delete(*args: Any, **kwargs: Any) -> Any:
            if User.objects.filter(pk=ana.pk).exists():
                delete_account(User.objects.get(pk=ana.pk), now=timezone.now())
            return there(*args, **kwargs)

        monkeypatch.setattr(name, first_delete)

    return before


def nothing_is_left() -> bool:
    return not any(model.objects.exists() for model in (Session, SignInChallenge, TotpSecret, Passkey, Device, Grant))


Before = Callable[[str], None]


def test_at_a_sign_in(browser: Browser, deleted_before: Before) -> None:
    deleted_before("accounts.views.arrival.begin_session_on_device")
    answer = post(browser)
    assert (answer.status_code, answer["Location"]) == (303, "/sign-in")
    assert nothing_is_left()


def test_when_a_second_factor_is_due(browser: Browser, ana: User, now: datetime, deleted_before: Before) -> None:
    give_totp(ana, now - AGO)
    deleted_before("accounts.views.arrival.begin_challenge")
    answer = post(browser)
    assert (answer.status_code, answer["Location"]) == (303, "/sign-in")
    assert nothing_is_left()


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("accounts.views.second_factor.prove_code", 422),
        ("accounts.views.second_proof.complete_challenge", 303),
        ("accounts.views.second_proof.begin", 303),
    ],
)
def test_on_the_page_of_the_second_factor(
    step: str, status: int, browser: Browser, ana: User, now: datetime, deleted_before: Before
) -> None:
    seed = give_totp(ana, now - AGO)
    post(browser)
    deleted_before(step)
    answer = browser.post("/sign-in/second-factor", urlencode({"code": fitting(seed, now)}), FORM)
    assert answer.status_code == status
    assert nothing_is_left()


@pytest.mark.parametrize("page", ["/sign-in/set-up-second-factor", "/account/security/app"])
def test_while_an_app_is_set_up(page: str, browser: Browser, deleted_before: Before) -> None:
    post(browser)
    deleted_before("accounts.services.second_factors.seal")
    answer = browser.get(page)
    assert (answer.status_code, answer["Location"]) == (303, "/sign-in")
    assert nothing_is_left()


@pytest.mark.parametrize(
    ("step", "status"),
    [("accounts.views.second_factor.prove_code", 422), ("accounts.views.second_proof.step_up_on_device", 303)],
)
def test_while_they_step_up(
    step: str, status: int, browser: Browser, ana: User, now: datetime, deleted_before: Before
) -> None:
    post(browser)
    seed = give_totp(ana, now - AGO)
    deleted_before(step)
    answer = browser.post("/sign-in/second-factor", urlencode({"code": fitting(seed, now)}), FORM)
    assert answer.status_code == status
    assert nothing_is_left()


def test_at_the_authorization_endpoint(
    realm: Realm, browser: Browser, ana: User, now: datetime, deleted_before: Before
) -> None:
    app = register(realm, browser, now)
    app.sign_in()
    deleted_before("tokens.services.authorize._begin")
    answer = app.authorize()
    assert answer.status_code == 303
    assert answer["Location"].startswith("/sign-in?next=%2Fauthorize"), answer["Location"]
    assert nothing_is_left()


def test_at_the_authorization_endpoint_in_silence(
    realm: Realm, browser: Browser, ana: User, now: datetime, deleted_before: Before
) -> None:
    app = register(realm, browser, now)
    app.sign_in()
    deleted_before("tokens.services.authorize._begin")
    assert sent_back(app.authorize(prompt="none"))["error"] == "login_required"


def test_where_a_device_is_allowed(
    realm: Realm, browser: Browser, ana: User, now: datetime, deleted_before: Before
) -> None:
    device = register_device(realm, browser, now)
    device.app.sign_in()
    codes = device.codes()
    deleted_before("tokens.services.device_decision._refuse_too_little")
    answer = device.decide(codes["user_code"])
    assert (answer.status_code, answer["Location"]) == (303, "/sign-in")
    assert device.error(codes["device_code"]) == "authorization_pending"
    assert nothing_is_left()


@pytest.mark.parametrize("step", ["tokens.services.direct.due", "tokens.services.direct.begin"])
def test_at_direct_sign_in(step: str, browser: Browser, ana: User, deleted_before: Before) -> None:
    deleted_before(step)
    assert sign_in(browser).status_code == 401
    assert nothing_is_left()


def test_when_a_challenge_of_direct_sign_in_is_made(
    browser: Browser, ana: User, now: datetime, deleted_before: Before
) -> None:
    give_totp(ana, now - AGO)
    deleted_before("tokens.services.direct.factors_of")
    assert sign_in(browser).status_code == 403  # by then nothing is left that could be asked for here
    assert nothing_is_left()


@pytest.mark.parametrize(("step", "status"), [("prove_code", 401), ("standing_challenge", 400)])
def test_at_the_second_factor_of_direct_sign_in(
    step: str, status: int, browser: Browser, ana: User, now: datetime, deleted_before: Before
) -> None:
    seed = give_totp(ana, now - AGO)
    challenge = challenge_of(browser)
    deleted_before(f"tokens.services.direct.{step}")
    assert complete(browser, challenge, fitting(seed, now)).status_code == status
    assert nothing_is_left()


def test_when_they_choose_another_password(browser: Browser, deleted_before: Before) -> None:
    post(browser)
    deleted_before("accounts.views.passwords.change_password")
    answer = browser.post("/account/password", urlencode({"password": f"another {PASSWORD}"}), FORM)
    assert (answer.status_code, answer["Location"]) == (303, "/sign-in")
    assert nothing_is_left()
