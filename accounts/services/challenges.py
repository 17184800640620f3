"""Half a sign-in: what is due after the first proof, and the second that completes it, once."""

from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction

from accounts.acr import SECOND_FACTOR, joined
from accounts.errors import ChallengeOver
from accounts.models import Membership, SignInChallenge
from accounts.selectors.factors import factors_of, is_whole
from accounts.services.personal import personal_key
from accounts.services.presence import noticing_deletion
from accounts.services.sign_in import SignedIn, record_proof
from accounts.whereabouts import NOWHERE, Whereabouts
from realms.models import Realm

CHALLENGE_LIFETIME = timedelta(minutes=10)  # long enough to find the telephone and to set an app up
_BATCH = 500


class Due(StrEnum):
    """What somebody has to do yet before they are signed in."""

    NOTHING = "nothing"
    SECOND_FACTOR = "second_factor"
    SET_UP = "set_up"  # the realm wants a second factor, and they have none


def due(signed_in: SignedIn, *, realm: Realm) -> Due:
    """What is due after a proof. Whoever has a second factor is always asked for it.

    Arguments:
        realm: which may demand one of everybody.
    """
    if SECOND_FACTOR in signed_in.methods:
        return Due.NOTHING
    if factors_of(signed_in.person).any:
        return Due.SECOND_FACTOR
    return Due.SET_UP if realm.require_second_factor else Due.NOTHING


def begin_challenge(*, realm: Realm, signed_in: SignedIn, now: datetime) -> SignInChallenge:
    """Remember the first proof until the second comes.

    Arguments:
        realm: where they sign in.
        signed_in: the first proof.
        now: aware time.

    Raises:
        PersonGone: they were deleted since the proof.
    """
    with noticing_deletion(signed_in.person):
        return SignInChallenge.objects.create(
            user=signed_in.person,
            realm=realm,
            methods=list(signed_in.methods),
            proved_at=signed_in.at,
            expires_at=now + CHALLENGE_LIFETIME,
        )


def complete_challenge(
    challenge: SignInChallenge, *, methods: tuple[str, ...], now: datetime, whereabouts: Whereabouts = NOWHERE
) -> SignedIn:
    """Take a second proof for the whole sign-in; of several at once, one does.

    Arguments:
        challenge: a standing one.
        methods: how the second was proved.
        now: aware time of the second proof.
        whereabouts: where the person was, for the audit.

    Raises:
        ChallengeOver: it was completed, or has ended; or both proofs together are no second factor yet.
    """
    proved = joined(tuple(challenge.methods), methods)
    with transaction.atomic():
        taken = SignInChallenge.objects.filter(pk=challenge.pk, completed_at__isnull=True, expires_at__gt=now)
        if not taken.update(completed_at=now):
            raise ChallengeOver("The sign-in took too long.")
        membership = Membership.objects.filter(user=challenge.user, realm=challenge.realm).first()
        if membership is None:
            raise ChallengeOver("The person is no member any more.")
        if not is_whole(proved, person=challenge.user, realm=challenge.realm):  # the same thing twice, say
            raise ChallengeOver("The second proof adds nothing to the first.")
        record_proof(
            challenge.user,
            proved,
            realm=challenge.realm,
            now=now,
            whereabouts=whereabouts,
            sealed_key=personal_key(challenge.user, now=now),
        )
    return SignedIn(challenge.user, tuple(membership.roles), challenge.proved_at, proved)


def purge_dead_challenges(now: datetime) -> int:
    """Delete the halves that are over, in small batches.

    Returns:
        How many were deleted.
    """
    deleted = 0
    while True:
        keys = list(SignInChallenge.objects.filter(expires_at__lt=now).values_list("pk", flat=True)[:_BATCH])
        batch, _by_model = SignInChallenge.objects.filter(pk__in=keys).delete()
        deleted += batch
        if len(keys) < _BATCH:
            return deleted
