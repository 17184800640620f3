"""What the database itself holds of grants."""

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Session, User
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from realms.models import Realm
from tests.provider import make_realm
from tests.tokens.grants import begin, turn
from tokens.models import Grant


@pytest.mark.spec("design: tokens.md, heap-only updates")
def test_no_index_stands_in_the_way_of_heap_only_updates(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'tokens_grant'")
        indexes = " ".join(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'tokens_grant'")
        assert cursor.fetchone()[0] == ["fillfactor=80"]
    for column in ("generation", "rotated_at", "idle_expires_at"):
        assert column not in indexes


def updates_of_grants() -> tuple[int, int]:
    """How many updates this transaction made so far, and how many of them were heap-only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'tokens_grant'")
        updates, heap_only = cursor.fetchone()
    return updates, heap_only


@pytest.mark.spec("design: tokens.md, heap-only updates")
def test_rotations_are_heap_only_updates(realm: Realm, ana: User, now: datetime) -> None:
    _, token = begin(realm, ana, now)
    updates, heap_only = updates_of_grants()
    for number in range(10):
        token = turn(token, realm, now + timedelta(seconds=number))
    assert updates_of_grants() == (updates + 10, heap_only + 10)


@pytest.mark.parametrize(
    "change",
    [
        "generation = -1",
        "idle_expires_at = absolute_expires_at + interval '1 second'",
        "rotated_at = created_at - interval '1 second'",
        "absolute_expires_at = created_at, idle_expires_at = created_at",
        "revoked_at = now()",
        "revocation_reason = 'logout'",
        "realm_id = (SELECT id FROM realms_realm WHERE slug = 'other')",  # its client is of another
    ],
)
def test_the_database_refuses_what_must_not_be(change: str, realm: Realm, ana: User, now: datetime) -> None:
    make_realm("other", purposes=())
    begin(realm, ana, now)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE tokens_grant SET {change}")  # noqa: S608  (the words above)


def move_grants_to(session: Session) -> None:
    """Let every grant be of a session, and ask at once what a commit would say."""
    Grant.objects.update(session=session)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.spec("tokens.md: a session of one realm satisfies no other")
def test_a_grants_session_is_of_its_own_realm(realm: Realm, ana: User, now: datetime) -> None:
    begin(realm, ana, now)
    proof = SignedIn(ana, (), now, ("pwd",))
    elsewhere = begin_session(realm=make_realm("other"), signed_in=proof, now=now)
    with pytest.raises(IntegrityError, match="grant_session_of_its_realm"), transaction.atomic():
        move_grants_to(elsewhere)
    move_grants_to(begin_session(realm=realm, signed_in=proof, now=now))
