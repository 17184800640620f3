"""Half a sign-in: what is due, and that it is completed once and by something else than it began with."""

from datetime import datetime, timedelta

import pytest

from accounts.errors import ChallengeOver
from accounts.models import Membership, SignInChallenge, User
from accounts.services.challenges import (
    CHALLENGE_LIFETIME,
    Due,
    begin_challenge,
    complete_challenge,
    due,
    purge_dead_challenges,
)
from accounts.services.sign_in import SignedIn
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.second_factors import add_passkey, give_totp


def begun(person: User, realm: Realm, now: datetime, *methods: str) -> SignInChallenge:
    return begin_challenge(realm=realm, signed_in=SignedIn(person, (), now, methods or ("pwd",)), now=now)


@pytest.mark.spec("design: whoever has a second factor is always asked for it")
def test_what_is_due(ana: User, realm: Realm, now: datetime) -> None:
    half, whole = SignedIn(ana, (), now, ("pwd",)), SignedIn(ana, (), now, ("pop", "user", "mfa"))
    assert due(half, realm=realm) is Due.NOTHING
    realm.require_second_factor = True
    assert due(half, realm=realm) is Due.SET_UP
    assert due(whole, realm=realm) is Due.NOTHING
    realm.require_second_factor = False
    add_passkey(ana, now)
    assert due(half, realm=realm) is Due.SECOND_FACTOR
    assert due(whole, realm=realm) is Due.NOTHING


@pytest.mark.spec("RFC 8176 §2, RFC 9470 §3")
def test_both_parts_together_are_the_sign_in_and_the_first_is_its_time(ana: User, realm: Realm, now: datetime) -> None:
    Membership.objects.update(roles=["editor"])
    give_totp(ana, now)
    signed_in = complete_challenge(begun(ana, realm, now), methods=("otp",), now=now + timedelta(minutes=1))
    assert signed_in == SignedIn(ana, ("editor",), now, ("pwd", "otp", "mfa"))
    event = Event.objects.get(name=EventName.SIGN_IN_SUCCEEDED)
    assert (event.realm, event.target, event.details) == ("default", ana.subject, {"methods": "pwd otp mfa"})


def test_it_completes_once_and_in_time(ana: User, realm: Realm, now: datetime) -> None:
    give_totp(ana, now)
    challenge = begun(ana, realm, now)
    complete_challenge(challenge, methods=("otp",), now=now)
    with pytest.raises(ChallengeOver):
        complete_challenge(challenge, methods=("otp",), now=now)
    with pytest.raises(ChallengeOver):
        complete_challenge(begun(ana, realm, now), methods=("otp",), now=now + CHALLENGE_LIFETIME)


@pytest.mark.parametrize("methods", [("pwd",), ("pop", "user")])
def test_the_same_proof_twice_is_no_second_factor(
    methods: tuple[str, ...], ana: User, realm: Realm, now: datetime
) -> None:
    add_passkey(ana, now)
    challenge = begun(ana, realm, now, *methods)
    with pytest.raises(ChallengeOver):
        complete_challenge(challenge, methods=methods, now=now)
    assert not Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).exists()
    assert complete_challenge(challenge, methods=("otp",), now=now).methods == (*methods, "otp", "mfa")


def test_whoever_is_no_member_any_more_completes_none(ana: User, realm: Realm, now: datetime) -> None:
    give_totp(ana, now)
    challenge = begun(ana, realm, now)
    Membership.objects.all().delete()
    with pytest.raises(ChallengeOver):
        complete_challenge(challenge, methods=("otp",), now=now)


def test_the_purge_removes_those_that_are_over(ana: User, realm: Realm, now: datetime) -> None:
    begun(ana, realm, now)
    begun(ana, realm, now + timedelta(minutes=1))
    assert purge_dead_challenges(now + CHALLENGE_LIFETIME + timedelta(seconds=1)) == 1
    assert SignInChallenge.objects.count() == 1
