"""Signing in with a confirmed address: one query, one answer, and no more guesses for knowing both spellings."""

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.budget import ACCOUNT_AND_ADDRESS
from accounts.errors import NameTaken
from accounts.models import User
from accounts.selectors import sign_in_candidate
from accounts.services.people import create_person
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import post
from tests.flows.test_reset_password import noting
from tests.pages import Elements, whose
from tests.provider import PASSWORD, Browser, make_person

ADDRESS = "ana@example.org"


@pytest.fixture
def addressed(realm: Realm) -> User:
    return make_person("ana", realm=realm, email=ADDRESS, email_verified=True)


def attempt(username: str, password: str = PASSWORD, browser: Browser | None = None) -> Any:
    return post(browser or Browser(), "/sign-in", {"username": username, "password": password})


@pytest.mark.spec("issue: sign in with user name or address")
@pytest.mark.parametrize("spelling", ["ana", "ANA", ADDRESS, "Ana@Example.ORG", "ａｎａ@example.org"])
def test_either_name_or_address_does(spelling: str, browser: Browser, addressed: User) -> None:
    label = browser.get("/sign-in").content
    assert b"User name or email address" in label
    assert Elements(label).one(id="username")["name"] == "username"
    assert attempt(spelling, browser=browser).status_code == 303
    assert whose(browser) == "ana"
    answer = post(Browser(), "/auth", {"username": spelling, "password": PASSWORD})
    assert answer.status_code == 200


def test_operators_sign_in_by_address_too(addressed: User) -> None:
    assert authenticate(RequestFactory().get("/"), username=ADDRESS, password=PASSWORD) == addressed


def test_an_address_that_is_not_confirmed_signs_nobody_in(addressed: User) -> None:
    User.objects.update(email_verified=False)
    assert attempt(ADDRESS).status_code == 422
    assert attempt("ana").status_code == 303


def test_a_name_wins_over_an_address(realm: Realm, addressed: User) -> None:
    """An operator's word; nobody chooses such a name for themselves."""
    other = make_person(ADDRESS, realm=realm)
    found = sign_in_candidate(ADDRESS, realm=realm)
    assert found is not None
    assert found.person == other
    with pytest.raises(NameTaken):
        create_person(username="ANA@example.org", password=PASSWORD, actor="test", now=other.created_at)


def test_no_operator_gives_a_name_that_is_somebodys_address(addressed: User, now: datetime) -> None:
    with pytest.raises(NameTaken):
        create_person(username="Ana@Example.org", password=PASSWORD, actor="test", now=now)


@pytest.mark.spec("issue: no enumeration by text, status or time")
def test_every_spelling_takes_the_same_work(addressed: User, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    make_person("bo", realm=realm, email="bo@example.org")
    hashed: list[int] = []
    for name in ("encode", "verify"):
        monkeypatch.setattr(Argon2PasswordHasher, name, noting(getattr(Argon2PasswordHasher, name), hashed))
    found = []
    for spelling in (ADDRESS, "ana", "bo@example.org", "nobody@example.org", "nobody"):
        with CaptureQueriesContext(connection) as statements:
            answer = attempt(spelling, "a wrong password")
        page = answer.content.replace(spelling.encode(), b"")
        found.append((answer.status_code, len(page), len(statements), len(hashed)))
        hashed.clear()
    assert len(set(found)) == 1


@pytest.mark.spec("issue: the limits must not double by using both spellings")
def test_both_spellings_share_the_guesses_of_a_person(addressed: User) -> None:
    for number in range(ACCOUNT_AND_ADDRESS.burst):
        assert attempt("ana" if number % 2 else ADDRESS, "a wrong password").status_code == 422
    for spelling in ("ana", ADDRESS):
        assert attempt(spelling).status_code == 422, "the right password doesn't help"
    assert Event.objects.filter(name=EventName.SIGN_IN_REFUSED, details={"fault": "limited"}).count() == 2
    assert Event.objects.filter(name=EventName.SIGN_IN_LIMITED).count() == 1


@pytest.mark.spec("issue: without telling anything")
def test_a_limit_reached_by_name_does_not_tell_whose_an_address_is(addressed: User) -> None:
    """Who has used up the tries at a name meets 429 there, and an address answers as one that nobody has."""
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        attempt("ana", "a wrong password")
    assert attempt("ana", "a wrong password").status_code == 429
    for spelling in (ADDRESS, "nobody@example.org"):
        statuses = [attempt(spelling, "a wrong password").status_code for _ in range(ACCOUNT_AND_ADDRESS.burst + 1)]
        assert statuses == [422] * ACCOUNT_AND_ADDRESS.burst + [429]


def test_a_success_gives_every_place_back(addressed: User) -> None:
    for _ in range(2 * ACCOUNT_AND_ADDRESS.burst):
        assert attempt(ADDRESS).status_code == 303
        assert attempt("ana").status_code == 303
