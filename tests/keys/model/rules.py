"""The real planner and the real pure functions, asked in ticks. No rule of Signet is written here again.

`Rules` remembers what it was told, since a search asks the same thing very often.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

from keys import planning, policy, signer, timetable
from keys.algorithms import Purpose
from keys.models import KeyPair, KeyRing
from keys.planning import KeyFacts
from keys.policy import JWKS_REFRESH, KeyPolicy, Periods
from keys.steps import Step
from keys.timetable import KeyState, Timetable
from tests.keys.model.world import KEYS, Copy, Row, Rows

Answer = TypeVar("Answer")
MOST_ANSWERS = 200_000
TICK = timedelta(seconds=2.5)
PRESENT = datetime(2026, 1, 15, 12, tzinfo=UTC)
AROUND = Periods(signer_ttl=2 * TICK, jwks_max_age=TICK, jwks_outage=2 * TICK)
# The shortest lengths that `faults` lets pass: every tick in them is needed.
POLICY = KeyPolicy(
    rotation_period=12 * TICK,
    propagation=9 * TICK,
    max_token_lifetime=2 * TICK,
    clock_skew=TICK,
    verifier_leeway=TICK,
)
LONGER = replace(POLICY, rotation_period=16 * TICK, propagation=10 * TICK, max_token_lifetime=5 * TICK)
SHORTER = replace(POLICY, max_token_lifetime=TICK)
POLICIES = (POLICY, LONGER, SHORTER)


def moment(tick: int) -> datetime:
    """A tick as a time of the calendar."""
    return PRESENT + tick * TICK


def tick_of(when: datetime) -> int:
    """A time of the calendar as a tick."""
    return ticks(when - PRESENT)


def ticks(length: timedelta) -> int:
    """A length of time in ticks; every length of the model is a whole number of them."""
    whole, rest = divmod(length, TICK)
    assert not rest, f"{length} is no whole number of ticks"
    return whole


def _maybe(tick: int | None) -> datetime | None:
    return None if tick is None else moment(tick)


def times_of(row: Row) -> Timetable:
    """A row's timetable as the rules read it."""
    return Timetable(
        moment(row.published),
        moment(row.activates),
        _maybe(row.deactivates),
        _maybe(row.unpublishes),
        _maybe(row.condemned),
    )


def facts_of(row: Row) -> KeyFacts:
    """A row as the planner reads it."""
    return KeyFacts(str(row.kid), times_of(row), row.lifetime * TICK, row.private)


def plan(rows: Rows, held: KeyPolicy, around: Periods, *, force: bool) -> tuple[Step, ...]:
    """What the real planner wants at the present moment: the one place that calls it."""
    facts = [facts_of(row) for row in rows]
    return planning.plan_rotation(facts, purpose=Purpose.SIGN, policy=held, around=around, now=PRESENT, force=force)


def told_once(rule: Callable[..., Answer]) -> Callable[..., Answer]:
    """Remember what a method of `Rules`, or a function whose first argument they are, has said."""

    @wraps(rule)
    def told(rules: "Rules", *asked: Hashable, **named: Hashable) -> Answer:
        question = (rule, asked, *named.values())
        try:
            answer: Answer = rules.answers[question]
        except KeyError:
            if len(rules.answers) > MOST_ANSWERS:
                rules.answers.clear()
            answer = rules.answers[question] = rule(rules, *asked, **named)
        return answer

    return told


class Rules:
    """What the real rules say of rows at the present moment.

    Arguments:
        policies: the policies that the ring may have; all share their skew and their leeway.
        around: the process's periods.
        keys: how many keys there may be at a time; a plan that would make more of them isn't carried out.
        memory: for how long workers sign from memory; the signer's TTL unless a worker is to be broken.
    """

    def __init__(
        self,
        policies: tuple[KeyPolicy, ...] = POLICIES,
        around: Periods = AROUND,
        *,
        keys: int = KEYS,
        memory: timedelta | None = None,
    ) -> None:
        self.policies, self.around, self.keys = policies, around, keys
        self.skew = ticks(policies[0].clock_skew)
        self.leeway = ticks(policies[0].verifier_leeway)
        self.propagation = ticks(min(held.propagation for held in policies))
        self.signing_memory = ticks(memory if memory is not None else around.signer_ttl)
        self.serving_memory = ticks(max(around.jwks_outage, JWKS_REFRESH))
        self.max_age = ticks(around.jwks_max_age)
        self.longest_copy = ticks(max(held.propagation for held in policies))
        self.long_ago = -ticks(max(held.rotation_period for held in policies))
        self.ended = -(self.signing_memory + 2 * self.skew)
        self.drifts = (-self.skew, 0, self.skew)
        self.answers: dict[Hashable, Any] = {}

    def faults(self) -> list[str]:
        """What the real rules have against the policies."""
        return [fault for held in self.policies for fault in policy.faults(held, self.around)]

    @told_once
    def steps(self, rows: Rows, held: int, *, force: bool) -> tuple[Step, ...]:
        """What a rotation would do now."""
        return plan(rows, self.policies[held], self.around, force=force)

    def losses(self, rows: Rows, kids: Iterable[int]) -> tuple[Step, ...]:
        """What a compromise of these keys would do now."""
        return planning.plan_compromise([facts_of(row) for row in rows], [str(kid) for kid in kids], PRESENT)

    def active(self, rows: Rows) -> list[int]:
        """Which keys sign now by the rows and the right time."""
        return [row.kid for row in rows if timetable.state_at(times_of(row), PRESENT) is KeyState.ACTIVE]

    @told_once
    def signer(self, rows: Rows, drift: int) -> int | None:
        """Which key a worker signs with whose memory says this, and whose clock is off by so much."""
        usable = [(str(row.kid), times_of(row)) for row in rows if row.trusted and row.private]
        kid = timetable.signing_key(usable, moment(drift), skew=self.skew * TICK)
        if kid is None:
            return None
        self._check_lifetime(next(row for row in rows if str(row.kid) == kid), drift)
        return int(kid)

    def _check_lifetime(self, row: Row, drift: int) -> None:
        """Raises LifetimeTooLong where the key may not sign for as long as its row says."""
        key = KeyPair(kid=str(row.kid), max_lifetime=row.lifetime * TICK, unpublishes_at=_maybe(row.unpublishes))
        key.ring = KeyRing(clock_skew=self.skew * TICK)
        signer.check_lifetime(key, expires_at=moment(drift + row.lifetime), now=moment(drift))

    @told_once
    def jwks(self, rows: Rows, drift: int) -> Copy:
        """What a worker serves whose memory says this, and whose clock is off by so much."""
        skew, clock = self.skew * TICK, moment(drift)
        held = frozenset(row.kid for row in rows if timetable.is_published(times_of(row), clock, skew=skew))
        late = frozenset(row.kid for row in rows if row.published <= drift + self.skew)
        return Copy(held, late - held)
