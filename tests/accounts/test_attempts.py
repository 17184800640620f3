"""The limits on attempts, in PostgreSQL: shared by all workers, and atomic."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import close_old_connections, connection, connections
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.budget import ACCOUNT, ACCOUNT_AND_ADDRESS, ADDRESS, PASSKEY_CHALLENGE, after_attempt
from accounts.errors import TooManyAttempts
from accounts.models import AttemptBudget
from accounts.passkeys import CHALLENGE_LIFETIME
from accounts.services.attempts import Attempt, reserve, reserve_person, spend_challenge
from accounts.services.places import give_back, purge_full_budgets


def allowed(username: str, address: str, now: datetime) -> bool:
    """Whether one more attempt is allowed."""
    try:
        reserve(Attempt.PASSWORD, username=username, address=address, now=now)
    except TooManyAttempts:
        return False
    return True


@pytest.mark.django_db
def test_one_address_gets_its_burst_at_one_account(now: datetime) -> None:
    assert [allowed("ana", "192.0.2.1", now) for _ in range(ACCOUNT_AND_ADDRESS.burst + 2)] == [True] * 10 + [False] * 2


@pytest.mark.django_db
def test_the_refusal_says_how_long_to_wait(now: datetime) -> None:
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        reserve(Attempt.PASSWORD, username="ana", address="192.0.2.1", now=now)
    with pytest.raises(TooManyAttempts) as refusal:
        reserve(Attempt.PASSWORD, username="ana", address="192.0.2.1", now=now)
    assert refusal.value.retry_after == ACCOUNT_AND_ADDRESS.interval
    assert allowed("ana", "192.0.2.1", now + refusal.value.retry_after)


@pytest.mark.django_db
def test_names_that_read_the_same_share_their_attempts(now: datetime) -> None:
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        reserve(Attempt.PASSWORD, username="ana", address="192.0.2.1", now=now)
    assert not allowed("ＡＮＡ", "192.0.2.1", now)


@pytest.mark.django_db
def test_an_ipv6_network_shares_its_attempts(now: datetime) -> None:
    for number in range(ACCOUNT_AND_ADDRESS.burst):
        reserve(Attempt.PASSWORD, username="ana", address=f"2001:db8::{number:x}", now=now)
    assert not allowed("ana", "2001:db8::ffff", now)
    assert allowed("ana", "2001:db8:0:1::1", now)


@pytest.mark.django_db
def test_where_nobody_knows_the_address_people_are_counted_one_by_one(now: datetime) -> None:
    """A server behind a socket of the system names none."""
    for _ in range(ACCOUNT_AND_ADDRESS.burst):
        assert reserve_person(username="ana", subject="ana's", address="", now=now)
    assert reserve_person(username="ana", subject="ana's", address="", now=now) is None
    assert reserve_person(username="bea", subject="bea's", address="", now=now)
    assert reserve_person(username="cleo", subject="", address="", now=now)
    assert [allowed("ana", "", now) for _ in range(ACCOUNT_AND_ADDRESS.burst + 1)] == [True] * 10 + [False]
    assert allowed("bea", "", now)


@pytest.mark.django_db
def test_one_address_never_locks_another_out_of_an_account(now: datetime) -> None:
    """Two hours of guessing from one address, a try every ten seconds; the person signs in from elsewhere all along."""
    for second in range(0, 2 * 3600, 10):
        moment = now + timedelta(seconds=second)
        allowed("ana", "192.0.2.1", moment)
        if second % 600 == 0:
            assert allowed("ana", "198.51.100.7", moment)


@pytest.mark.django_db
def test_many_addresses_together_meet_the_limit_of_the_account(now: datetime) -> None:
    tries = [allowed("ana", f"192.0.2.{number}", now) for number in range(ACCOUNT.burst + 5)]
    assert tries.count(True) == ACCOUNT.burst


@pytest.mark.django_db
def test_one_address_meets_its_limit_over_many_accounts(now: datetime) -> None:
    tries = [allowed(f"person{number}", "192.0.2.1", now) for number in range(ADDRESS.burst + 5)]
    assert tries.count(True) == ADDRESS.burst


@pytest.mark.django_db
def test_a_refused_attempt_takes_nothing_from_any_bucket(now: datetime) -> None:
    for number in range(ADDRESS.burst):
        reserve(Attempt.PASSWORD, username=f"person{number}", address="192.0.2.1", now=now)
    before = set(AttemptBudget.objects.values_list("key", "full_at"))
    assert not allowed("ana", "192.0.2.1", now)
    assert set(AttemptBudget.objects.values_list("key", "full_at")) == before


@pytest.mark.django_db
def test_a_place_given_back_can_be_taken_again(now: datetime) -> None:
    for _ in range(3 * ACCOUNT.burst):
        give_back(reserve(Attempt.PASSWORD, username="ana", address="192.0.2.1", now=now))
    assert allowed("ana", "192.0.2.1", now)


@pytest.mark.django_db
def test_no_name_and_no_address_is_stored(now: datetime) -> None:
    reserve(Attempt.PASSWORD, username="canary-name", address="192.0.2.99", now=now)
    stored = repr([(bytes(row.key), row.full_at) for row in AttemptBudget.objects.all()])
    assert "canary" not in stored
    assert "192.0.2.99" not in stored
    assert all(len(bytes(row.key)) == 32 for row in AttemptBudget.objects.all())
    assert len(str(AttemptBudget.objects.first())) == 16


@pytest.mark.django_db
def test_the_purge_removes_full_buckets_and_no_others(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.services.places._PURGE_BATCH", 2)
    for number in range(5):
        reserve(Attempt.PASSWORD, username=f"person{number}", address=f"192.0.2.{number}", now=now)
    reserve(Attempt.PASSWORD, username="ana", address="198.51.100.7", now=now + timedelta(hours=1))
    assert purge_full_budgets(now) == 0
    assert purge_full_budgets(now + timedelta(hours=1)) == 15
    assert AttemptBudget.objects.count() == 3


@pytest.mark.django_db
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 90), min_size=1, max_size=25))
def test_the_statement_counts_as_the_rule_does(now: datetime, pauses: list[int]) -> None:
    AttemptBudget.objects.all().delete()
    moment, full_at = now, None
    for pause in pauses:
        moment += timedelta(seconds=pause)
        after = after_attempt(ACCOUNT_AND_ADDRESS, full_at, moment)
        assert allowed("ana", "192.0.2.1", moment) == (after is not None)
        full_at = after or full_at


@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_meet_the_limit_too(now: datetime) -> None:
    def guess(_number: int) -> bool:
        close_old_connections()
        try:
            return allowed("ana", "192.0.2.1", now)
        finally:
            connections.close_all()

    assert connection.vendor == "postgresql"
    with ThreadPoolExecutor(20) as pool:
        tries = list(pool.map(guess, range(60)))
    assert tries.count(True) == ACCOUNT_AND_ADDRESS.burst


@pytest.mark.django_db
@pytest.mark.spec("Web Authentication Level 3 §13.4.3")
def test_a_challenge_is_spent_once_until_long_after_its_end(now: datetime) -> None:
    assert spend_challenge(b"one", now=now)
    assert spend_challenge(b"other", now=now)
    assert PASSKEY_CHALLENGE.interval >= 3 * CHALLENGE_LIFETIME
    for later in (timedelta(0), CHALLENGE_LIFETIME, 2 * CHALLENGE_LIFETIME):
        purge_full_budgets(now + later)
        assert not spend_challenge(b"one", now=now + later)
