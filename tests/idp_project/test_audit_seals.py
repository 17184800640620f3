"""The audit's hash chain: whatever was changed, removed or re-ordered behind its back is named."""

# ruff: noqa: S608  (what stands in the statements are the test's own numbers)

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit import sealing
from audit.chain import digest_of
from audit.models import Event, Seal, SealedEvent
from audit.sealing import seal_events
from audit.services import record
from audit.vocabulary import EventName
from idp_project.audit_seals import overdue, seal_audit, verify_audit
from keys import api, compact
from keys.errors import NoSigningKey
from keys.models import KeyPair, KeyRing
from keys.selectors import keys_of
from keys.services.compromise import compromise
from keys.services.retirement import retire_rings
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import signer
from tests.conftest import ACTOR
from tests.keys.processes import at_once, exit_code, fork
from tests.keys.sql import check_deferred, execute

pytestmark = pytest.mark.spec("issue 6: the audit's hash chain")


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of the test's own transaction are taken for settled ones."""
    monkeypatch.setattr(sealing, "_SETTLED", "TRUE")


@pytest.fixture
def chain(es256_ring: KeyRing, settled: None) -> datetime:
    """Three batches of four events, sealed and signed by a key of the default realm."""
    now = datetime.now(UTC)
    rotate(es256_ring, now=now, actor=ACTOR)
    signer.forget()
    seal_audit(now)
    for batch in range(2):
        for number in range(4):
            event(f"kid-{batch}-{number}", now)
        seal_audit(now)
    assert verify_audit(now).faults == []
    return now


def event(target: str, now: datetime) -> None:
    record(EventName.KEY_CREATED, realm="default", actor="test", target=target, now=now, details={"forced": True})


def behind_its_back(statement: str, table: str = "audit_event") -> None:
    """What somebody does who owns the tables."""
    check_deferred()
    execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    execute(statement)
    check_deferred()
    execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def last_event() -> int:
    return Event.objects.latest("pk").pk


def test_a_whole_chain_holds_every_event_and_every_head_is_signed(chain: datetime) -> None:
    found = verify_audit(chain)
    assert (found.seals, found.events, found.unsealed) == (3, Event.objects.count(), 0)
    assert found.faults == found.doubts == []
    assert found.head == bytes(Seal.objects.latest("number").head).hex()
    assert seal_audit(chain) == 0, "and there is nothing more to seal"


@pytest.mark.parametrize(
    "change",
    [
        "target = 'kid-x'", "actor = 'user:x'", "reason = 'another'", "name = 'key.reopened'", "realm = ''",
        "occurred_at = occurred_at + interval '1 microsecond'", "details = '{}'",
        "details = '{\"forced\": 1}'",
    ],
)  # fmt: skip
def test_a_changed_event_is_named(chain: datetime, change: str) -> None:
    behind_its_back(f"UPDATE audit_event SET {change} WHERE id = {last_event()}")
    assert verify_audit(chain).faults == [f"Event {last_event()} was changed."]


def test_a_removed_event_is_named(chain: datetime) -> None:
    gone = last_event() - 5
    behind_its_back(f"DELETE FROM audit_event WHERE id = {gone}")
    assert verify_audit(chain).faults == [f"Event {gone} was removed."]


def test_two_events_that_changed_places_are_named(chain: datetime) -> None:
    one, other = last_event() - 1, last_event()
    behind_its_back(
        f"UPDATE audit_event SET id = CASE id WHEN {one} THEN -{other} ELSE -{one} END WHERE id IN ({one}, {other})"
    )
    behind_its_back("UPDATE audit_event SET id = -id WHERE id < 0")
    assert verify_audit(chain).faults == [f"Event {one} was changed.", f"Event {other} was changed."]


def test_a_batch_in_another_order_is_named(chain: datetime) -> None:
    one, other = last_event() - 1, last_event()
    behind_its_back(
        f"UPDATE audit_sealedevent SET position = CASE event WHEN {one} THEN 103 ELSE 102 END "
        f"WHERE event IN ({one}, {other})",
        "audit_sealedevent",
    )
    (fault,) = verify_audit(chain).faults
    assert fault == f"The batch of seal 3 is not the one that was sealed: events {other}, {one} were re-ordered."


def test_an_event_whose_membership_was_changed_with_it_is_found_by_its_batch(chain: datetime) -> None:
    changed = last_event()
    behind_its_back(f"UPDATE audit_event SET reason = 'x' WHERE id = {changed}")
    row = Event.objects.values(*sealing.COLUMNS).get(pk=changed)
    digest = digest_of(row).hex()
    behind_its_back(f"UPDATE audit_sealedevent SET digest = '\\x{digest}' WHERE event = {changed}", "audit_sealedevent")
    (fault,) = verify_audit(chain).faults
    assert fault.startswith("The batch of seal 3 is not the one that was sealed")


def test_a_seal_that_was_taken_out_with_its_events_is_missed(chain: datetime) -> None:
    behind_its_back("DELETE FROM audit_event WHERE id IN (SELECT event FROM audit_sealedevent WHERE seal_id = 2)")
    behind_its_back("DELETE FROM audit_sealedevent WHERE seal_id = 2", "audit_sealedevent")
    behind_its_back("DELETE FROM audit_seal WHERE number = 2", "audit_seal")
    assert verify_audit(chain).faults == ["Seal 3 doesn't follow seal 1: one was removed, added or exchanged."]


def test_the_youngest_batches_cut_off_are_missed_by_a_head_that_was_noted_down(chain: datetime) -> None:
    noted = {3: bytes(Seal.objects.get(pk=3).head).hex()}
    behind_its_back("DELETE FROM audit_sealedevent WHERE seal_id = 3", "audit_sealedevent")
    behind_its_back("DELETE FROM audit_seal WHERE number = 3", "audit_seal")
    assert verify_audit(chain).faults == []
    assert verify_audit(chain, noted=noted).faults == ["Seal 3, which was noted down, is missing."]
    assert seal_audit(chain) == 4, "the events are sealed anew, with another head"
    other = verify_audit(chain, noted={3: "0" * 64})
    assert other.faults == ["Seal 3 is not the one that was noted down."]


def test_a_chain_made_anew_by_whoever_owns_the_tables_has_no_signature(
    chain: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They can compute every hash; what they can't do is sign a head with a key that the realm's workers made."""
    behind_its_back(f"UPDATE audit_event SET reason = 'x' WHERE id = {last_event()}")
    behind_its_back("DELETE FROM audit_sealedevent WHERE seal_id = 3", "audit_sealedevent")
    token = Seal.objects.get(pk=3).token
    behind_its_back("DELETE FROM audit_seal WHERE number = 3", "audit_seal")
    assert seal_events(now=chain) == 4
    assert verify_audit(chain).faults == ["Seal 3 has no signature."]
    Seal.objects.filter(pk=3).update(token=token)
    assert verify_audit(chain).faults == ["The signature of seal 3 is one over another head."]


@pytest.mark.parametrize("token", ["x", "a.b.c", "{access token}"])
def test_a_signature_that_is_none_is_said_so(chain: datetime, es256_ring: KeyRing, token: str) -> None:
    claims = {"iss": es256_ring.realm.issuer, "exp": int(chain.timestamp()) + 60}
    if token == "{access token}":
        token = api.sign_jwt(claims, realm=es256_ring.realm, typ="at+jwt", now=chain).token
    behind_its_back(f"UPDATE audit_seal SET token = '{token}' WHERE number = 3", "audit_seal")
    (fault,) = verify_audit(chain).faults
    assert fault.startswith("The signature of seal 3 doesn't hold: ")


def test_a_signature_holds_after_its_key_has_left_the_jwks(chain: datetime, es256_ring: KeyRing) -> None:
    behind_its_back(
        "UPDATE keys_keypair SET published_at = published_at - interval '9 years', "
        "activates_at = activates_at - interval '9 years', deactivates_at = deactivates_at - interval '9 years', "
        "unpublishes_at = unpublishes_at - interval '9 years'",
        "keys_keypair",
    )
    assert verify_audit(chain).faults == []


def test_a_compromised_key_vouches_for_nothing_until_a_later_seal_does(chain: datetime, es256_ring: KeyRing) -> None:
    signed_by = min(keys_of(es256_ring.pk), key=lambda key: key.activates_at)
    compromise(signed_by, actor=ACTOR)
    signer.forget()
    found = verify_audit(chain)
    assert len(found.faults) == 3
    assert "declared compromised" in found.faults[0]
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert seal_audit(later) > 0
    found = verify_audit(later)
    assert found.faults == []
    assert len(found.doubts) == 3


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("seal", "UPDATE audit_seal SET token = 'x' WHERE number = 1"),
        ("seal", "UPDATE audit_seal SET token = '', head = '\\x00' WHERE number = 1"),
        ("seal", "DELETE FROM audit_seal WHERE number = 3"),
        ("sealedevent", "UPDATE audit_sealedevent SET position = position + 100"),
        ("sealedevent", "DELETE FROM audit_sealedevent"),
    ],
)
def test_seals_are_appended_and_signed_once(chain: datetime, table: str, statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        execute(statement)


def test_where_no_key_can_sign_the_events_are_sealed_and_signed_later(
    chain: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    event("late", chain)
    sign_jwt = api.sign_jwt

    def away(*_: object, **__: object) -> None:
        raise NoSigningKey("None.")

    monkeypatch.setattr(api, "sign_jwt", away)
    with pytest.raises(NoSigningKey):
        seal_audit(chain)
    with pytest.raises(CommandError, match="are sealed, but the seals are not signed"):
        call_command("seal_audit", stdout=StringIO())
    assert verify_audit(chain).faults == ["Seal 4 has no signature."]
    monkeypatch.setattr(api, "sign_jwt", sign_jwt)
    assert seal_audit(chain) == 0
    assert verify_audit(chain).faults == []


def test_a_realm_that_retired_its_algorithm_signs_with_another(chain: datetime, es256_ring: KeyRing) -> None:
    """Else no seal would be signed any more, and every run of `rotate_keys` would fail."""
    rotate(add_ring(realm=es256_ring.realm, algorithm="Ed25519", actor=ACTOR, now=chain), now=chain, actor=ACTOR)
    later = datetime.now(UTC) + timedelta(minutes=10)
    retire_rings(realm=es256_ring.realm, algorithm="ES256", actor=ACTOR, clock=lambda: later - timedelta(minutes=5))
    signer.forget()
    assert seal_audit(later) > 0
    assert verify_audit(later).faults == []
    assert compact.parse(Seal.objects.latest("number").token).algorithm == "Ed25519"


def test_an_event_behind_the_look_back_is_found_by_the_command(
    chain: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = Event.objects.earliest("pk").pk
    execute(
        f"INSERT INTO audit_event (id, occurred_at, name, realm, actor, target, reason, details) "
        f"VALUES ({oldest - 1}, now(), 'key.created', '', '', 'late', '', '{{}}')"
    )
    assert seal_audit(chain, look_back=1) == 0
    assert verify_audit(chain).unsealed == 1
    call_command("seal_audit", stdout=StringIO())
    assert verify_audit(chain).unsealed == 0


def test_many_events_are_sealed_in_batches(settled: None, now: datetime, db: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(sealing, "BATCH", 3)
    for number in range(7):
        event(f"kid-{number}", now)
    assert seal_events(now=now) == 7
    assert [seal.events.count() for seal in Seal.objects.order_by("number")] == [3, 3, 1]


def test_the_commands_say_it_in_words_and_as_json(chain: datetime) -> None:
    out = StringIO()
    call_command("seal_audit", stdout=out)
    noted = out.getvalue().split("Head ")[1].strip()
    assert noted.startswith("3:")
    out = StringIO()
    call_command("verify_audit", "--noted", noted, stdout=out)
    assert out.getvalue().endswith("The chain is whole.\n")
    event("later", chain)
    behind_its_back(f"DELETE FROM audit_event WHERE id = {last_event() - 1}")
    out = StringIO()
    with pytest.raises(SystemExit) as exit_info:
        call_command("verify_audit", stdout=out)
    assert exit_info.value.code == 1
    assert f"FAULT: Event {last_event() - 1} was removed." in out.getvalue()
    assert "Not sealed yet: 1 events" in out.getvalue()
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_audit", "--json", stdout=out)
    document = json.loads(out.getvalue())
    assert (document["seals"], document["unsealed"]) == (3, 1)
    assert document["faults"] == [f"Event {last_event() - 1} was removed."]


@pytest.mark.parametrize("text", ["3", "x:y", "0:" + "0" * 64, "3:" + "0" * 63, "3:" + "g" * 64])
def test_a_head_that_is_none_is_wrong_usage(db: None, text: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("verify_audit", "--noted", text, stdout=StringIO())
    assert refused.value.returncode == 2


def test_an_empty_chain_is_whole(db: None) -> None:
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert "0 seals over 0 events; head none" in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_what_is_younger_than_the_oldest_running_transaction_waits_and_raises_no_alarm(now: datetime) -> None:
    """A slow transaction took its id first and commits last: it comes into a later batch, and nothing is wrong."""
    slow = connection.copy()
    try:
        slow.set_autocommit(False)
        with slow.cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_event (occurred_at, name, realm, actor, target, reason, details) "
                "VALUES (now(), 'key.created', '', '', 'slow', '', '{}')"
            )
        event("fast", now)
        assert seal_events(now=now) == 0, "it waits for the slow one"
        out = StringIO()
        call_command("seal_audit", stdout=out)
        assert f"Not sealed yet: events since {now:%Y-%m-%d %H:%M} UTC" in out.getvalue()
        assert overdue(now + timedelta(days=1)) == ""
        assert f"since {now:%Y-%m-%d %H:%M} UTC are not sealed" in overdue(now + timedelta(days=1, seconds=1))
        slow.commit()
        assert eventually_sealed(now) == 2
        assert [Event.objects.get(pk=one.event).target for one in SealedEvent.objects.all()] == ["slow", "fast"]
    finally:
        slow.close()
    assert verify_audit(now).unsealed == 0
    assert overdue(now + timedelta(days=9)) == ""


@pytest.mark.django_db(transaction=True)
def test_a_run_that_another_one_holds_up_gives_up_and_says_so(
    now: datetime, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one on a machine that stands still: no later run may hang behind it."""
    monkeypatch.setattr(sealing, "_PATIENCE", "50ms")
    event("waits", now)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [sealing._LOCK])
        with pytest.raises(CommandError, match="Not all events are sealed: canceling statement due to lock timeout"):
            call_command("seal_audit", stdout=StringIO())
    finally:
        other.close()
    assert seal_events(now=now) == 1


def eventually_sealed(now: datetime) -> int:
    """Other tests' transactions on this server may run for a while yet."""
    until, sealed = time.monotonic() + 120, 0
    while sealed < 2 and time.monotonic() < until:
        sealed += seal_events(now=now)
    return sealed


@pytest.mark.django_db(transaction=True)
def test_processes_at_once_seal_each_event_once(now: datetime, settled: None) -> None:
    for number in range(50):
        event(f"kid-{number}", now)
    moment = time.monotonic() + 0.3
    work: Callable[[], object] = lambda: seal_events(now=now)  # noqa: E731
    assert [exit_code(child) for child in [fork(at_once(moment, work)) for _ in range(6)]] == [0] * 6
    assert SealedEvent.objects.count() == 50
    found = verify_audit(now)
    assert found.faults == [f"Seal {number} has no signature." for number in range(1, found.seals + 1)]


def test_sealing_costs_no_statement_an_event(
    settled: None, now: datetime, db: None, django_assert_num_queries: Any
) -> None:
    for number in range(100):
        event(f"kid-{number}", now)
    with django_assert_num_queries(16):  # two rounds, one of which finds nothing
        seal_events(now=now)


def test_no_private_half_is_needed_to_verify(chain: datetime) -> None:
    KeyPair.objects.update(sealed_private=None, destroyed_at=datetime.now(UTC))
    assert verify_audit(chain).faults == []
