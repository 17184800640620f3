"""`POST /auth/refresh` and `POST /auth/logout`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from keys.algorithms import Purpose
from keys.errors import NoSigningKey
from tests.flows.test_direct_sign_in import sign_in
from tests.provider import PASSWORD, Browser, distrust, make_person, make_realm
from tokens.models import Grant


def refresh(browser: Browser, token: str) -> Any:
    return browser.post("/auth/refresh", {"refresh_token": token}, "application/json")


def logout(browser: Browser, token: str) -> Any:
    return browser.post("/auth/logout", {"refresh_token": token}, "application/json")


@pytest.fixture
def token(browser: Browser, ana: User) -> str:
    """The refresh token of a fresh grant."""
    return str(sign_in(browser).json()["refresh_token"])


@pytest.mark.spec("RFC 6749 §6")
def test_a_refresh_answers_like_a_sign_in_with_another_refresh_token(browser: Browser, token: str) -> None:
    answer = refresh(browser, token)
    assert answer.status_code == 200
    assert set(answer.json()) == {"token", "access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert answer.json()["refresh_token"] != token
    assert answer["Cache-Control"] == "no-store"


def test_a_refresh_writes_one_row_and_adds_none(
    browser: Browser, token: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    refresh(browser, token)
    successor = refresh(browser, token).json()["refresh_token"]
    events = Event.objects.count()
    with django_assert_num_queries(3):  # the realm, its built-in client, and the rotation
        assert refresh(browser, successor).status_code == 200
    assert Grant.objects.count() == 1
    assert Event.objects.count() == events


@pytest.mark.spec("RFC 9700 §4.14.2 replay-detected")
def test_a_lost_answer_can_be_had_again_and_a_stolen_one_ends_the_grant(browser: Browser, token: str) -> None:
    second = refresh(browser, token).json()["refresh_token"]
    assert refresh(browser, token).json()["refresh_token"] == second
    with time_machine.travel(timezone.now() + timedelta(seconds=12)):
        stolen = refresh(browser, token)
        assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
        assert refresh(browser, second).status_code == 400
    assert Grant.objects.get().revocation_reason == "reuse"
    assert Event.objects.filter(name=EventName.GRANT_REUSE_DETECTED).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("design: tokens.md, the family stays a chain", "issue: 50 parallel refreshes give one successor")
def test_fifty_refreshes_at_once_have_one_successor() -> None:
    ana = make_person(realm=make_realm())
    token = sign_in(Browser()).json()["refresh_token"]
    together = Barrier(50)

    def race(_number: int) -> Any:
        try:
            together.wait()
            return refresh(Browser(raise_request_exception=False), token)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(race, range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert len({answer.json()["access_token"] for answer in answers}) == 50
    grant = Grant.objects.get(user=ana)
    assert (grant.generation, grant.revoked_at) == (1, None)


@pytest.mark.django_db(transaction=True)
def test_twenty_reuses_at_once_end_the_grant_once() -> None:
    make_person(realm=make_realm())
    token = sign_in(Browser()).json()["refresh_token"]
    refresh(Browser(), token)
    Grant.objects.update(rotated_at=timezone.now() - timedelta(hours=1), created_at=timezone.now() - timedelta(hours=2))
    together = Barrier(20)

    def race(_number: int) -> Any:
        try:
            together.wait()
            return refresh(Browser(raise_request_exception=False), token).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(race, range(20))) == {400}
    assert Event.objects.filter(name=EventName.GRANT_REUSE_DETECTED).count() == 1


def test_a_disabled_person_is_out_at_once_and_back_when_enabled(browser: Browser, token: str) -> None:
    User.objects.update(is_active=False)
    assert refresh(browser, token).status_code == 400
    User.objects.update(is_active=True)
    assert refresh(browser, token).status_code == 200


@pytest.mark.spec("OWASP Session Management, after a change of password")
def test_no_password_any_more_ends_what_was_got_with_the_old_one(browser: Browser, ana: User, token: str) -> None:
    ana.set_unusable_password()
    ana.save()
    assert refresh(browser, token).status_code == 400


@pytest.mark.spec("OWASP Session Management, after a change of password")
def test_a_new_password_ends_what_was_got_with_the_old_one(browser: Browser, ana: User, token: str) -> None:
    ana.set_password("another good one")
    ana.save()
    assert refresh(browser, token).status_code == 400
    fresh = sign_in(browser, password="another good one").json()["refresh_token"]
    assert refresh(browser, fresh).status_code == 200


def test_a_hash_that_is_renewed_at_a_sign_in_ends_nothing(browser: Browser, ana: User, token: str) -> None:
    User.objects.update(password=Argon2PasswordHasher().encode(PASSWORD, "some other salt"))
    assert sign_in(browser).status_code == 200
    assert "m=19456" in User.objects.get().password
    assert refresh(browser, token).status_code == 200


def test_every_refusal_reads_the_same(browser: Browser, token: str) -> None:
    second = refresh(browser, token).json()["refresh_token"]
    answers = [refresh(browser, "x"), refresh(browser, second[:-1] + ("A" if second[-1] != "A" else "B"))]
    logout(browser, second)
    answers += [refresh(browser, second), refresh(browser, token)]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1


def test_without_a_signing_key_nothing_is_rotated(browser: Browser, token: str) -> None:
    distrust(Purpose.SIGN)
    answer = refresh(browser, token)
    assert answer.status_code == 503
    assert Grant.objects.get().generation == 0


def test_an_answer_that_failed_after_the_rotation_can_be_had_again(
    browser: Browser, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise NoSigningKey

    with monkeypatch.context() as outage:
        outage.setattr("keys.api.sign_jwt", broken)
        assert refresh(browser, token).status_code == 503
    assert Grant.objects.get().generation == 1
    assert refresh(browser, token).status_code == 200
    assert Grant.objects.get().generation == 1


@pytest.mark.spec("RFC 7009 §2")
def test_a_logout_ends_the_grant(browser: Browser, ana: User, token: str) -> None:
    answer = logout(browser, token)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert refresh(browser, token).status_code == 400
    grant = Grant.objects.get()
    assert grant.revocation_reason == "logout"
    event = Event.objects.get(name=EventName.GRANT_ENDED)
    assert (event.target, event.actor) == (str(grant.pk), f"user:{ana.subject}")


def test_a_logout_of_what_has_ended_or_gone_is_fine(browser: Browser, token: str) -> None:
    second = refresh(browser, token).json()["refresh_token"]
    for presented in (token, second, second):
        assert logout(browser, presented).status_code == 200
    assert Event.objects.filter(name=EventName.GRANT_ENDED).count() == 1
    Grant.objects.all().delete()
    assert logout(browser, second).status_code == 200


def test_a_forged_token_logs_nobody_out(browser: Browser, token: str) -> None:
    assert logout(browser, token[:-1] + ("A" if token[-1] != "A" else "B")).status_code == 400
    assert refresh(browser, token).status_code == 200
