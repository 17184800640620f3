"""Ids of tokens that may not be used (again)."""

from datetime import datetime, timedelta

import pytest

from keys.hooks import housekeeping
from tokens.models import SpentToken
from tokens.services.spent_tokens import is_spent, purge_spent_tokens, spend

pytestmark = pytest.mark.django_db


@pytest.mark.spec("RFC 7523 §3, RFC 9700 §4.9.3 token-secret")
@pytest.mark.parametrize("name", ["", "a", "a\0b", "\ud800", "x" * 100_000])
def test_a_token_is_spent_once_and_kept_as_a_hash(name: str, now: datetime) -> None:
    assert not is_spent(name)
    assert [spend(name, expires_at=now) for _ in range(3)] == [True, False, False]
    assert is_spent(name)
    assert not is_spent(name + "?")
    row = SpentToken.objects.get()
    assert len(bytes(row.digest)) == 32
    assert len(str(row)) == 16


@pytest.mark.spec("design: product.md, tables that do not grow with traffic")
def test_the_purge_removes_what_no_worker_would_take_any_more(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokens.services.purging.BATCH", 2)
    for number in range(5):
        spend(str(number), expires_at=now)
    spend("later", expires_at=now + timedelta(minutes=1))
    assert purge_spent_tokens(now) == 0
    assert purge_spent_tokens(now + timedelta(minutes=5)) == 0, "a worker's clock may be behind"
    assert purge_spent_tokens(now + timedelta(minutes=5, seconds=1)) == 5
    assert not is_spent("0")
    assert is_spent("later")
    assert housekeeping()["spent tokens"](now + timedelta(minutes=7)) == 1
