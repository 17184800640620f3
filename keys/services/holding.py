"""Holding rings still while something comes to depend on them."""

from datetime import datetime

from django.db import connection

from keys.algorithms import Purpose
from keys.errors import NoSigningKey
from keys.planning import succession
from keys.selectors import database_clock, facts_of, keys_of, policy_of, signing_rings
from realms.models import Realm


def hold_rings(realm: Realm) -> frozenset[str]:
    """The algorithms of a realm's rings that sign tokens; none of them is retired before the transaction ends.

    Call it in the transaction that makes a client depend on one. Others may hold the same rings at the same time;
    a rotation or a retirement waits.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT algorithm FROM keys_keyring WHERE realm_id = %s AND purpose = %s AND retired_at IS NULL "
            "ORDER BY id FOR SHARE",
            [realm.pk, Purpose.SIGN],
        )
        return frozenset(algorithm for (algorithm,) in cursor.fetchall())


def propagates_until(realm: Realm, algorithm: str) -> datetime | None:
    """Until when some verifier may not know the key that signs with an algorithm; None where all know it.

    A ring's first key signs at once, since nobody needs it yet. Whoever is moved to it has verifiers.

    Raises:
        UnknownRing: the realm has no ring that signs with it.
        NoSigningKey: the ring has no key that may sign, or is retired.
    """
    ring = signing_rings(realm, algorithm)[0]
    moment = database_clock()
    signer = succession([facts_of(key) for key in keys_of(ring.pk)], moment).signer
    if signer is None or ring.retired_at is not None:
        raise NoSigningKey(f"No key of the ring {ring} may sign: start the migration first.")
    known = signer.times.published_at + policy_of(ring).propagation
    return known if known > moment else None
