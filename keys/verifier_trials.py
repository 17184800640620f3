"""Which tokens a verifier would refuse, although they are good: a course of a ring and a profile in, failures out.

Everything is by the database's clock, and the worst that the periods allow is taken for granted. A worker
whose clock is ahead signs a skew before `activates_at`. A fetched JWKS is as old as the process's periods let
it be: max-age, outage, a worker's memory (`Periods.least_propagation`). The verifier fetched at the worst
moment of its cache.

Where the verifier accepts more than it should, a key that is unpublished say, nothing fails. Neither is a
token of a compromised key counted, which is to be refused, nor a key that was withdrawn before it signed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from keys.algorithms import Purpose
from keys.planning import KeyFacts
from keys.policy import KeyPolicy
from keys.simulation import CRON_INTERVAL, Course, PlayedRing, play
from keys.timetable import is_trusted
from keys.verifier_profiles import VerifierProfile

STEP = timedelta(seconds=1)  # in which the smallest propagation is looked for
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # the span from one moment to another is the same on all


class Why(StrEnum):
    """Why a good token is refused."""

    UNKNOWN_YET = "unknown yet"  # its key is not in the verifier's copy
    UNPUBLISHED = "unpublished"  # its key has left the JWKS before the token expired


@dataclass(frozen=True, slots=True)
class Failure:
    """A token that a verifier may refuse, and when.

    Attributes:
        verifier: the profile's name.
        kid: the key that signed the token.
        signed_at: when the first such token is signed, by the database's clock.
        since: from here on it may be refused.
        until: from here on no more; None: until the verifier starts again.
    """

    verifier: str
    kid: str
    why: Why
    signed_at: datetime
    since: datetime
    until: datetime | None


def helpless(profile: VerifierProfile) -> bool:
    """Whether no propagation helps: the verifier never fetches again."""
    return blind_for(profile) is None


def blind_for(profile: VerifierProfile) -> timedelta | None:
    """For how long after a fetch a verifier can't learn of a key, at worst; None: for ever.

    One that fetches for an unknown kid is blind only while it is not allowed to, or keeps its copy.
    """
    if not profile.refetches:
        return profile.keeps
    return profile.cooldown if profile.keeps is None else min(profile.cooldown, profile.keeps)


def failures(course: Course, profile: VerifierProfile) -> list[Failure]:
    """Every token of a course that a verifier may refuse, one a key and reason, in the order of the keys.

    The ring's very first key is passed over: nobody can hold an older copy of a ring that was not there.
    A ring whose keys nobody verifies with a JWKS has none.
    """
    if course.ring.purpose is not Purpose.SIGN:
        return []
    first = min(course.keys, key=lambda key: (key.times.published_at, key.times.activates_at), default=None)
    found = []
    for key in course.keys:
        if not is_trusted(key.times):
            continue  # what is compromised or withdrawn signs nothing
        if key is not first and (failure := _unknown_yet(key, course, profile)):
            found.append(failure)
        if failure := _unpublished(key, course.ring.policy, profile):
            found.append(failure)
    return [failure for failure in found if _falls_into(failure, course)]


def _unknown_yet(key: KeyFacts, course: Course, profile: VerifierProfile) -> Failure | None:
    policy, blind = course.ring.policy, blind_for(profile)
    signed_at = key.times.activates_at - policy.clock_skew
    if blind is None:
        return Failure(profile.name, key.kid, Why.UNKNOWN_YET, signed_at, signed_at, None)
    # least_propagation holds two skews: the one by which the worker signed early is in signed_at already.
    way = course.ring.around.least_propagation(policy.clock_skew) - policy.clock_skew
    known = key.times.published_at + way + blind
    if (expires := _last_use(key, policy)) is not None:
        known = min(known, expires)
    if known <= signed_at:
        return None
    return Failure(profile.name, key.kid, Why.UNKNOWN_YET, signed_at, signed_at, known)


def _unpublished(key: KeyFacts, policy: KeyPolicy, profile: VerifierProfile) -> Failure | None:
    times, expires = key.times, _last_use(key, policy)
    if times.deactivates_at is None or times.unpublishes_at is None or expires is None:
        return None
    gone = times.unpublishes_at - policy.clock_skew  # by the worker whose clock is ahead
    if expires <= gone:
        return None
    return Failure(profile.name, key.kid, Why.UNPUBLISHED, times.deactivates_at, gone, expires)


def _last_use(key: KeyFacts, policy: KeyPolicy) -> datetime | None:
    """Until when a verifier whose clock lags accepts the last token that a key signed."""
    if key.times.deactivates_at is None:
        return None
    return key.times.deactivates_at + key.max_lifetime + policy.verifier_leeway + policy.clock_skew


def _falls_into(failure: Failure, course: Course) -> bool:
    """Whether it is of this span; what never ends is of the span in which it began."""
    ends = failure.until if failure.until is not None else failure.since
    return failure.since <= course.until and ends >= course.since


def hurried_course(ring: PlayedRing, *, since: datetime, every: timedelta = CRON_INTERVAL) -> Course:
    """A few takeovers, each as near as the policy allows: what a forced rotation, or a late cron, leads to."""
    until = since + 3 * ring.policy.propagation + 4 * every
    return play(ring, since=since, until=until, every=every, hurried=True)


def smallest_propagation(
    ring: PlayedRing, profiles: Iterable[VerifierProfile], *, every: timedelta = CRON_INTERVAL
) -> timedelta | None:
    """The smallest propagation, in whole seconds, with which none of some verifiers refuses a good token.

    It is found by playing: hurried rotations of a ring with this policy and no past.

    Arguments:
        profiles: those that no propagation helps are passed over.
        every: how long it is from one run of cron to the next.

    Returns:
        None, where even the longest propagation that fits into the rotation period is too short.
    """
    chosen = [profile for profile in profiles if not helpless(profile)]
    lead = ring.policy.lead(ring.around.signer_ttl)
    longest = (ring.policy.rotation_period - lead) // STEP

    def is_safe(count: int) -> bool:
        policy = replace(ring.policy, propagation=count * STEP)
        course = hurried_course(replace(ring, keys=(), policy=policy, retired=False), since=_ANY_DAY, every=every)
        return count * STEP >= least and not _any_fails(course, chosen)

    least = ring.around.least_propagation(ring.policy.clock_skew)  # what rotate_keys asks for in any case
    too_short, enough = 0, max(longest, 0)
    if not enough or not is_safe(enough):
        return None
    while enough - too_short > 1:
        middle = (too_short + enough) // 2
        too_short, enough = (too_short, middle) if is_safe(middle) else (middle, enough)
    return enough * STEP


def _any_fails(course: Course, profiles: Sequence[VerifierProfile]) -> bool:
    return any(failures(course, profile) for profile in profiles)
