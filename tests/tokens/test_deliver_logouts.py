"""`manage.py deliver_logouts`."""

from datetime import datetime

import pytest
from django.core.management import call_command

from accounts.models import User
from realms.models import Realm
from tests.relying_party import relying_party
from tests.tokens.logouts import one_logout

pytestmark = pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5")


def test_what_is_due_is_delivered(realm: Realm, ana: User, now: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    with relying_party() as party:
        one_logout(ana, realm, now, uri=party.uri)
        call_command("deliver_logouts")
        call_command("deliver_logouts")
    assert len(party.taken) == 1
    first, again = capsys.readouterr().out.split("given up: 0\n")[:2]
    assert first == "waiting: 0\ndelivered: 1\n"
    assert again == "waiting: 0\ndelivered: 0\n"


def test_what_fails_is_told_by_the_exit_code(
    realm: Realm, ana: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    with relying_party() as party:
        party.statuses = [500]
        one_logout(ana, realm, now, uri=party.uri)
        with pytest.raises(SystemExit) as end:
            call_command("deliver_logouts")
    assert end.value.code == 1
    assert "waiting: 1" in capsys.readouterr().out
