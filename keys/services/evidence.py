"""Writing down what workers noted: signatures a key, and who holds which JWK Set; and forgetting it again."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from keys.fetchers import COUNTED, FORGOTTEN, Fetcher, Seat, Seating, merging, seating
from keys.models import JwksFetcher, JwksVersion, SignatureCount, UnseatedFetches
from keys.notes import RealmFetches
from keys.services.applying import LOCK_TIMEOUT
from realms.models import Realm

_ONE_AT_A_TIME = 0x666574636865  # the number of an advisory lock of this database, which nothing else uses

# SQL: Django's upsert can set a column to what came, but not add to it. A key that is gone takes its count with it.
_ADD_SIGNATURES = """
    INSERT INTO keys_signaturecount AS count (key_id, hour, signatures)
    SELECT noted.key_id, noted.hour, noted.signatures
    FROM unnest(%s::uuid[], %s::timestamptz[], %s::bigint[]) AS noted (key_id, hour, signatures)
    JOIN keys_keypair ON keys_keypair.id = noted.key_id
    ORDER BY noted.key_id, noted.hour
    ON CONFLICT (key_id, hour) DO UPDATE SET signatures = count.signatures + EXCLUDED.signatures
"""

# SQL: a version that was served all the time is written once an hour, not every minute by every worker.
_ADD_VERSIONS = """
    INSERT INTO keys_jwksversion AS version (realm_id, etag, kids, first_served_at, last_served_at)
    SELECT realm_id, etag, kids::jsonb, at, at
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) AS noted (realm_id, etag, kids, at)
    ON CONFLICT (realm_id, etag) DO UPDATE SET last_served_at = EXCLUDED.last_served_at
    WHERE version.last_served_at < EXCLUDED.last_served_at - interval '1 hour'
"""
_ADD_UNSEATED = """
    INSERT INTO keys_unseatedfetches AS unseated (realm_id, day, fetches)
    SELECT * FROM unnest(%s::bigint[], %s::date[], %s::bigint[])
    ON CONFLICT (realm_id, day) DO UPDATE SET fetches = unseated.fetches + EXCLUDED.fetches
"""
_COLUMNS = ["address", "user_agent", "first_seen_at", "last_seen_at", "holds", "held_before"]


def add_signatures(counts: Mapping[tuple[UUID, datetime], int]) -> None:
    """Add to the counts of signatures, in one statement.

    Arguments:
        counts: how many, by the key's primary key and the beginning of the hour.
    """
    if not counts:
        return
    # Sorted, so that two workers lock the same rows in the same order.
    rows = [(key, hour, count) for (key, hour), count in sorted(counts.items())]
    with connection.cursor() as cursor:
        cursor.execute(_ADD_SIGNATURES, [list(column) for column in zip(*rows, strict=True)])


def forget_signatures(now: datetime) -> int:
    """Delete the counts of what has expired: older than the longest life of what the key signs.

    Returns:
        How many rows that were.
    """
    expired = SignatureCount.objects.filter(
        hour__lt=now - timedelta(hours=1) - F("key__max_lifetime") - 2 * F("key__ring__clock_skew")
        - F("key__ring__verifier_leeway")
    )  # fmt: skip
    return expired.delete()[0]


def add_fetches(noted: Mapping[str, RealmFetches], *, now: datetime) -> dict[str, list[Fetcher]]:
    """Write down who fetched: a handful of statements, however many fetches and realms those were.

    Arguments:
        noted: what a worker noted, by the realm's slug.
        now: aware.

    Returns:
        Who has a slot now, by the realm's slug.
    """
    if not noted:
        return {}
    with transaction.atomic():
        _lock()
        realms = dict(Realm.objects.filter(slug__in=noted).values_list("pk", "slug"))
        by_realm = {pk: noted[slug] for pk, slug in realms.items()}
        versions = _add_versions(by_realm)
        seats = _seats(JwksFetcher.objects.filter(realm__in=realms))
        plans = {
            pk: seating(seats.get(pk, ()), fetches.visits, known=frozenset(versions[pk]))
            for pk, fetches in by_realm.items()
        }
        _write_seats(plans, versions)
        _add_unseated({pk: plan.unseated + by_realm[pk].unseated for pk, plan in plans.items()}, now)
    return {realms[pk]: _seated(seats.get(pk, ()), plan) for pk, plan in plans.items()}


def _lock() -> None:
    """One writer at a time, until the transaction ends: two that give slots would give the same ones."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])


def _add_versions(by_realm: Mapping[int, RealmFetches]) -> dict[int, dict[str, int]]:
    """Write down what was served; the primary keys of all versions of these realms, by ETag."""
    rows = [
        (pk, etag, json.dumps(sorted(kids)), at)
        for pk, fetches in by_realm.items()
        for etag, (kids, at) in fetches.versions.items()
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_ADD_VERSIONS, [list(column) for column in zip(*rows, strict=True)])
    found: dict[int, dict[str, int]] = {pk: {} for pk in by_realm}
    for pk, realm_id, etag in JwksVersion.objects.filter(realm__in=by_realm).values_list("pk", "realm_id", "etag"):
        found[realm_id][etag] = pk
    return found


def _seats(rows: QuerySet[JwksFetcher]) -> dict[int, list[Seat]]:
    found: dict[int, list[Seat]] = {}
    for row in rows.select_related("holds", "held_before"):
        before = row.held_before.etag if row.held_before else None
        who = Fetcher(row.address, row.user_agent)
        seat = Seat(row.slot, who, row.first_seen_at, row.last_seen_at, row.holds.etag, before)
        found.setdefault(row.realm_id, []).append(seat)
    return found


def _write_seats(plans: Mapping[int, Seating], versions: Mapping[int, Mapping[str, int]]) -> None:
    """One upsert for all slots that changed: a newcomer replaces whoever had the slot before."""
    rows = [
        JwksFetcher(
            realm_id=pk,
            slot=seat.slot,
            address=seat.fetcher.address,
            user_agent=seat.fetcher.user_agent,
            first_seen_at=seat.first_seen_at,
            last_seen_at=seat.last_seen_at,
            holds_id=versions[pk][seat.holds],
            held_before_id=versions[pk][seat.held_before] if seat.held_before else None,
        )
        for pk, plan in plans.items()
        for seat in plan.seats
    ]
    JwksFetcher.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["realm", "slot"], update_fields=_COLUMNS
    )


def _add_unseated(counts: Mapping[int, int], now: datetime) -> None:
    rows = [(pk, now.date(), count) for pk, count in counts.items() if count]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_ADD_UNSEATED, [list(column) for column in zip(*rows, strict=True)])


def _seated(before: Iterable[Seat], plan: Seating) -> list[Fetcher]:
    slots = {seat.slot: seat.fetcher for seat in before}
    return list((slots | {seat.slot: seat.fetcher for seat in plan.seats}).values())


def forget_fetchers(now: datetime) -> int:
    """Delete who didn't come for 30 days, and keep the block of the address alone after 7.

    Rows that fall together by it become one.

    Returns:
        How many rows went.
    """
    with transaction.atomic():
        _lock()
        gone = JwksFetcher.objects.filter(last_seen_at__lt=now - FORGOTTEN).delete()[0]
        gone += _coarsen(JwksFetcher.objects.filter(last_seen_at__lt=now - COUNTED))
        gone += UnseatedFetches.objects.filter(day__lt=(now - COUNTED).date()).delete()[0]
        held = JwksFetcher.objects.filter(Q(holds=OuterRef("pk")) | Q(held_before=OuterRef("pk")))
        gone += JwksVersion.objects.filter(~Exists(held), last_served_at__lt=now - FORGOTTEN).delete()[0]
    return gone


def _coarsen(quiet: QuerySet[JwksFetcher]) -> int:
    rows = {(row.realm_id, row.slot): row for row in quiet}
    superfluous, changed = [], []
    for realm_id, seats in _seats(quiet).items():
        plan = merging(seats)
        superfluous += [rows[realm_id, slot].pk for slot in plan.superfluous]
        for seat in plan.seats:
            row = rows[realm_id, seat.slot]
            row.address, row.first_seen_at = seat.fetcher.address, seat.first_seen_at
            changed.append(row)
    JwksFetcher.objects.filter(pk__in=superfluous).delete()
    JwksFetcher.objects.bulk_update(changed, ["address", "first_seen_at"])
    return len(superfluous)
