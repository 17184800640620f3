"""Rules that are wrong on purpose: what the proofs must find, or they prove nothing."""

from datetime import datetime, timedelta

from keys.planning import KeyFacts
from keys.policy import KeyPolicy
from keys.steps import Mint, SetEnd
from keys.timetable import Timetable
from tests.keys.model.rules import AROUND


def no_time(*_: object) -> timedelta:
    return timedelta(0)


def published_only_while_it_signs(times: Timetable, now: datetime, *, skew: timedelta) -> bool:
    end = times.deactivates_at
    return times.compromised_at is None and now + skew >= times.published_at and (end is None or now < end)


def minted_when_it_is_needed(
    waiting: KeyFacts, policy: KeyPolicy, now: datetime, *_wait: object, force: bool
) -> tuple[Mint, SetEnd]:
    takeover = now + policy.lead(AROUND.signer_ttl)
    end = SetEnd(waiting.kid, takeover, takeover + policy.retention(waiting.max_lifetime))
    return Mint(Timetable(now, takeover), policy.max_token_lifetime), end
