"""An operator takes a person's second factors away: all of them, with what was got by them."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Passkey, RecoveryCode, Session, SignInChallenge, TotpSecret, User
from accounts.selectors import live_session
from accounts.selectors.factors import factors_of
from accounts.services.challenges import begin_challenge
from accounts.services.factor_reset import reset_factors
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.accounts.authenticator import Authenticator, enrol
from tests.provider import make_person
from tests.second_factors import codes_of
from tests.tokens.grants import begin, refused

pytestmark = pytest.mark.spec("issue: operators reset second factors, with a reason")


def reset(person: User, now: datetime) -> None:
    reset_factors(person, actor="user:op", reason="The telephone is lost.", now=now)


def test_nothing_is_left_to_prove_but_the_password(ana: User, realm: Realm, now: datetime) -> None:
    codes_of(ana, now)
    enrol(Authenticator(), ana)
    begin_challenge(realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), now=now)
    reset(ana, now)
    assert not factors_of(ana).any
    for model in (TotpSecret, RecoveryCode, Passkey, SignInChallenge):
        assert not model.objects.exists()


def test_what_others_have_stays(ana: User, realm: Realm, now: datetime) -> None:
    ben = make_person("ben", realm=realm)
    codes_of(ben, now)
    session = begin_session(realm=realm, signed_in=SignedIn(ben, (), now, ("pwd",)), now=now)
    reset(ana, now)
    assert factors_of(ben).recovery_codes == 10
    assert live_session(session.sid, realm=realm, now=now) is not None


def test_sessions_and_grants_end(ana: User, realm: Realm, now: datetime) -> None:
    session = begin_session(realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), now=now)
    _authorization, token = begin(realm, ana, now)
    later = now + timedelta(seconds=1)
    reset(ana, later)
    assert Session.objects.get(pk=session.pk).ended_at == later
    assert refused(token, realm, later)


def test_the_event_says_what_there_was_and_why(ana: User, now: datetime) -> None:
    codes_of(ana, now)
    reset(ana, now)
    event = Event.objects.get(name=EventName.FACTORS_RESET)
    assert (event.target, event.actor, event.reason) == (ana.subject, "user:op", "The telephone is lost.")
    assert event.details == {"totp": True, "passkeys": 0, "recovery_codes": 10}
