"""What becomes of a refresh token that is not the grant's newest (RFC 9700 §4.14.2): decided purely."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

GRACE = timedelta(seconds=10)  # from the rotation; a hit doesn't extend it


class Verdict(StrEnum):
    """What to do with a handle whose tag is right but which rotated nothing."""

    SAME_SUCCESSOR = "same_successor"  # a lost answer, or two tabs
    REFUSE = "refuse"
    REUSE = "reuse"  # somebody kept an old one: end the grant
    AHEAD = "ahead"  # a failover lost a write: end the grant


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """What the decision has to know of a grant's row.

    Attributes:
        generation: of the row.
        rotated_at: of its last rotation.
        idle_expires_at, absolute_expires_at: when it ends.
        revoked: whether it was ended.
        usable: whether client, person and membership still stand.
    """

    generation: int
    rotated_at: datetime
    idle_expires_at: datetime
    absolute_expires_at: datetime
    revoked: bool
    usable: bool


def verdict(grant: GrantFacts, *, presented: int, now: datetime) -> Verdict:
    """What a handle of some generation deserves.

    A grant that has ended stays as it is: there is nothing left to protect.

    Arguments:
        presented: the generation that the handle names.
        now: aware.
    """
    if grant.revoked or now >= min(grant.idle_expires_at, grant.absolute_expires_at):
        return Verdict.REFUSE
    if presented > grant.generation:
        return Verdict.AHEAD
    if presented == grant.generation:
        return Verdict.REFUSE  # the newest, and yet it rotated nothing: the person or the client is out
    if now - grant.rotated_at > GRACE:
        return Verdict.REUSE
    if presented == grant.generation - 1 and grant.usable:
        return Verdict.SAME_SUCCESSOR
    return Verdict.REFUSE
