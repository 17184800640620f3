"""Adopting keys that were made elsewhere: as a ring's first signer, as the next to take over, or to verify alone."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from audit.services import record
from audit.vocabulary import EventName
from keys.adoptable import AdoptableKey, checked_kid
from keys.algorithms import Custody, Purpose, private_to_bytes
from keys.conf import periods
from keys.custodians import custodian_named
from keys.dead_keys import Fate
from keys.dead_keys_file import dead_keys_for_writing
from keys.errors import AdoptionRefused, UnknownRing
from keys.models import KeyPair, KeyRing
from keys.planning import KeyFacts, succession
from keys.policy import LONGEST_PERIOD, KeyPolicy, validated
from keys.sealing import seal
from keys.selectors import PRIVATE_COLUMN, database_clock, facts_of, keys_of, policy_of
from keys.services.applying import apply_steps, lock_ring
from keys.services.minting import Material, prove_master_secret
from keys.services.rotation import Clock
from keys.services.thumbprints import thumbprint_of
from keys.steps import Mint, SetEnd
from keys.timetable import KeyState, Timetable, is_trusted, state_at
from realms.models import Realm

_BEFORE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class AdoptionReport:
    """What came of it.

    Attributes:
        kid: the key's.
        ring: where it is.
        signs_from: None where it verifies alone.
        until: when it leaves the JWKS, if that is known.
    """

    kid: str
    ring: KeyRing
    signs_from: datetime | None
    until: datetime | None


def adopt(
    key: AdoptableKey, *, realm: Realm, kid: str | None, actor: str, clock: Clock = database_clock
) -> AdoptionReport:
    """Take in a key with its private half: it is published now, and signs when every verifier may know it.

    In a ring without a signer it signs at once. Else it comes after all that are there, so no takeover that is
    scheduled moves: published now, it signs when the last of them has signed for its period.

    Arguments:
        key: the key.
        realm: whose it becomes.
        kid: its kid here; its own if left out.
        actor: who asks, an opaque id.
        clock: the database's clock.

    Raises:
        AdoptionRefused: it has no private half, is dead, is there already, or its private half can't be sealed here.
        UnknownRing: the realm has no ring for it.
        DeadKeysUnreadable, RingBusy, WeakPolicy, MissingMasterSecret, SealBroken: as `rotate`.
    """
    if key.private is None:
        raise AdoptionRefused("This is a public key: say with --verify-for for how long it is to verify.")
    ring = _ring_for(key, realm)
    if ring.custody == Custody.REMOTE:
        raise AdoptionRefused(
            f"The private halves of ring {ring} stay with the custodian {ring.custodian!r}, so none is taken in: move "
            f"the ring first."
        )
    name = checked_kid(kid or key.kid)
    prove_master_secret(list(keys_of(ring.pk)))
    material = _sealed(ring, key, name)
    with transaction.atomic():
        locked = lock_ring(ring.pk)
        moment, policy = clock(), validated(policy_of(locked), periods())
        if locked.retired_at is not None:
            raise AdoptionRefused(f"The ring {locked} is retired: revive it first.")
        if not material.suits(locked):
            raise AdoptionRefused(f"The ring {locked} was moved to another custodian just now: try again.")
        _refuse_dead(key, signing=True)
        _refuse_twice(key, name, realm)
        mint, ends = _succeed([facts_of(row) for row in keys_of(locked.pk)], policy, moment)
        apply_steps(locked, [mint, *ends], materials=[material], now=moment, actor=actor)
        _record(locked, key, name, actor, moment)
    return AdoptionReport(name, locked, mint.times.activates_at, None)


def adopt_for_verifying(
    key: AdoptableKey, *, realm: Realm, kid: str | None, lifetime: timedelta, actor: str, clock: Clock = database_clock
) -> AdoptionReport:
    """Take in a public key, another provider's say: published at once and for a while, and it never signs.

    Its row says that it signed before the ring's first key, elsewhere; a private half was never here.

    Arguments:
        key: the key; a private half that came with it is passed over.
        realm: whose it becomes.
        kid: its kid here; its own if left out. Tokens that are out name the one that it had.
        lifetime: for how long it stays published.
        actor: who asks, an opaque id.
        clock: the database's clock.

    Raises:
        AdoptionRefused: it was declared compromised, is there already, the ring has no keys yet, or the lifetime is
            none.
        UnknownRing, DeadKeysUnreadable, RingBusy: as `adopt`.
    """
    if not timedelta(0) < lifetime <= LONGEST_PERIOD:
        raise AdoptionRefused(f"A key verifies for above nought, and {LONGEST_PERIOD.days} days at most.")
    ring, name = _ring_for(key, realm), checked_kid(kid or key.kid)
    with transaction.atomic():
        locked = lock_ring(ring.pk)
        moment = clock()
        _refuse_dead(key, signing=False)
        _refuse_twice(key, name, realm)
        before = _first_of([facts_of(row) for row in keys_of(locked.pk)], moment)
        KeyPair.objects.create(
            realm_id=locked.realm_id, ring=locked, kid=name, public_jwk=_published(key, name),
            custodian=locked.custodian, max_lifetime=lifetime,
            published_at=before - _BEFORE, activates_at=before - _BEFORE,
            deactivates_at=before, unpublishes_at=moment + lifetime,
            destroyed_at=moment, created_at=moment,
        )  # fmt: skip
        _record(locked, key, name, actor, moment, until=moment + lifetime)
    return AdoptionReport(name, locked, None, moment + lifetime)


def _ring_for(key: AdoptableKey, realm: Realm) -> KeyRing:
    found = KeyRing.objects.filter(realm=realm, purpose=Purpose.SIGN, algorithm=key.algorithm, bits=key.bits).first()
    if found is None:
        bits = f" --bits {key.bits}" if key.bits else ""
        raise UnknownRing(
            f"The realm has no ring for this key: add one with add_ring {key.algorithm}{bits} --realm {realm.slug}."
        )
    return found


def _sealed(ring: KeyRing, key: AdoptableKey, kid: str) -> Material:
    assert key.private is not None  # noqa: S101  (refused before)
    row = uuid.uuid4()
    sealed = seal(
        private_to_bytes(key.private),
        context=PRIVATE_COLUMN.context(str(row), kid=kid, algorithm=key.algorithm),
        custodian=custodian_named(ring.custodian),
    )
    return Material(row, kid, _published(key, kid), ring.custodian, sealed)


def _published(key: AdoptableKey, kid: str) -> dict[str, str]:
    return {**key.public_jwk, "kid": kid, "use": "sig", "alg": key.algorithm}


def _refuse_dead(key: AdoptableKey, *, signing: bool) -> None:
    """A key that died here is known by its thumbprint, in every realm, in the rows as in the file."""
    fate = dead_keys_for_writing().fate_of(key.kid, key.public_jwk)
    rows = KeyPair.objects.filter(_same_key(key))
    if fate is Fate.COMPROMISED or rows.exclude(compromised_at=None).exists():
        raise AdoptionRefused("This key was declared compromised: no one may trust it again.")
    if signing and (fate is not None or rows.exclude(destroyed_at=None).exists()):
        raise AdoptionRefused("The private half of this key was destroyed here: it may verify alone (--verify-for).")


def _refuse_twice(key: AdoptableKey, kid: str, realm: Realm) -> None:
    here = KeyPair.objects.filter(realm=realm)
    if here.filter(kid=kid).exists():
        raise AdoptionRefused(f"The realm has a key with the kid {kid!r} already.")
    same = here.filter(_same_key(key)).values_list("kid", flat=True).first()
    if same is not None:
        raise AdoptionRefused(f"The realm has this key already: its kid is {same!r}.")


def _same_key(key: AdoptableKey) -> Q:
    return Q(public_jwk__contains=dict(key.public_jwk))


def _succeed(keys: list[KeyFacts], policy: KeyPolicy, now: datetime) -> tuple[Mint, tuple[SetEnd, ...]]:
    """The key's own timetable, and the end of the one before it."""
    last = _last_of(keys, now)
    if last is None:
        return Mint(Timetable(now, now), policy.max_token_lifetime), ()
    takeover = max(last.times.activates_at + policy.rotation_period, now + policy.propagation)
    return (
        Mint(Timetable(now, takeover), policy.max_token_lifetime),
        (SetEnd(last.kid, takeover, takeover + policy.retention(last.max_lifetime)),),
    )


def _last_of(keys: list[KeyFacts], now: datetime) -> KeyFacts | None:
    living = [key for key in keys if state_at(key.times, now) in (KeyState.ACTIVE, KeyState.PRE_ACTIVE)]
    return max(living, key=lambda key: key.times.activates_at, default=None)


def _first_of(keys: list[KeyFacts], now: datetime) -> datetime:
    """When the first trusted key of the ring began, at most now."""
    started = [key.times.activates_at for key in keys if is_trusted(key.times)]
    first = min(started, default=None)
    if first is None or first > now or succession(keys, now).signer is None:
        raise AdoptionRefused("The ring has no key that signs yet: run rotate_keys first.")
    return first


def _record(
    ring: KeyRing, key: AdoptableKey, kid: str, actor: str, now: datetime, until: datetime | None = None
) -> None:
    record(
        EventName.KEY_ADOPTED, realm=ring.realm.slug, actor=actor, target=kid, now=now,
        details={
            "ring": str(ring),
            "verifies_until": until.isoformat() if until else None,
            **thumbprint_of(key.public_jwk),
        },
    )  # fmt: skip
