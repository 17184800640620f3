"""How soon verifiers follow a compromise: profiles and moments in, lengths of time out. Nothing here reads a clock.

Two moments count for each kind of verifier, both at worst, and both counted from the declaration:

- it *drops* the compromised key when the last copy of the JWKS that still holds it has run out. Nothing makes it
  fetch sooner for certain, since whoever forges tokens uses a kid that the copy has;
- it *accepts* the successor once no copy without it is left, or once a token of the successor makes it fetch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.policy import JWKS_REFRESH
from keys.timetable import Timetable
from keys.verifier_profiles import VerifierProfile

NOUGHT = timedelta(0)


@dataclass(frozen=True, slots=True)
class Reaction:
    """How one kind of verifier follows, at worst.

    Attributes:
        profile: the kind.
        drops: how long it may go on accepting the compromised key; None: until it is restarted, or meets a kid
            that its copy lacks if it fetches for one.
        accepts: how long it may refuse the successor's tokens; nought where it knows it; None: until it is restarted.
    """

    profile: VerifierProfile
    drops: timedelta | None
    accepts: timedelta | None

    @property
    def wants_a_restart(self) -> bool:
        """Whether somebody has to restart it, since time alone doesn't help."""
        return self.drops is None or self.accepts is None


def reactions(
    profiles: Iterable[VerifierProfile], *, successor: Timetable | None, declared_at: datetime
) -> tuple[Reaction, ...]:
    """How each kind of verifier follows a compromise that is declared at a moment.

    The workers show a change of the JWKS `JWKS_REFRESH` after it at the latest, while they reach the database. Caches
    between them and a verifier come on top, with the max-age of the JWKS at most.

    Arguments:
        profiles: the kinds.
        successor: the timetable of the key that signs next, as it is before or after the declaration; None where it
            has yet to be made, which follows at once.
        declared_at: the moment, aware.
    """
    return tuple(
        Reaction(profile, _drops(profile), _accepts(profile, successor=successor, declared_at=declared_at))
        for profile in profiles
    )


def _drops(profile: VerifierProfile) -> timedelta | None:
    """The worst copy was fetched just before the workers stopped to show the key."""
    return None if profile.keeps is None else JWKS_REFRESH + profile.keeps


def _accepts(profile: VerifierProfile, *, successor: Timetable | None, declared_at: datetime) -> timedelta | None:
    """The worst copy was fetched just before the workers began to show the successor."""
    if successor is not None and successor.activates_at < declared_at:
        return NOUGHT  # it signs already: nothing changes for those who verify
    ways = [] if profile.keeps is None else [profile.keeps]
    if profile.refetches:
        ways.append(profile.cooldown)
    if not ways:
        return None
    published_at = declared_at if successor is None else successor.published_at
    return max(NOUGHT, published_at + JWKS_REFRESH + min(ways) - declared_at)
