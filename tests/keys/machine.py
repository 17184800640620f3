"""A ring, three workers and two verifiers over the real services and the database, driven by hypothesis.

The workers are the real memories (`Signer`, `PublishedSets`), each with a clock that may be off. After every rule
all workers sign by every clock within the skew, and both verifiers hold their copies against all that is out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import jwt
from django.conf import settings
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from keys import jose
from keys.algorithms import Purpose
from keys.conf import periods
from keys.errors import NoSigningKey, PublishedSetUnavailable
from keys.models import KeyPair
from keys.planning import succession
from keys.policy import JWKS_REFRESH, KeyPolicy
from keys.published_set import PublishedSet, PublishedSets
from keys.selectors import facts_of, keys_of
from keys.services.compromise import compromise
from keys.services.rewrapping import rewrap_all
from keys.services.rings import add_ring, change_policy
from keys.services.rotation import rotate
from keys.signer import RingName, Signer, check_lifetime
from keys.steps import Mint
from keys.timetable import KeyState, state_at
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR, NOW
from tests.keys.fleet import InvariantBrokenError
from tests.keys.memories import database_away

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
POLICY = KeyPolicy(
    rotation_period=4 * DAY,
    propagation=2 * DAY,
    max_token_lifetime=3 * DAY,
    clock_skew=timedelta(minutes=5),
    verifier_leeway=timedelta(minutes=5),
)
LONGER = replace(POLICY, rotation_period=10 * DAY, propagation=3 * DAY, max_token_lifetime=8 * DAY)
SHORTER = replace(POLICY, max_token_lifetime=timedelta(hours=1))
DRIFTS = (-POLICY.clock_skew, timedelta(0), POLICY.clock_skew)
SPELLS = (
    timedelta(0), timedelta(seconds=4), timedelta(seconds=5), timedelta(minutes=5), timedelta(hours=1), DAY,
    2 * DAY, 3 * DAY, 4 * DAY,
)  # fmt: skip


@dataclass
class Worker:
    """The memories of one process."""

    signer: Signer
    sets: PublishedSets


@dataclass
class Copy:
    """What a verifier got, and when."""

    published: PublishedSet
    at: datetime


@dataclass
class Out:
    """What is out: of each key the token that expires last, and by when the last verifier refuses it."""

    until: dict[str, datetime] = field(default_factory=dict)
    real: list[tuple[str, str]] = field(default_factory=list)


class RingMachine(RuleBasedStateMachine):
    """Everything that may happen to a ring, in any order."""

    realm: Realm
    policy = POLICY
    operations = 0

    @initialize()
    def new_ring(self) -> None:
        """A realm with a ring and its first keys; all of it is taken back at the end."""
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.clock = FakeClock(NOW)
        self.ring = add_ring(realm=self.realm, algorithm="ES256", policy=self.policy, actor=ACTOR, now=NOW)
        self.name = RingName(self.realm.pk, Purpose.SIGN, "ES256")
        monotonic = self.clock.monotonic
        self.workers = [Worker(Signer(monotonic), PublishedSets(monotonic)) for _ in range(3)]
        self.copies: list[Copy | None] = [None, None]
        self.out, self.hasty, self.lost = Out(), set[str](), dict[str, datetime]()
        self.without_signer = NOW
        self.rotation(force=False)

    def teardown(self) -> None:
        """Take everything back."""
        if hasattr(self, "undo"):
            connection.set_rollback(True)
            self.undo.__exit__(None, None, None)

    @rule(force=st.booleans())
    def rotation(self, force: bool) -> None:
        """A run of cron's, or an operator in haste."""
        before = self._succession()
        report = rotate(self.ring, now=self.clock.now, actor=ACTOR, force=force, clock=self.clock)
        if before.signer is None:
            self.without_signer = self.clock.now
            self.hasty.add(next(kid for step, kid in report.steps if isinstance(step, Mint)))

    @rule(which=st.integers(0, 3), everything=st.booleans(), really=st.integers(0, 2))
    def loss(self, which: int, everything: bool, really: int) -> None:
        """A key is declared compromised; rarely, or no key would grow old."""
        trusted = [key for key in keys_of(self.ring.pk) if key.compromised_at is None]
        if really or not trusted:
            return
        before = self._succession()
        lost = trusted[which % len(trusted)]
        report = compromise(lost, actor=ACTOR, everything=everything, clock=self.clock)
        self.lost |= dict.fromkeys(report.condemned, self.clock.now)
        if report.successor and before.signer is not None and before.signer.kid in report.condemned:
            self.hasty.add(report.successor)

    @rule(policy=st.sampled_from([POLICY, LONGER, SHORTER]))
    @precondition(lambda self: self.policy is POLICY)
    def another_policy(self, policy: KeyPolicy) -> None:
        """An operator changes the ring's policy; the next run follows it."""
        self.ring = change_policy(self.ring, policy=policy, actor=ACTOR, now=self.clock.now)

    @rule(length=st.sampled_from(SPELLS), less=st.sampled_from([timedelta(0), TICK]))
    def time_passes(self, length: timedelta, less: timedelta) -> None:
        """Cron may come late: nothing else happens meanwhile."""
        self.clock.advance(max(length - less, timedelta(0)))

    @rule()
    def the_takeover_is_near(self) -> None:
        """Until the next key signs by a fast clock."""
        standby = self._succession().standby
        if standby is not None:
            self.clock.now = max(self.clock.now, standby.times.activates_at - POLICY.clock_skew)

    @rule(worker=st.integers(0, 2), drift=st.sampled_from(DRIFTS))
    def signing(self, worker: int, drift: timedelta) -> None:
        """A worker really signs."""
        try:
            key, private = self.workers[worker].signer.signing_key(self.name, self.clock.now + drift)
        except NoSigningKey:
            return
        assert not isinstance(private, bytes)
        claims = {"exp": int((self.clock.now + drift + key.max_lifetime).timestamp())}
        self.out.real.append((key.kid, jose.sign(claims, key=private, algorithm="ES256", kid=key.kid, typ="at+jwt")))

    @rule(verifier=st.integers(0, 1), worker=st.integers(0, 2), drift=st.sampled_from(DRIFTS), cut_off=st.booleans())
    def fetch(self, verifier: int, worker: int, drift: timedelta, cut_off: bool) -> None:
        """A verifier fetches the JWKS from a worker, which may be cut off from the database."""
        sets = self.workers[worker].sets
        try:
            found = sets.at(self.realm.slug, self.clock.now + drift)
            if cut_off:
                self.clock.advance(periods().jwks_outage - JWKS_REFRESH - timedelta(seconds=1))
                self.everybody_signs_and_verifies()
                with database_away():
                    found = sets.at(self.realm.slug, self.clock.now + drift)
        except PublishedSetUnavailable:
            return  # it was cut off a moment ago already: the verifier gets a 503 and keeps what it has
        self.copies[verifier] = Copy(found, self.clock.now)

    @rule(worker=st.integers(0, 2))
    def restart(self, worker: int) -> None:
        """A worker begins anew with an empty memory."""
        self.workers[worker].signer.forget()
        self.workers[worker].sets.forget()

    @rule(worker=st.integers(0, 2))
    def signing_without_the_database(self, worker: int) -> None:
        """A worker that is cut off for longer than the TTL stops."""
        self.clock.advance(periods().signer_ttl)
        self.workers[worker].signer.forget()
        with database_away():
            try:
                self.workers[worker].signer.signing_key(self.name, self.clock.now)
            except NoSigningKey:
                # It doesn't ask again for a second; a difference of two floats may fall a hair short of one.
                self.clock.advance(timedelta(seconds=2))
                return
        raise InvariantBrokenError("a worker signs that can't know what is trusted")

    @rule()
    def rewrap(self) -> None:
        """Every sealed value goes under the other master secret; whatever is in memory goes on."""
        first, *rest = settings.IDP_MASTER_SECRETS.split(",")
        settings.IDP_MASTER_SECRETS = ",".join([*rest, first])
        rewrap_all(actor=ACTOR, now=self.clock.now)

    @invariant()
    def everybody_signs_and_verifies(self) -> None:
        """The property."""
        type(self).operations += 1
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        states = [state_at(fact.times, self.clock.now) for fact in self._facts()]
        if states.count(KeyState.ACTIVE) > 1:
            raise InvariantBrokenError("two signers by the rows")
        if self._succession().signer is None:
            if not self.lost:
                raise InvariantBrokenError("no signer by the rows")
            self.without_signer = self.clock.now
        self._everybody_signs()
        for copy in self.copies:
            if copy is not None and self.clock.now - copy.at <= periods().jwks_max_age:
                self._verify(copy)

    def _everybody_signs(self) -> None:
        for drift in DRIFTS:
            kids = set(self._kids(drift))
            if len(kids) > 1:
                raise InvariantBrokenError(f"workers whose clocks agree sign with {sorted(kids)}")

    def _kids(self, drift: timedelta) -> Iterator[str]:
        ttl = periods().signer_ttl
        for worker in self.workers:
            clock = self.clock.now + drift
            try:
                key, _ = worker.signer.signing_key(self.name, clock)
            except NoSigningKey as error:
                if self.clock.now - self.without_signer > ttl:
                    raise InvariantBrokenError(f"nobody signs by a clock that is off by {drift}") from error
                continue
            if key.kid in self.lost:
                if self.clock.now - self.lost[key.kid] > ttl:
                    raise InvariantBrokenError(f"{key.kid} signs long after it was declared compromised")
                continue
            yield key.kid
            self._sign_for_long(key, clock)

    def _sign_for_long(self, key: KeyPair, clock: datetime) -> None:
        expires = clock + key.max_lifetime
        try:
            check_lifetime(key, expires_at=expires, now=clock)
        except Exception as error:
            raise InvariantBrokenError("a key may not sign for as long as its row says") from error
        refused = expires + POLICY.verifier_leeway + POLICY.clock_skew
        self.out.until[key.kid] = max(refused, self.out.until.get(key.kid, refused))

    def _verify(self, copy: Copy) -> None:
        """Every token that is out has its key in the copy, and its signature is right."""
        published: Callable[[str], datetime] = {key.kid: key.published_at for key in keys_of(self.ring.pk)}.__getitem__
        reach = periods().jwks_outage + POLICY.clock_skew
        for kid, until in self.out.until.items():
            if kid in self.lost or self.clock.now >= until or kid in copy.published.keys:
                continue
            if kid in self.hasty and copy.at - reach <= published(kid):
                continue
            raise InvariantBrokenError(f"a token of {kid} is refused by a verifier whose copy is of {copy.at}")
        for kid, token in self.out.real:
            if kid in copy.published.keys:
                key: Any = copy.published.keys[kid].public_key
                jwt.decode(token, key, algorithms=["ES256"], options={"verify_exp": False})

    def _facts(self) -> list[Any]:
        return [facts_of(key) for key in keys_of(self.ring.pk)]

    def _succession(self) -> Any:
        return succession(self._facts(), self.clock.now)
