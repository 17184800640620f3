"""When a proof has to be given anew before somebody changes how they sign in."""

from datetime import datetime, timedelta

import pytest

from accounts.acr import SECOND_FACTOR
from accounts.models import Passkey, Session, User
from accounts.selectors import LiveSession
from accounts.views.reauthentication import FRESH, is_fresh, lacks_second_factor

pytestmark = pytest.mark.spec("NIST SP 800-63B §7.2")


def live(person: User, *methods: str, at: datetime) -> LiveSession:
    return LiveSession(Session(user=person, auth_time=at, methods=list(methods)), person, ())


def test_a_proof_is_fresh_for_ten_minutes(ana: User, now: datetime) -> None:
    assert is_fresh(live(ana, "pwd", at=now - FRESH), now)
    assert not is_fresh(live(ana, "pwd", at=now - FRESH - timedelta(microseconds=1)), now)


def test_a_second_factor_is_lacking_where_there_is_one_and_the_session_has_none(ana: User, now: datetime) -> None:
    alone, both = live(ana, "pwd", at=now), live(ana, "pwd", "otp", SECOND_FACTOR, at=now)
    assert not lacks_second_factor(alone)
    Passkey.objects.create(user=ana, name="Laptop", credential_id=b"1", credential=b"1", created_at=now)
    assert lacks_second_factor(alone)
    assert not lacks_second_factor(both)
