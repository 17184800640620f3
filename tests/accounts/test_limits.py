"""Limits on attempts as operators see them, and their lifting."""

from datetime import datetime, timedelta

import pytest

from accounts import budget
from accounts.buckets import LIMITS, CountsBy, Whose
from accounts.budget import ACCOUNT, ACCOUNT_AND_ADDRESS, ADDRESS, Budget, after_attempt, attempts_left
from accounts.errors import TooManyAttempts
from accounts.models import AttemptBudget, User
from accounts.selectors.limits import LimitState, limits_on
from accounts.services.attempts import Attempt, reserve
from accounts.services.limits import lift_limits
from audit.models import Event
from audit.vocabulary import EventName

pytestmark = pytest.mark.spec("issue: operators see sign-in attempts and lock-outs")
HERE, THERE = "192.0.2.1", "198.51.100.7"
NOT_COUNTED = {budget.PASSKEY_CHALLENGE}  # marks that a challenge is spent; nobody guesses at it


def state(name: str, whose: Whose, now: datetime) -> LimitState:
    return next(each for each in limits_on(whose, now=now) if each.limit.budget.name == name)


def guess(times: int, now: datetime, *, username: str = "ana", address: str = HERE) -> None:
    for _ in range(times):
        reserve(Attempt.PASSWORD, username=username, address=address, now=now)


def test_every_limit_that_there_is_is_shown() -> None:
    there = {value for value in vars(budget).values() if isinstance(value, Budget)}
    assert {limit.budget for limit in LIMITS} == there - NOT_COUNTED


def test_as_many_attempts_are_left_as_the_limit_will_let_through(now: datetime) -> None:
    for each in (ACCOUNT, ACCOUNT_AND_ADDRESS, ADDRESS):
        full_at: datetime | None = None
        for used in range(each.burst + 1):
            assert attempts_left(each, full_at, now) == each.burst - used
            further = after_attempt(each, full_at, now)
            assert (further is None) is (used == each.burst)
            full_at = further or full_at
        assert full_at is not None
        assert attempts_left(each, full_at, full_at) == each.burst
        assert attempts_left(each, full_at, now - each.span) == 0


@pytest.mark.usefixtures("db")
class TestWhatIsShown:
    def test_is_counted_by_what_is_known(self, now: datetime) -> None:
        shown = {each.limit.counts_by for each in limits_on(Whose(address=HERE), now=now)}
        assert shown == {CountsBy.ADDRESS}
        shown = {each.limit.counts_by for each in limits_on(Whose(username="ana"), now=now)}
        assert shown == {CountsBy.NAME, CountsBy.ANY_SPELLING}
        shown = {each.limit.counts_by for each in limits_on(Whose("ana", "subject", HERE), now=now)}
        assert shown == set(CountsBy)

    def test_is_what_parallel_services_took(self, now: datetime) -> None:
        guess(3, now)
        whose = Whose(username="ＡNA", address=HERE)
        found = state("account-address", whose, now)
        assert (found.left, found.full_at) == (ACCOUNT_AND_ADDRESS.burst - 3, now + 3 * ACCOUNT_AND_ADDRESS.interval)
        assert state("account-address", Whose("ana", "", THERE), now).left == ACCOUNT_AND_ADDRESS.burst

    def test_says_when_the_next_attempt_is(self, now: datetime) -> None:
        guess(ACCOUNT_AND_ADDRESS.burst, now)
        found = state("account-address", Whose("ana", "", HERE), now)
        assert found.reached
        assert found.next_at == now + ACCOUNT_AND_ADDRESS.interval
        with pytest.raises(TooManyAttempts):
            guess(1, now)
        guess(1, found.next_at)

    def test_is_nothing_once_all_are_back(self, now: datetime) -> None:
        guess(2, now)
        found = state("account", Whose("ana"), now + timedelta(hours=1))
        assert (found.left, found.full_at, found.next_at) == (ACCOUNT.burst, None, None)

    def test_of_illegible_addresses_is_one(self, now: datetime) -> None:
        guess(1, now, address="nonsense")
        assert state("address", Whose(address="rubbish"), now).left == ADDRESS.burst - 1

    def test_asks_the_database_once(self, now: datetime, django_assert_num_queries: object) -> None:
        with django_assert_num_queries(1):  # type: ignore[operator]
            limits_on(Whose("ana", "subject", HERE), now=now)


class TestLifting:
    def lift(self, person: User, now: datetime, address: str = "") -> list[str]:
        return lift_limits(person, address=address, actor="user:op", reason="Called from home.", now=now)

    def test_gives_a_person_their_attempts_back(self, ana: User, now: datetime) -> None:
        guess(ACCOUNT_AND_ADDRESS.burst, now)
        reserve(Attempt.SECOND_FACTOR, subject=ana.subject, address=HERE, now=now)
        reserve(Attempt.USER_CODE, subject=ana.subject, address=HERE, now=now)
        lifted = self.lift(ana, now, HERE)
        persons = {"second-factor-person", "second-factor-person-slowly", "user-code-person"}
        assert set(lifted) == {"account-address", "account", *persons}
        guess(ACCOUNT_AND_ADDRESS.burst, now)

    def test_without_the_address_leaves_what_is_counted_with_it(self, ana: User, now: datetime) -> None:
        guess(ACCOUNT_AND_ADDRESS.burst, now)
        assert self.lift(ana, now) == ["account"]
        with pytest.raises(TooManyAttempts):
            guess(1, now)

    def test_gives_an_address_and_other_people_nothing_back(self, ana: User, now: datetime) -> None:
        guess(4, now)
        guess(2, now, username="ben")
        self.lift(ana, now, HERE)
        assert state("address", Whose(address=HERE), now).left == ADDRESS.burst - 6
        assert state("account", Whose("ben"), now).left == ACCOUNT.burst - 2

    def test_leaves_an_event_with_the_reason_and_neither_name_nor_address(self, ana: User, now: datetime) -> None:
        guess(1, now)
        self.lift(ana, now, HERE)
        event = Event.objects.get(name=EventName.LIMIT_LIFTED)
        assert (event.target, event.actor, event.reason) == (ana.subject, "user:op", "Called from home.")
        assert event.details == {"limits": "account account-address"}

    def test_of_nothing_is_told_too(self, ana: User, now: datetime) -> None:
        assert self.lift(ana, now) == []
        assert not AttemptBudget.objects.exists()
        assert Event.objects.get(name=EventName.LIMIT_LIFTED).details == {"limits": ""}
