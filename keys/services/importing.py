"""Importing keys of an export: as they were into an empty ring, beside what is there otherwise; none is overwritten."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography.hazmat.primitives import serialization
from django.db import DataError, IntegrityError, connection, transaction

from audit.services import record
from audit.vocabulary import EventName
from keys.adoptable import checked_kid
from keys.algorithms import SIGNING_PURPOSES, Custody, Purpose, algorithm_named
from keys.dead_keys import DeadKeys, Fate, name_of
from keys.dead_keys_file import dead_keys_for_writing
from keys.errors import AdoptionRefused, ExportRefused, KeysError
from keys.jwk import key_members, to_public_key
from keys.key_export import ExportedKey, ExportedRing
from keys.models import KeyPair, KeyRing
from keys.planning import KeyFacts, plan_compromise
from keys.policy import KeyPolicy
from keys.selectors import database_clock, facts_of, keys_of, rings
from keys.services.applying import apply_steps, lock_ring
from keys.services.dead_keys import remember_once_committed
from keys.services.imported_rows import (
    SLOT,
    SealedHalf,
    give_private_half,
    place_before,
    row_without_private_half,
    sealed_halves,
)
from keys.services.minting import prove_master_secret
from keys.services.rings import add_ring
from keys.services.rotation import Clock
from keys.services.thumbprints import thumbprint_of
from keys.timetable import KeyState, is_trusted, state_at
from realms.models import Realm
from realms.selectors import realm_by_slug

_TAG_KEY_BYTES = 32


class Outcome(StrEnum):
    """What becomes of a key of the export."""

    LEFT = "left as it is"
    AS_EXPORTED = "as exported"
    BESIDE = "beside the others, to verify alone"
    COMPROMISED = "distrusted"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was done with one ring of an export, or would be.

    Attributes:
        ring: its name.
        made: whether the ring is new.
        row: the ring's row; None in a dry run that would make it.
        outcomes: of each key by its kid, the oldest first.
    """

    realm: str
    ring: str
    made: bool
    row: KeyRing | None
    outcomes: Sequence[tuple[str, Outcome]]


@dataclass(frozen=True, slots=True)
class _Plan:
    outcomes: Sequence[tuple[ExportedKey, Outcome]]
    empty: bool


def import_ring(
    exported: ExportedRing, *, actor: str, dry_run: bool = False, clock: Clock = database_clock
) -> ImportReport:
    """Take in the keys of one ring, all or none of them.

    Into a ring without keys they come with their timetables, and whose turn it is signs. Beside other keys they
    verify what they signed, until it has expired, and never sign again. A key whose kid or public half is there is
    left as it is; one that was declared compromised, here or there, comes as compromised.

    Arguments:
        exported: the ring.
        actor: who asks, an opaque id.
        dry_run: only say what would be done.
        clock: the database's clock.

    Raises:
        ExportRefused: realm or issuer are others, or the keys don't hold together; nothing was changed.
        KeysError: the ring can't be made, its keys can't be sealed, or it is busy.
    """
    realm = _realm(exported)
    for key in exported.keys:
        _check(exported, key)
    row = _ring(realm, exported)
    if dry_run:
        plan = _plan(row, exported, realm, clock(), dry_run=True)
        return _report(exported, row, row is None, plan)
    made = row is None
    try:
        prove_master_secret(list(keys_of(row.pk)) if row is not None else [])
        materials = sealed_halves(row.custodian if row is not None else exported.custodian, exported)
        with transaction.atomic():
            ring = row or _add_ring(realm, exported, actor, clock())
            locked, moment = lock_ring(ring.pk), clock()
            plan = _plan(locked, exported, realm, moment)
            _apply(locked, plan, materials, moment, actor)
            connection.check_constraints()
    except (IntegrityError, DataError) as error:
        raise ExportRefused(f"The keys of {exported.realm} {_name(exported)} don't hold together.") from error
    return _report(exported, ring, made, plan)


def _realm(exported: ExportedRing) -> Realm:
    realm = realm_by_slug(exported.realm)
    if realm is None:
        raise ExportRefused(f"There is no realm {exported.realm[:63]!r}: make it with --without-keys first.")
    if realm.issuer != exported.issuer:
        raise ExportRefused(
            f"The keys of the realm {realm.slug!r} are those of {exported.issuer}, and its issuer is {realm.issuer}."
        )
    return realm


def _name(exported: ExportedRing) -> str:
    return " ".join(str(part) for part in (exported.purpose, exported.algorithm, exported.bits) if part)


def _ring(realm: Realm, exported: ExportedRing) -> KeyRing | None:
    found = rings(realm=realm.slug, algorithm=exported.algorithm)
    return found.filter(purpose=exported.purpose, bits=exported.bits).first()


def _add_ring(realm: Realm, exported: ExportedRing, actor: str, now: datetime) -> KeyRing:
    try:
        purpose, custody = Purpose(exported.purpose), Custody(exported.custody)
    except ValueError:
        raise ExportRefused("A ring of the export has a purpose or a custody that is not known here.") from None
    policy = KeyPolicy(
        rotation_period=exported.rotation_period,
        propagation=exported.propagation,
        max_token_lifetime=exported.max_token_lifetime,
        clock_skew=exported.clock_skew,
        verifier_leeway=exported.verifier_leeway,
        patience=exported.patience,
    )
    ring = add_ring(
        realm=realm, algorithm=exported.algorithm, purpose=purpose, bits=exported.bits, policy=policy,
        custodian=exported.custodian, custody=custody, actor=actor, now=now,
    )  # fmt: skip
    KeyRing.objects.filter(pk=ring.pk).update(retired_at=exported.retired_at)
    ring.refresh_from_db()
    return ring


def _check(ring: ExportedRing, key: ExportedKey) -> None:
    """A key is what its ring says, and its halves belong together."""
    try:
        checked_kid(key.kid)
        sound = _is_symmetric(key) if key.public_jwk is None else _fits(ring, key, key.public_jwk)
    except (AdoptionRefused, KeysError, KeyError, ValueError, TypeError):
        sound = False
    symmetric = ring.purpose == Purpose.MAC
    if not sound or symmetric != (key.public_jwk is None):
        raise ExportRefused(f"A key of {ring.realm} {_name(ring)} is malformed, or its halves don't belong together.")


def _is_symmetric(key: ExportedKey) -> bool:
    return key.private is None or len(key.private) == _TAG_KEY_BYTES


def _fits(ring: ExportedRing, key: ExportedKey, jwk: Mapping[str, str]) -> bool:
    public = to_public_key(jwk)
    members = key_members(public, ring.algorithm)
    if dict(jwk) != {**members, "kid": key.kid, "use": "sig", "alg": ring.algorithm}:
        return False
    if members["kty"] != algorithm_named(ring.algorithm).kty or ring.bits not in (None, getattr(public, "key_size", 0)):
        return False
    if key.private is None:
        return True
    private = serialization.load_der_private_key(key.private, password=None)
    return key_members(private.public_key(), ring.algorithm) == members


def _plan(
    ring: KeyRing | None, exported: ExportedRing, realm: Realm, moment: datetime, *, dry_run: bool = False
) -> _Plan:
    """What becomes of each key."""
    present = list(keys_of(ring.pk)) if ring is not None else []
    first = _first([facts_of(key) for key in present])
    if present and (first is None or first > moment):
        raise ExportRefused(
            f"No key of {exported.realm} {_name(exported)} is trusted: run rotate_keys, then import again."
        )
    here = KeyPair.objects.filter(realm=realm).defer("sealed_private")
    kids, names = set[str](), set[str]()
    for row in here:
        kids.add(row.kid)
        names.add(name_of(row.kid, row.public_jwk))
    distrusted = _distrusted(exported.keys, dead_keys_for_writing(dry_run=dry_run))
    outcomes = []
    for key in sorted(exported.keys, key=lambda each: each.activates_at):
        if key.kid in kids or name_of(key.kid, key.public_jwk) in names:
            outcome = Outcome.LEFT
        elif key.compromised_at is not None or key.kid in distrusted:
            outcome = Outcome.COMPROMISED
        else:
            outcome = Outcome.BESIDE if present and key.withdrawn_at is None else Outcome.AS_EXPORTED
        outcomes.append((key, outcome))
    return _Plan(outcomes, empty=not present)


def _distrusted(keys: Collection[ExportedKey], dead: DeadKeys) -> frozenset[str]:
    """The kids of what was declared compromised here, in whatever realm, or by the file of dead keys."""
    rows = KeyPair.objects.exclude(compromised_at=None).values_list("kid", "public_jwk")
    names = {name_of(kid, jwk) for kid, jwk in rows}
    return frozenset(
        key.kid
        for key in keys
        if name_of(key.kid, key.public_jwk) in names or dead.fate_of(key.kid, key.public_jwk) is Fate.COMPROMISED
    )


def _apply(ring: KeyRing, plan: _Plan, materials: Mapping[str, SealedHalf], moment: datetime, actor: str) -> None:
    beside = sum(outcome is Outcome.BESIDE for _, outcome in plan.outcomes)
    first = _first([facts_of(key) for key in keys_of(ring.pk)])
    dead = dead_keys_for_writing()
    fresh: list[str] = []
    for key, outcome in plan.outcomes:
        if outcome is Outcome.LEFT:
            continue
        row = row_without_private_half(ring, key, moment)
        if outcome is Outcome.BESIDE and first is not None:
            place_before(row, key, until=first - (beside - 1) * SLOT, moment=moment)
            beside -= 1
        keeps = dead.fate_of(key.kid, key.public_jwk) is None and outcome is not Outcome.COMPROMISED
        if keeps and (outcome is Outcome.AS_EXPORTED or ring.purpose not in SIGNING_PURPOSES):
            give_private_half(row, key, materials)
        elif outcome is Outcome.COMPROMISED and key.compromised_at is not None:
            row.compromised_at = key.compromised_at
        elif outcome is Outcome.COMPROMISED and not plan.empty:
            row.compromised_at = moment
        row.save(force_insert=True)
        fresh.append(key.kid)
        _record(ring, row, outcome, moment, actor)
    if plan.empty:
        _distrust(ring, plan, moment, actor)
    remember_once_committed(ring, fresh)


def _first(keys: Sequence[KeyFacts]) -> datetime | None:
    """When the first trusted key of a ring began to sign."""
    return min((key.times.activates_at for key in keys if is_trusted(key.times)), default=None)


def _distrust(ring: KeyRing, plan: _Plan, moment: datetime, actor: str) -> None:
    """In a ring that was empty: distrust what is dead, and what would sign although its private half is gone."""
    facts = [facts_of(key) for key in keys_of(ring.pk)]
    dead = {key.kid for key, outcome in plan.outcomes if outcome is Outcome.COMPROMISED}
    living = (KeyState.ACTIVE, KeyState.PRE_ACTIVE)
    condemned = {
        fact.kid
        for fact in facts
        if fact.times.compromised_at is None
        and (fact.kid in dead or (not fact.has_private and state_at(fact.times, moment) in living))
    }
    if condemned:
        steps = plan_compromise(facts, condemned, moment, retired=ring.retired_at is not None)
        apply_steps(ring, steps, materials=(), now=moment, actor=actor, reason="known to be dead when it was imported")


def _record(ring: KeyRing, row: KeyPair, outcome: Outcome, now: datetime, actor: str) -> None:
    record(
        EventName.KEY_IMPORTED, realm=ring.realm.slug, actor=actor, target=row.kid, now=now,
        details={
            "ring": str(ring),
            "outcome": outcome.value,
            "private_half": row.destroyed_at is None,
            **thumbprint_of(row.public_jwk),
        },
    )  # fmt: skip


def _report(exported: ExportedRing, row: KeyRing | None, made: bool, plan: _Plan) -> ImportReport:  # noqa: FBT001
    return ImportReport(
        exported.realm, _name(exported), made, row, [(key.kid, outcome) for key, outcome in plan.outcomes]
    )
