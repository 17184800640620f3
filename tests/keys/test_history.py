"""The history of keys: every transition in the audit with the key's thumbprint, and the signed document."""

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from audit.models import Event
from audit.vocabulary import EventName
from keys.compact import parse
from keys.history import MEMORY, Histories, SignedHistory, histories
from keys.jwk import thumbprint_uri
from keys.models import KeyPair, KeyRing
from keys.services.compromise import compromise
from keys.services.retirement import retire_rings
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.services.transitions import note_transitions
from keys.timetable import KeyState, Timetable, transitions
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR, NOW
from tests.keys import vectors
from tests.keys.commands import run
from tests.keys.sql import DAY, execute, insert_key
from tests.provider import make_realm

PATH = "/.well-known/jwks-history.json"
BY_THE_CLOCK = [EventName.KEY_ACTIVATED, EventName.KEY_DEACTIVATED, EventName.KEY_ARCHIVED]


@pytest.mark.spec("RFC 9278 §3, §4; RFC 7638 §3.1")
def test_the_uri_of_the_key_of_rfc_7638() -> None:
    uri = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert thumbprint_uri(vectors.RFC7638_RSA) == uri


@pytest.mark.spec("keys.md History")
def test_each_event_of_a_key_names_its_thumbprint_and_that_of_a_symmetric_key_none(
    es256_ring: KeyRing, mac_ring: KeyRing
) -> None:
    clock = FakeClock(NOW)
    for day in (0, 90):
        clock.now = NOW + timedelta(days=day)
        for ring in (es256_ring, mac_ring):
            rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    for key in KeyPair.objects.all():
        events = Event.objects.filter(target=key.kid)
        assert events.exists()
        for event in events:
            expected = thumbprint_uri(key.public_jwk) if key.public_jwk else None
            assert event.details.get("thumbprint") == expected


@pytest.mark.spec("keys.md History: an adopted kid says nothing about the key")
def test_the_thumbprint_is_of_the_key_and_not_of_its_kid(es256_ring: KeyRing) -> None:
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    kid = insert_key(es256_ring, kid="key-of-2019", public_jwk=json.dumps({**jwk, "kid": "key-of-2019", "use": "sig"}))
    note_transitions(es256_ring, now=NOW)
    details = Event.objects.get(name=EventName.KEY_ACTIVATED, target=kid).details
    assert details["thumbprint"] == thumbprint_uri(jwk)


@pytest.mark.spec("keys.md History")
def test_what_the_clock_alone_did_is_written_once_by_the_run_that_first_sees_it(es256_ring: KeyRing) -> None:
    clock = FakeClock(NOW)
    moments = (0, 0, 1, 90, 91, 120, 400)
    for day in moments:
        clock.now = NOW + timedelta(days=day)
        rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    events = list(Event.objects.filter(name__in=BY_THE_CLOCK).order_by("id"))
    assert {event.actor for event in events} == {"timetable"}
    seen = [(event.target, event.name) for event in events]
    assert len(seen) == len(set(seen))
    first = KeyPair.objects.order_by("activates_at")[0]
    told = [(event.name, event.details["at"], event.occurred_at) for event in events if event.target == first.kid]
    assert told == [
        (EventName.KEY_ACTIVATED, first.activates_at.isoformat(), NOW),
        (EventName.KEY_DEACTIVATED, (NOW + timedelta(days=90)).isoformat(), NOW + timedelta(days=90)),
        (EventName.KEY_ARCHIVED, first.unpublishes_at and first.unpublishes_at.isoformat(), NOW + timedelta(days=120)),
    ]


@pytest.mark.spec("keys.md History")
def test_a_late_run_writes_all_that_it_missed_and_a_compromise_ends_the_timetable() -> None:
    times = Timetable(NOW, NOW, NOW + DAY, NOW + 2 * DAY)
    late = NOW + 9 * DAY
    assert [state for state, _ in transitions(times, since=KeyState.PRE_ACTIVE, now=late)] == [
        KeyState.ACTIVE, KeyState.DEACTIVATED, KeyState.ARCHIVED,
    ]  # fmt: skip
    assert [state for state, _ in transitions(times, since=KeyState.DEACTIVATED, now=late)] == [KeyState.ARCHIVED]
    assert list(transitions(times, since=KeyState.ARCHIVED, now=late)) == []
    assert list(transitions(times, since=KeyState.PRE_ACTIVE, now=NOW - DAY)) == []
    lost = Timetable(NOW, NOW, NOW + DAY, NOW + 2 * DAY, compromised_at=NOW + DAY)
    assert [state for state, _ in transitions(lost, since=KeyState.PRE_ACTIVE, now=late)] == [KeyState.ACTIVE]


@pytest.mark.spec("keys.md History")
@pytest.mark.django_db(transaction=True)
def test_many_runs_at_once_write_each_transition_once() -> None:
    realm = make_realm()
    execute("UPDATE keys_keypair SET noted_state = 'pre_active'")
    before = Event.objects.filter(name=EventName.KEY_ACTIVATED).count()

    def work() -> None:
        try:
            for ring in KeyRing.objects.filter(realm=realm):
                rotate(ring, now=timezone.now(), actor=ACTOR)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Event.objects.filter(name=EventName.KEY_ACTIVATED).count() == before + 3


@pytest.mark.spec("keys.md History")
def test_a_note_needs_two_statements_and_nothing_to_note_one(
    es256_ring: KeyRing, django_assert_num_queries: Any
) -> None:
    rotate(es256_ring, now=NOW, actor=ACTOR, clock=lambda: NOW)
    execute("UPDATE keys_keypair SET noted_state = 'pre_active'")
    with django_assert_num_queries(3):
        note_transitions(es256_ring, now=NOW)
    with django_assert_num_queries(1):
        note_transitions(es256_ring, now=NOW)


# --- the document ---


@pytest.fixture
def switched_on(settings: LazySettings) -> None:
    settings.IDP_JWKS_HISTORY = True


def told(client: Client, path: str = PATH) -> dict[str, dict[str, Any]]:
    histories.forget()
    answer = client.get(path, secure=True)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/jwt")
    return {key["kid"]: key for key in parse(answer.content.decode()).claims["keys"]}


@pytest.mark.spec("keys.md History: off by default")
def test_the_history_is_off_by_default(db: None, client: Client) -> None:
    make_realm()
    assert client.get(PATH, secure=True).status_code == 404


@pytest.mark.spec("keys.md History")
def test_the_history_is_signed_by_a_published_key_and_is_no_token(db: None, client: Client, switched_on: None) -> None:
    realm = make_realm()
    answer = client.get(PATH, secure=True)
    assert answer["Access-Control-Allow-Origin"] == "*"
    ran = run("verify_token", answer.content.decode(), "--typ", "jwks-history+jwt")
    assert ran.code == 0
    assert ran.json["claims"]["iss"] == realm.issuer
    assert run("verify_token", answer.content.decode()).code == 1
    found = {key["kid"] for key in ran.json["claims"]["keys"]}
    assert found == set(KeyPair.objects.filter(ring__purpose="sign").values_list("kid", flat=True)), "mac keys never"
    assert "sealed" not in json.dumps(ran.json)
    assert '"d"' not in json.dumps(ran.json)


@pytest.mark.spec("keys.md History")
def test_the_history_tells_what_became_of_each_key(db: None, client: Client, switched_on: None) -> None:
    realm = make_realm()
    add_ring(realm=realm, algorithm="Ed25519", actor=ACTOR, now=timezone.now())
    ring = KeyRing.objects.get(purpose="sign", algorithm="ES256")
    first, standby = KeyPair.objects.filter(ring=ring).order_by("activates_at")
    assert [told(client)[kid]["status"] for kid in (first.kid, standby.kid)] == ["active", "pre_active"]
    report = compromise(first, actor=ACTOR)
    rotate(ring, now=timezone.now(), actor=ACTOR)
    found = told(client)
    assert found[first.kid]["status"] == "compromised"
    assert found[first.kid]["compromised_at"] == int(KeyPair.objects.get(pk=first.pk).compromised_at.timestamp())  # type: ignore[union-attr]
    assert found[str(report.successor)]["status"] == "active"
    assert found[first.kid]["thumbprint"].endswith(first.kid)
    assert found[first.kid]["jwk"] == first.public_jwk


@pytest.mark.spec("keys.md History")
def test_a_withdrawn_key_is_archived_and_says_when(db: None, client: Client, switched_on: None) -> None:
    realm = make_realm()
    ring = add_ring(realm=realm, algorithm="Ed25519", actor=ACTOR, now=timezone.now())
    rotate(ring, now=timezone.now(), actor=ACTOR)
    retire_rings(realm=realm, algorithm="Ed25519", actor=ACTOR)
    last, withdrawn = KeyPair.objects.filter(ring=ring).order_by("activates_at")
    found = told(client)
    assert (found[last.kid]["status"], found[withdrawn.kid]["status"]) == ("active", "archived")
    assert "withdrawn_at" in found[withdrawn.kid]


@pytest.mark.spec("RFC 9110 §8.8.1, §13.1.2")
def test_whoever_has_it_gets_304(db: None, client: Client, switched_on: None) -> None:
    make_realm()
    with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=False):
        answer = client.get(PATH, secure=True)
        assert answer["ETag"].startswith('W/"')
        assert client.get(PATH, headers={"if-none-match": answer["ETag"]}, secure=True).status_code == 304
        assert client.get(PATH, headers={"if-none-match": '"another"'}, secure=True).status_code == 200


@pytest.mark.spec("keys.md History: workers agree on the ETag")
def test_two_workers_agree_and_one_remembers_for_a_minute(realm: Realm, es256_ring: KeyRing) -> None:
    rotate(es256_ring, now=NOW, actor=ACTOR, clock=lambda: NOW)
    elapsed = [1000.0]
    one, other = Histories(lambda: elapsed[0]), Histories()
    here, there = one.at("default", NOW), other.at("default", NOW)
    assert here.etag == there.etag
    assert one.at("default", NOW) is here
    elapsed[0] += MEMORY.total_seconds()
    assert one.at("default", NOW + timedelta(minutes=10)).etag != here.etag


@pytest.mark.spec("issue 5, 5: an unreachable custodian")
def test_a_realm_whose_custodian_hangs_holds_up_no_other(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    found, hanging, go_on = Histories(), threading.Event(), threading.Event()

    def made(slug: str, _now: datetime) -> SignedHistory:
        if slug == "slow":
            hanging.set()
            assert go_on.wait(10)
        return SignedHistory(slug.encode(), "")

    monkeypatch.setattr("keys.history._made", made)
    slow = threading.Thread(target=found.at, args=("slow", NOW))
    slow.start()
    assert hanging.wait(10)
    quick = threading.Thread(target=found.at, args=("quick", NOW))
    quick.start()
    quick.join(5)
    held_up = quick.is_alive()
    go_on.set()
    slow.join(10)
    quick.join(10)
    assert not held_up


@pytest.mark.spec("keys.md History: 503")
def test_the_history_is_503_where_nothing_may_sign_or_the_database_is_away(
    db: None, client: Client, switched_on: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm = make_realm()
    for key in KeyPair.objects.filter(realm=realm, ring__purpose="sign"):
        compromise(key, actor=ACTOR)
    answer = client.get(PATH, secure=True)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert KeyPair.objects.filter(ring__purpose="sign").count() == 2, "no key is made by a read"

    def away(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("keys.history.public_keys_ever", away)
    assert client.get(PATH, secure=True).status_code == 503


@pytest.mark.spec("keys.md History: another ring tells of a compromise of all keys of one")
def test_a_ring_without_a_key_leaves_the_signature_to_another(db: None, client: Client, switched_on: None) -> None:
    realm = make_realm()
    rotate(add_ring(realm=realm, algorithm="Ed25519", actor=ACTOR, now=timezone.now()), now=timezone.now(), actor=ACTOR)
    lost = KeyPair.objects.filter(ring__purpose="sign", ring__algorithm="ES256").earliest("activates_at")
    compromise(lost, actor=ACTOR, everything=True)
    assert told(client)[lost.kid]["status"] == "compromised"


@pytest.mark.spec("RFC 7515 §5.2; RFC 9110 §9.3.2")
def test_an_outsider_verifies_it_by_the_jwks_and_may_ask_for_its_head(
    db: None, client: Client, switched_on: None
) -> None:
    realm = make_realm()
    signed = client.get(PATH, secure=True).content.decode()
    head = client.head(PATH, secure=True)
    assert (head.status_code, head.content, head["ETag"][:2]) == (200, b"", "W/")
    jwks = jwt.PyJWKSet.from_dict(client.get("/.well-known/jwks.json", secure=True).json())
    header = jwt.get_unverified_header(signed)
    claims = jwt.decode(signed, jwks[header["kid"]], algorithms=["ES256"], issuer=realm.issuer)
    assert (header["typ"], header["kid"] in {key["kid"] for key in claims["keys"]}) == ("jwks-history+jwt", True)


@pytest.mark.spec("keys.md History")
def test_each_realm_has_its_own_and_an_unknown_one_none(db: None, client: Client, switched_on: None) -> None:
    make_realm()
    make_realm("shop")
    assert not told(client).keys() & told(client, f"/realms/shop{PATH}").keys()
    assert client.get(f"/realms/nowhere{PATH}", secure=True).status_code == 404
    assert client.post(PATH, secure=True).status_code == 405
