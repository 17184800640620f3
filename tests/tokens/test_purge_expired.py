"""`purge_expired`, and what the housekeeping of people and tokens removes."""

from datetime import datetime, timedelta

import pytest
from django.contrib.sessions.models import Session as CookieSession
from django.core.management import call_command
from django.db import DatabaseError

from accounts.models import Session, User
from accounts.selectors import SESSION_LIFETIME
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from keys import hooks
from realms.models import Realm
from tokens.services.spent_tokens import is_spent, spend

pytestmark = pytest.mark.spec("issue: purge_expired removes what is dead, in small batches")
WEEK = timedelta(days=7)


def test_what_is_dead_goes_and_what_lives_stays(
    realm: Realm, ana: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    for age in (SESSION_LIFETIME + WEEK + timedelta(minutes=1), SESSION_LIFETIME, timedelta(0)):
        proof = SignedIn(ana, (), now - age, ("pwd",))
        begin_session(realm=realm, signed_in=proof, now=now - age)
    for days in (-1, 1):
        CookieSession.objects.create(session_key=f"k{days}", expire_date=now + timedelta(days=days))
    spend("old", expires_at=now - timedelta(minutes=6))
    spend("new", expires_at=now + timedelta(minutes=5))
    call_command("purge_expired")
    assert Session.objects.count() == 2
    assert CookieSession.objects.get().session_key == "k1"
    assert (is_spent("old"), is_spent("new")) == (False, True)
    said = capsys.readouterr().out
    assert "dead sessions: 1" in said
    assert "spent tokens: 1" in said


def test_a_chore_that_fails_stops_no_other(
    db: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumble(_now: datetime) -> int:
        raise DatabaseError("gone")

    monkeypatch.setattr(hooks._hooks, "housekeeping", {"first": stumble, "second": lambda _now: 3})
    with pytest.raises(SystemExit) as end:
        call_command("purge_expired")
    assert end.value.code == 1
    assert capsys.readouterr().out.splitlines() == ["first: FAILED: gone", "second: 3"]
