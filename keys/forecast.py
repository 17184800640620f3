"""What lies ahead of a ring: its row and its keys in, a course, failures and the smallest propagation out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.algorithms import Purpose
from keys.conf import periods
from keys.models import KeyPair, KeyRing
from keys.policy import faults
from keys.selectors import facts_of, policy_of
from keys.simulation import CRON_INTERVAL, Course, PlayedRing, play
from keys.verifier_profiles import VerifierProfile, verifier_profiles
from keys.verifier_trials import Failure, failures, helpless, hurried_course, smallest_propagation

_PAGE_SPAN = timedelta(days=365)
_PAGE_ROTATIONS = 4  # more would leave the past no room


@dataclass(frozen=True, slots=True)
class Forecast:
    """What lies ahead of a ring.

    Attributes:
        course: as cron would take it, were nothing else done.
        scheduled: what would fail on that course.
        forced: what would fail besides, were every takeover as near as the policy allows.
        smallest: the smallest propagation that is safe for the profiles that it can help; None: there is none,
            or no verifier looks at this ring.
        refused: why `rotate_keys` refuses the ring's policy; "" where it doesn't.
    """

    ring: KeyRing
    course: Course
    profiles: Sequence[VerifierProfile]
    scheduled: Sequence[Failure]
    forced: Sequence[Failure]
    smallest: timedelta | None
    refused: str

    @property
    def has_verifiers(self) -> bool:
        """Whether anybody verifies what the ring makes with a JWKS."""
        return self.course.ring.purpose is Purpose.SIGN

    def fails(self, *, counted: Iterable[str]) -> bool:
        """Whether something is wrong that a policy could mend, or one of some verifiers fails.

        Arguments:
            counted: names of profiles whose failures count, whether a propagation helps them or not.
        """
        names = {*counted, *(profile.name for profile in self.profiles if not helpless(profile))}
        return bool(self.refused) or any(failure.verifier in names for failure in (*self.scheduled, *self.forced))


def forecast(
    ring: KeyRing,
    keys: Iterable[KeyPair],
    *,
    now: datetime,
    span: timedelta,
    profiles: Sequence[VerifierProfile],
    every: timedelta = CRON_INTERVAL,
) -> Forecast:
    """Play a ring forward; nothing is changed, and no secret is needed.

    Arguments:
        keys: all keys of the ring; their halves are not looked at.
        now: where it begins, aware.
        span: how far it goes.
        profiles: the verifiers that are tried.
        every: how often `rotate_keys` runs.

    Returns:
        The forecast. A policy that `rotate_keys` refuses is played all the same, and said to be refused.
    """
    facts, retired = [facts_of(key) for key in keys], ring.retired_at is not None
    played = PlayedRing(facts, Purpose(ring.purpose), policy_of(ring), periods(), retired)
    course = play(played, since=now, until=now + span, every=every)
    hurried = hurried_course(played, since=now, every=every)
    helped = [profile for profile in profiles if not helpless(profile)]  # the others fail however long they have
    scheduled = [failure for profile in profiles for failure in failures(course, profile)]
    known = {(failure.verifier, failure.why, failure.signed_at) for failure in scheduled}
    forced = [failure for profile in helped for failure in failures(hurried, profile)]
    return Forecast(
        ring=ring,
        course=course,
        profiles=profiles,
        scheduled=scheduled,
        forced=[failure for failure in forced if (failure.verifier, failure.why, failure.signed_at) not in known],
        smallest=smallest_propagation(played, profiles, every=every) if played.purpose is Purpose.SIGN else None,
        refused=" ".join(faults(played.policy, played.around)),
    )


def foreseen(ring: KeyRing, keys: Iterable[KeyPair], now: datetime) -> Forecast:
    """What the page of a ring shows of its future: a year at most, and no more than a few rotations.

    Arguments:
        keys: all keys of the ring; their halves are not looked at.
        now: where it begins, aware.
    """
    span = min(_PAGE_SPAN, _PAGE_ROTATIONS * ring.rotation_period)
    return forecast(ring, keys, now=now, span=span, profiles=verifier_profiles())
