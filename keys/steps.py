"""What a plan consists of: one small value a change of a ring's keys. Who makes plans: `keys.planning`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.timetable import Timetable


@dataclass(frozen=True, slots=True)
class Mint:
    """Make a key with this timetable."""

    times: Timetable
    max_lifetime: timedelta


@dataclass(frozen=True, slots=True)
class SetStart:
    """Move the moment at which a waiting key takes over."""

    kid: str
    activates_at: datetime


@dataclass(frozen=True, slots=True)
class SetEnd:
    """Set the moments at which a signing key stops to sign and leaves the JWKS."""

    kid: str
    deactivates_at: datetime
    unpublishes_at: datetime


@dataclass(frozen=True, slots=True)
class Reopen:
    """Take back the end of the signing key: its successor is gone."""

    kid: str


@dataclass(frozen=True, slots=True)
class RaiseLifetime:
    """Let a key sign for longer; its end moves in the same transaction."""

    kid: str
    max_lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Wipe:
    """Destroy a private half that nothing needs any more."""

    kid: str


@dataclass(frozen=True, slots=True)
class Condemn:
    """Declare a key compromised, and destroy its private half."""

    kid: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Set the end of a retired ring's last signing key: nobody relieves it."""

    kid: str
    deactivates_at: datetime
    unpublishes_at: datetime


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take back a waiting key of a retired ring, and destroy its private half: it never signs."""

    kid: str


Step = Mint | SetStart | SetEnd | Reopen | RaiseLifetime | Wipe | Condemn | Finish | Withdraw
