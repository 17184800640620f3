"""Declaring keys compromised. Distrust never waits for a key to be made, nor for the master secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from keys import hooks
from keys.algorithms import PUBLISHED_PURPOSES, SIGNING_PURPOSES, Purpose
from keys.drill import Reaction, reactions
from keys.errors import CompromiseRefused
from keys.evidence import tokens_signed_since
from keys.models import KeyPair
from keys.planning import Succession, plan_compromise, succession, whole_ring
from keys.selectors import database_clock, facts_of, keys_of, policy_of
from keys.services.applying import apply_steps, lock_ring
from keys.services.rotation import Clock
from keys.verifier_profiles import verifier_profiles


@dataclass(frozen=True, slots=True)
class CompromiseReport:
    """What a compromise did, or would do.

    Attributes:
        condemned: the kids that are distrusted.
        successor: the kid that signs from now on; None where the next rotation has to make one.
        propagated_at: until then verifiers with a cached JWKS may refuse the successor's tokens; None
            where it has propagated, or is not there yet, or where nobody verifies offline.
        impact: what is hit at most, by name; the tokens are those that these keys signed and that may still be good, as
            workers had counted them about a minute ago.
        verifiers: how soon each known kind of verifier follows, at worst; empty where nobody verifies offline.
    """

    condemned: tuple[str, ...]
    successor: str | None
    propagated_at: datetime | None
    impact: Mapping[str, int]
    verifiers: tuple[Reaction, ...]

    @property
    def to_restart(self) -> tuple[Reaction, ...]:
        """The kinds of verifiers that time alone doesn't help."""
        return tuple(kind for kind in self.verifiers if kind.wants_a_restart)


def compromise(
    key: KeyPair,
    *,
    actor: str,
    reason: str = "",
    everything: bool = False,
    clock: Clock = database_clock,
) -> CompromiseReport:
    """Distrust a key at once: it leaves the JWKS, and its standby signs.

    Arguments:
        key: the key; its ring comes with it.
        actor: who declares it, an opaque id.
        reason: an operator's words, for the audit.
        everything: distrust every key of the ring whose private half exists: a host was lost.
        clock: the database's clock.

    Returns:
        What was distrusted, and who signs now.

    Raises:
        CompromiseRefused: the key is declared compromised already.
        RingBusy: the ring's row could not be locked in time.
    """
    with transaction.atomic():
        ring = lock_ring(key.ring_id)
        moment = clock()
        facts = [facts_of(row) for row in keys_of(ring.pk)]
        condemned = whole_ring(facts, key.kid) if everything else frozenset({key.kid})
        _refuse_twice(key)
        steps = plan_compromise(facts, condemned, moment, retired=ring.retired_at is not None)
        apply_steps(ring, steps, materials=(), now=moment, actor=actor, reason=reason)
        return _report(key, condemned, moment)


def preview(key: KeyPair, *, everything: bool = False, clock: Clock = database_clock) -> CompromiseReport:
    """What `compromise` would do at this moment; changes nothing.

    Raises:
        CompromiseRefused: the key is declared compromised already.
    """
    _refuse_twice(key)
    moment = clock()
    facts = [facts_of(row) for row in keys_of(key.ring_id)]
    condemned = whole_ring(facts, key.kid) if everything else frozenset({key.kid})
    trusted = [fact for fact in facts if fact.kid not in condemned]
    return _describe(key, condemned, succession(trusted, moment), moment)


def _refuse_twice(key: KeyPair) -> None:
    compromised_at = KeyPair.objects.values_list("compromised_at", flat=True).get(pk=key.pk)
    if compromised_at is not None:
        raise CompromiseRefused(f"The key {key.kid} was declared compromised at {compromised_at:%Y-%m-%d %H:%M} UTC.")


def _report(key: KeyPair, condemned: frozenset[str], moment: datetime) -> CompromiseReport:
    facts = [facts_of(row) for row in keys_of(key.ring_id)]
    return _describe(key, condemned, succession(facts, moment), moment)


def _describe(key: KeyPair, condemned: frozenset[str], then: Succession, moment: datetime) -> CompromiseReport:
    published = Purpose(key.ring.purpose) in PUBLISHED_PURPOSES
    signs = Purpose(key.ring.purpose) in SIGNING_PURPOSES
    propagated_at = None
    if then.signer is not None and published:
        propagated_at = then.signer.times.published_at + policy_of(key.ring).propagation
    return CompromiseReport(
        condemned=tuple(sorted(condemned)),
        successor=then.signer.kid if then.signer else None,
        propagated_at=propagated_at if propagated_at and propagated_at > moment else None,
        impact=_impact(key, condemned, moment) if signs else hooks.impact_of_compromise(key.realm_id, moment),
        verifiers=_verifiers(then, moment) if published else (),
    )


def _impact(key: KeyPair, condemned: frozenset[str], moment: datetime) -> dict[str, int]:
    """What the apps above count, and the tokens of these keys that may not have expired yet."""
    longest = max(KeyPair.objects.filter(ring_id=key.ring_id, kid__in=condemned).values_list("max_lifetime", flat=True))
    signed = tokens_signed_since(condemned, moment - longest, realm_id=key.realm_id)
    return {**hooks.impact_of_compromise(key.realm_id, moment), "tokens": sum(signed.values())}


def _verifiers(then: Succession, moment: datetime) -> tuple[Reaction, ...]:
    successor = then.signer.times if then.signer else None
    return reactions(verifier_profiles(), successor=successor, declared_at=moment)
