"""Reading keys: facts for the planner, rows for the memories of a worker, lists for people."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import F, Q, QuerySet

from keys.algorithms import PUBLISHED_PURPOSES, Purpose, algorithm_named, choose_bits
from keys.custodians import custodian_named
from keys.custodians.local import LocalCustodian
from keys.errors import UnknownKey, UnknownRing
from keys.models import KeyPair, KeyRing
from keys.planning import KeyFacts
from keys.policy import KeyPolicy
from keys.sealing import SealedColumn, unseal
from keys.timetable import KeyState, Timetable
from realms.errors import UnknownRealm
from realms.models import Realm
from realms.selectors import realm_by_slug

PRIVATE_COLUMN = SealedColumn(
    "keys.KeyPair",
    "sealed_private",
    "private-key",
    kid_field="kid",
    algorithm_field="ring__algorithm",
    custodian_field="custodian",
)


def timetable_of(key: KeyPair) -> Timetable:
    """The timetable of a row."""
    return Timetable(
        key.published_at,
        key.activates_at,
        key.deactivates_at,
        key.unpublishes_at,
        key.compromised_at,
        key.withdrawn_at,
    )


def facts_of(key: KeyPair) -> KeyFacts:
    """What the planner has to know of a row."""
    return KeyFacts(key.kid, timetable_of(key), key.max_lifetime, key.destroyed_at is None, key.ends_ring)


def policy_of(ring: KeyRing) -> KeyPolicy:
    """The policy of a ring's row."""
    return KeyPolicy(
        rotation_period=ring.rotation_period,
        propagation=ring.propagation,
        max_token_lifetime=ring.max_token_lifetime,
        clock_skew=ring.clock_skew,
        verifier_leeway=ring.verifier_leeway,
        patience=ring.patience,
    )


def rings(*, realm: str | None = None, algorithm: str | None = None) -> QuerySet[KeyRing]:
    """Rings with their realms.

    Arguments:
        realm: only this realm's, by slug.
        algorithm: only those of this `alg`.
    """
    found = KeyRing.objects.select_related("realm").order_by("realm__slug", "purpose", "algorithm", "bits")
    if realm is not None:
        found = found.filter(realm__slug=realm)
    if algorithm is not None:
        found = found.filter(algorithm=algorithm)
    return found


def ring_of_kind(*, realm: Realm, algorithm: str, bits: int | None = None, purpose: Purpose = Purpose.SIGN) -> KeyRing:
    """The one ring of its kind, retired or not.

    Arguments:
        algorithm: an `alg` value.
        bits: the length of an RSA modulus; the default of the algorithm if left out.

    Raises:
        UnknownRing: the realm has no such ring.
        UnknownAlgorithm: the algorithm doesn't come in this length.
    """
    length = choose_bits(algorithm_named(algorithm), bits)
    found = KeyRing.objects.select_related("realm").filter(realm=realm, purpose=purpose, algorithm=algorithm)
    try:
        return found.get(bits=length)
    except KeyRing.DoesNotExist:
        raise UnknownRing(f"The realm {realm.slug} has no such ring with {algorithm}.") from None


def signing_rings(realm: Realm, algorithm: str) -> Sequence[KeyRing]:
    """A realm's rings that sign tokens with an algorithm, those that are not retired first, the longest first.

    Raises:
        UnknownRing: there is none.
    """
    found = rings(realm=realm.slug, algorithm=algorithm).filter(purpose=Purpose.SIGN)
    in_order = list(found.order_by(F("retired_at").asc(nulls_first=True), F("bits").desc(nulls_last=True)))
    if not in_order:
        raise UnknownRing(f"The realm {realm.slug} has no ring that signs with {algorithm}.")
    return in_order


def keys_of(ring_id: int) -> Sequence[KeyPair]:
    """All keys of a ring, the youngest first."""
    return list(KeyPair.objects.filter(ring_id=ring_id).order_by("-activates_at"))


def keys_in(some: Sequence[KeyRing]) -> Sequence[KeyPair]:
    """All keys of some rings, ring by ring, the youngest first."""
    return list(
        KeyPair.objects.filter(ring__in=some)
        .select_related("ring__realm", "realm")
        .order_by("realm__slug", "ring__purpose", "ring__algorithm", "ring__bits", "-activates_at")
    )


def without_private_halves() -> QuerySet[KeyPair]:
    """Keys for a person's eyes: the sealed halves stay in the database."""
    return KeyPair.objects.select_related("ring__realm", "realm").defer("sealed_private")


def keys_by_ring(some: Sequence[KeyRing]) -> dict[int, list[KeyPair]]:
    """The keys of each of some rings by the ring's primary key, the oldest first, in one query.

    Their halves stay in the database, the public ones too: this is for timetables.
    """
    found: dict[int, list[KeyPair]] = {ring.pk: [] for ring in some}
    rows = KeyPair.objects.filter(ring__in=list(found)).defer("sealed_private", "public_jwk")
    for key in rows.order_by("activates_at"):
        found[key.ring_id].append(key)
    return found


def in_state(state: KeyState, now: datetime) -> Q:
    """The condition by which the database finds the keys that `state_at` puts into a state.

    Arguments:
        now: the moment to look at, aware.
    """
    trusted, withdrawn = Q(compromised_at=None), Q(withdrawn_at__isnull=False)
    standing = trusted & ~withdrawn
    begun = standing & Q(activates_at__lte=now)
    stopped = begun & Q(deactivates_at__lte=now)
    gone = Q(unpublishes_at__lte=now)
    match state:
        case KeyState.PRE_ACTIVE:
            return standing & Q(activates_at__gt=now)
        case KeyState.ACTIVE:
            return begun & (Q(deactivates_at=None) | Q(deactivates_at__gt=now))
        case KeyState.DEACTIVATED:
            return stopped & Q(unpublishes_at__gt=now)
        case KeyState.ARCHIVED:
            return (stopped & gone) | (trusted & withdrawn)
        case KeyState.COMPROMISED:
            return ~trusted


def key_by_kid(kid: str, *, realm: str | None = None) -> KeyPair:
    """The key with this kid.

    Arguments:
        realm: the realm's slug; needed only where two realms adopted the same key.

    Raises:
        UnknownKey: there is none, or several realms have one.
    """
    found = KeyPair.objects.filter(kid=kid).select_related("ring__realm", "realm")
    if realm is not None:
        found = found.filter(realm__slug=realm)
    rows = list(found[:2])
    if not rows:
        raise UnknownKey(f"There is no key with the kid {kid!r}.")
    if len(rows) > 1:
        raise UnknownKey(f"Several realms have a key with the kid {kid!r}: name one with --realm.")
    return rows[0]


def is_distrusted(kid: str, *, realm_id: int) -> bool:
    """Whether a key was declared compromised, by its row at this moment.

    Arguments:
        realm_id: primary key.
    """
    return KeyPair.objects.filter(realm_id=realm_id, kid=kid, compromised_at__isnull=False).exists()


def living_keys(
    *, realm_id: int, purpose: Purpose, algorithm: str, bits: int | None, now: datetime
) -> Sequence[KeyPair]:
    """The keys of one ring whose private half a worker may need: not compromised, wiped or unpublished.

    Arguments:
        bits: which of several RSA rings; None takes the longest that is not retired.

    Raises:
        UnknownRing: the realm has no such ring.
    """
    ring = KeyRing.objects.filter(realm_id=realm_id, purpose=purpose, algorithm=algorithm)
    if bits is not None:
        ring = ring.filter(bits=bits)
    found = list(
        KeyPair.objects.filter(ring__in=ring, compromised_at=None, withdrawn_at=None, destroyed_at=None)
        .filter(Q(unpublishes_at=None) | Q(unpublishes_at__gt=now))
        .select_related("ring")
        .order_by(F("ring__retired_at").asc(nulls_first=True), F("ring__bits").desc(nulls_last=True), "activates_at")
    )
    if not found and not ring.exists():
        raise UnknownRing(f"The realm has no ring for {purpose} with {algorithm}: add one with add_ring.")
    return [key for key in found if key.ring_id == found[0].ring_id]


def published_rows(slug: str, now: datetime) -> Sequence[KeyPair]:
    """The rows that are, or may soon be, in a realm's JWKS; without their sealed halves.

    Raises:
        UnknownRealm: there is no such realm.
    """
    found = list(
        KeyPair.objects.filter(
            realm__slug=slug, compromised_at=None, withdrawn_at=None, ring__purpose__in=PUBLISHED_PURPOSES
        )
        .filter(Q(unpublishes_at=None) | Q(unpublishes_at__gt=now))
        .select_related("ring")
        .defer("sealed_private")
        .order_by("kid")
    )
    if not found and realm_by_slug(slug) is None:
        raise UnknownRealm(f"There is no realm {slug!r}.")
    return found


def awaiting_destruction(*, ring_id: int | None = None) -> Sequence[KeyPair]:
    """Wiped keys that their custodian has yet to destroy; without their halves.

    Arguments:
        ring_id: only this ring's.
    """
    found = KeyPair.objects.filter(destroyed_at__isnull=False).exclude(custodian_reference="")
    if ring_id is not None:
        found = found.filter(ring_id=ring_id)
    return list(found.select_related("realm").defer("sealed_private", "public_jwk").order_by("destroyed_at"))


def public_keys_ever(realm: Realm, now: datetime) -> Sequence[KeyPair]:
    """Every key of a realm that was ever in its JWKS, the oldest first, with its ring; no private half.

    Arguments:
        now: the moment to look at, aware.
    """
    found = KeyPair.objects.filter(
        realm=realm, ring__purpose__in=PUBLISHED_PURPOSES, published_at__lte=now, public_jwk__isnull=False
    )
    return list(found.select_related("ring").defer("sealed_private").order_by("published_at", "kid"))


def newest_sealed_key() -> KeyPair | None:
    """The youngest key of the installation that a master secret seals, by which secrets are tried."""
    sealed = KeyPair.objects.filter(sealed_private__isnull=False, custodian=LocalCustodian.name)
    return sealed.select_related("ring").order_by("-created_at").first()


def unsealed_private(key: KeyPair) -> bytes:
    """The private half of a row, unsealed; the row comes with its ring.

    Raises:
        MissingMasterSecret, SealBroken: it can't be unsealed.
    """
    return unseal(
        bytes(key.sealed_private or b""),
        context=PRIVATE_COLUMN.context(str(key.pk), kid=key.kid, algorithm=key.ring.algorithm),
        custodian=custodian_named(key.custodian),
    )


def database_clock() -> datetime:
    """The database's clock, aware UTC; it moves on within a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
