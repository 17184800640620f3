"""A fleet of workers and verifiers around one ring, which holds the invariant of keys.md against its history.

The history is what the rows said at which time. A worker signs with rows as old as the signer's TTL and
with a clock that is off by the skew; a verifier holds a JWKS that a worker served it from a memory as old
as the outage that workers bridge, kept for the JWKS's max-age. Besides, an ideal verifier holds what the
rows said exactly N ago.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product

from keys.errors import LifetimeTooLong
from keys.models import KeyPair
from keys.policy import KeyPolicy, Periods
from keys.selectors import timetable_of
from keys.signer import check_lifetime
from keys.timetable import KeyState, Timetable, is_published, signing_key, state_at

NOUGHT = timedelta(0)
TICK = timedelta(microseconds=1)
FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was at a moment."""

    key: KeyPair
    kid: str
    times: Timetable
    usable: bool
    """Whether a worker loads it: neither compromised nor wiped."""


Rows = Sequence[Row]


class InvariantBrokenError(Exception):
    """Something that must never happen did."""


@dataclass(frozen=True, slots=True)
class Token:
    """Who signed, when it really was, the expiry by the worker's clock, and whether that clock was right."""

    kid: str
    signed_at: datetime
    expires_at: datetime
    ideal: bool


@dataclass(slots=True)
class Fleet:
    """What the rows of a ring said over time, and the verifiers' bounds.

    Attributes:
        around, policy: the periods and the lengths that all policies of the ring share.
        propagation: N, as the verifiers rely on it.
        history: from when on the rows said what; in order.
        hasty: kids that signed before they had propagated, rightly: first keys and successors of a
            compromised one.
        idle: spans during which the ring had no trusted key, from the compromise to the next rotation.
        resting: spans during which the ring was retired: nobody has to sign, but whoever still does must be
            verified.
    """

    around: Periods
    policy: KeyPolicy
    propagation: timedelta
    history: list[tuple[datetime, Rows]] = field(default_factory=list)
    hasty: set[str] = field(default_factory=set)
    idle: list[tuple[datetime, datetime]] = field(default_factory=list)
    resting: list[tuple[datetime, datetime]] = field(default_factory=list)
    _since: list[datetime] = field(default_factory=list)
    _distrusted: dict[str, datetime] = field(default_factory=dict)

    def see(self, moment: datetime, rows: Sequence[KeyPair]) -> None:
        """Note what the rows say from a moment on."""
        self._since.append(moment)
        self.history.append((moment, [_row(key) for key in rows]))
        for key in rows:
            if key.compromised_at is not None:
                self._distrusted.setdefault(key.kid, moment)

    def check(self, until: datetime) -> None:
        """Hold the invariant over the whole history, and after its last entry until a moment.

        Raises:
            InvariantBrokenError: it doesn't hold; the message says where.
        """
        moments = self._telling_moments(until)
        for moment in moments:
            self._one_signer(moment)
            for token in self._tokens(moment):
                self._verify(token, moments)

    def _rows_at(self, moment: datetime) -> Rows:
        place = bisect_right(self._since, moment)
        return self.history[place - 1][1] if place else ()

    def _telling_moments(self, until: datetime) -> list[datetime]:
        """Every moment at which something changes, and the ones just beside it."""
        start = self.history[0][0]
        edges = {since for since, _ in self.history} | {until}
        for _, rows in self.history:
            for row in rows:
                edges |= {row.times.activates_at, row.times.deactivates_at or start, row.times.unpublishes_at or start}
        skew, ttl = self.policy.clock_skew, self.around.signer_ttl
        beside = (NOUGHT, -TICK, ttl, ttl - TICK, -skew, skew)
        return sorted({edge + shift for edge in edges for shift in beside if start <= edge + shift <= until})

    def _one_signer(self, moment: datetime) -> None:
        if [state_at(row.times, moment) for row in self._rows_at(moment)].count(KeyState.ACTIVE) > 1:
            raise InvariantBrokenError(f"two signers at {moment}")

    def _tokens(self, moment: datetime) -> Iterator[Token]:
        """What the workers sign at a moment; every one of them must be able to."""
        ttl, skew = self.around.signer_ttl, self.policy.clock_skew
        if any(since <= moment <= until + ttl for since, until in self.idle):
            return
        for age in (NOUGHT, ttl):
            if moment - age < self._since[0]:
                continue
            usable = [row for row in self._rows_at(moment - age) if row.usable]
            for drift in (-skew, NOUGHT, skew):
                token = self._sign(usable, moment, drift=drift, ideal=not age and not drift)
                if token is not None:
                    yield token

    def _rests(self, moment: datetime) -> bool:
        ttl, skew = self.around.signer_ttl, self.policy.clock_skew
        return any(since - skew <= moment and moment - ttl <= until for since, until in self.resting)

    def _sign(self, rows: Rows, moment: datetime, *, drift: timedelta, ideal: bool) -> Token | None:
        """The longest token that a worker signs; None where the ring is retired."""
        clock = moment + drift
        kid = signing_key([(row.kid, row.times) for row in rows], clock, skew=self.policy.clock_skew)
        if kid is None and self._rests(moment):
            return None
        if kid is None:
            raise InvariantBrokenError(f"nobody signs at {moment} by a clock that says {clock}")
        key = next(row.key for row in rows if row.kid == kid)
        try:
            check_lifetime(key, expires_at=clock + key.max_lifetime, now=clock)
        except LifetimeTooLong as error:
            raise InvariantBrokenError(f"{kid} may not sign for {key.max_lifetime} at {moment}") from error
        return Token(kid, moment, clock + key.max_lifetime, ideal)

    def _verify(self, token: Token, moments: Sequence[datetime]) -> None:
        """Every verifier that would accept the token's dates has its key."""
        skew = self.policy.clock_skew
        last = token.expires_at + self.policy.verifier_leeway + skew - TICK
        watched = moments[bisect_left(moments, token.signed_at) : bisect_left(moments, last)]
        until = self._distrusted.get(token.kid, FAR)
        for moment in (token.signed_at, last, *watched[:: max(1, len(watched) // 4)]):
            if moment >= until:
                continue
            if token.ideal and moment < token.expires_at:
                self._find(token, moment, copied=moment - self.propagation)
            copied = moment - self.around.jwks_max_age
            for memory, drift in product((NOUGHT, self.around.jwks_outage), (-skew, skew)):
                self._find(token, moment, copied=copied, memory=memory, drift=drift)

    def _find(
        self,
        token: Token,
        moment: datetime,
        *,
        copied: datetime,
        memory: timedelta = NOUGHT,
        drift: timedelta = NOUGHT,
    ) -> None:
        """The key is in the JWKS that a verifier got at `copied` from a worker with such a memory and clock."""
        if copied - memory < self._since[0]:
            return  # nothing was published then: a first key is exempt
        row = next((row for row in self._rows_at(copied - memory) if row.kid == token.kid), None)
        skew = self.policy.clock_skew if drift else NOUGHT
        if row is not None and is_published(row.times, copied + drift, skew=skew):
            return
        if token.kid in self.hasty and (row is None or copied + drift < row.times.published_at):
            return
        raise InvariantBrokenError(
            f"a token of {token.kid}, signed at {token.signed_at}, is refused at {moment} by a verifier whose "
            f"copy is of {copied}"
        )


def _row(key: KeyPair) -> Row:
    usable = key.compromised_at is None and key.destroyed_at is None
    return Row(key, key.kid, timetable_of(key), usable)
