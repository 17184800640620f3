"""Ending grants, and removing those that ended long ago."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from audit.models import Event
from keys.hooks import housekeeping, impact_of_compromise
from realms.models import Realm
from tests.tokens.grants import begin
from tokens.models import Grant
from tokens.services.revocation import end_grant, purge_dead_grants
from tokens.vocabulary import RevocationReason


def test_of_several_ends_one_counts_and_leaves_an_event(realm: Realm, ana: User, now: datetime) -> None:
    begin(realm, ana, now)
    grant = Grant.objects.get()
    ends = [
        end_grant(grant=grant, realm=realm, reason=RevocationReason.LOGOUT, actor=ana.subject, now=now)
        for _ in range(3)
    ]
    assert ends == [True, False, False]
    assert Event.objects.filter(target=str(grant.pk)).count() == 1


@pytest.mark.spec("design: product.md, tables that do not grow with traffic")
def test_the_purge_removes_what_ended_a_week_ago_and_nothing_else(
    realm: Realm, ana: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokens.services.purging.BATCH", 2)
    for _ in range(5):
        begin(realm, ana, now)
    revoked, other = Grant.objects.all()[:2]
    end_grant(grant=revoked, realm=realm, reason=RevocationReason.LOGOUT, actor="", now=now)
    end_grant(grant=other, realm=realm, reason=RevocationReason.REUSE, actor="", now=now + timedelta(days=2))
    week = timedelta(days=7, seconds=1)
    assert purge_dead_grants(now) == 0
    assert purge_dead_grants(now + week) == 1
    assert not Grant.objects.filter(pk=revoked.pk).exists()
    assert purge_dead_grants(now + timedelta(days=30) + week) == 4


def test_a_rotation_of_keys_cleans_up_and_a_compromise_knows_what_it_hits(
    realm: Realm, ana: User, now: datetime
) -> None:
    begin(realm, ana, now)
    assert housekeeping()["dead grants"](now) == 0
    assert housekeeping()["attempt budgets"](now) == 0
    assert impact_of_compromise(realm.pk, now) == {"live grants": 1, "clients": 1}
