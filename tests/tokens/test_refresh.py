"""Refresh token rotation: one row, one conditional statement, and an end for whoever kept an old one."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership, User
from audit.models import Event
from audit.vocabulary import EventName
from keys.models import KeyPair
from realms.models import Realm
from tests.provider import make_person, make_realm
from tests.tokens.clients import register
from tests.tokens.grants import begin, forge, refused, turn
from tokens import handles
from tokens.errors import InvalidGrant
from tokens.models import Client, Grant
from tokens.rotation import GRACE
from tokens.selectors import client_of, impact
from tokens.services.refresh import redeem
from tokens.services.tagging import open_refresh_token
from tokens.vocabulary import DIRECT_CLIENT_ID

pytestmark = pytest.mark.spec("RFC 6749 §6, RFC 9700 §4.14.2")
LATER = GRACE + timedelta(seconds=1)


def test_each_rotation_moves_the_row_and_adds_none(realm: Realm, ana: User, now: datetime) -> None:
    authorization, token = begin(realm, ana, now)
    for number in range(1, 6):
        moment = now + timedelta(hours=number)
        token = turn(token, realm, moment)
        grant = Grant.objects.get()
        assert grant.generation == number
        assert grant.rotated_at == moment
        assert grant.idle_expires_at == moment + realm.refresh_idle_lifetime
        assert grant.absolute_expires_at == authorization.expires_at
    assert str(grant) == str(authorization.grant_id)


def test_a_rotation_hands_on_what_was_granted_with_the_roles_of_now(realm: Realm, ana: User, now: datetime) -> None:
    authorization, token = begin(realm, ana, now)
    Membership.objects.update(roles=["editor"])
    client = client_of(realm_id=realm.pk, client_id=DIRECT_CLIENT_ID)
    assert client is not None
    found = redeem(*open_refresh_token(token, realm=realm, now=now), realm=realm, client=client, now=now)
    assert found == replace(authorization, roles=("editor",), generation=1, rotated_at=now)


def test_a_rotation_is_one_statement(realm: Realm, ana: User, now: datetime) -> None:
    _, token = begin(realm, ana, now)
    turn(token, realm, now)
    token = forge(realm, now, grant_id=Grant.objects.get().pk, generation=1)
    client = Client.objects.get(client_id=DIRECT_CLIENT_ID)
    with CaptureQueriesContext(connection) as statements:
        redeem(*open_refresh_token(token, realm=realm, now=now), realm=realm, client=client, now=now)
    assert [query["sql"].split()[0] for query in statements] == ["UPDATE"]


def test_inside_the_window_the_one_before_gets_the_same_successor_and_extends_nothing(
    realm: Realm, ana: User, now: datetime
) -> None:
    _, first = begin(realm, ana, now)
    second = turn(first, realm, now + timedelta(hours=1))
    before = Grant.objects.values().get()
    for wait in (timedelta(0), timedelta(seconds=4), GRACE):
        assert turn(first, realm, now + timedelta(hours=1) + wait) == second
    assert Grant.objects.values().get() == before
    assert refused(first, realm, now + timedelta(hours=1) + LATER) == "reuse"


def test_the_same_successor_is_the_same_across_a_takeover_of_the_mac_key(
    realm: Realm, ana: User, now: datetime
) -> None:
    takeover = KeyPair.objects.filter(ring__purpose="mac", activates_at__gt=now + timedelta(hours=1)).get().activates_at
    _, first = begin(realm, ana, takeover - timedelta(seconds=5))
    second = turn(first, realm, takeover - timedelta(seconds=3))
    assert turn(first, realm, takeover + timedelta(seconds=3)) == second
    third = turn(second, realm, takeover + timedelta(seconds=4))
    assert handles.decode(third)[0].mac_kid != handles.decode(second)[0].mac_kid
    turn(third, realm, takeover + timedelta(days=6))


def test_a_tab_with_a_slower_clock_gets_the_same_successor_too(realm: Realm, ana: User, now: datetime) -> None:
    _, first = begin(realm, ana, now)
    second = turn(first, realm, now + timedelta(seconds=3))
    assert turn(first, realm, now) == second


def test_a_worker_with_a_slower_clock_never_turns_time_back(realm: Realm, ana: User, now: datetime) -> None:
    _, first = begin(realm, ana, now)
    turn(first, realm, now - timedelta(seconds=5))
    assert Grant.objects.get().rotated_at == now


def test_older_ones_inside_the_window_are_refused_and_end_nothing(realm: Realm, ana: User, now: datetime) -> None:
    _, first = begin(realm, ana, now)
    third = turn(turn(first, realm, now), realm, now + timedelta(seconds=1))
    assert refused(first, realm, now + timedelta(seconds=2)) == "refuse"
    assert Grant.objects.get().revoked_at is None
    turn(third, realm, now + timedelta(seconds=3))


@pytest.mark.spec("RFC 9700 §4.14.2 replay-detected")
@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_reuse_outside_the_window_ends_the_grant(rotations: int, realm: Realm, ana: User, now: datetime) -> None:
    authorization, first = begin(realm, ana, now)
    newest = first
    for _ in range(rotations):
        newest = turn(newest, realm, now)
    assert refused(first, realm, now + LATER) == "reuse"
    grant = Grant.objects.get()
    assert (grant.revoked_at, grant.revocation_reason) == (now + LATER, "reuse")
    event = Event.objects.get(name=EventName.GRANT_REUSE_DETECTED)
    assert (event.target, event.realm) == (str(authorization.grant_id), "default")
    for token in (first, newest):
        assert refused(token, realm, now + LATER) == "refuse"
    assert Event.objects.filter(name=EventName.GRANT_REUSE_DETECTED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_reused_grant_is_committed_before_the_error_is_raised(now: datetime) -> None:
    """Whoever rolls back afterwards does not bring the grant back."""
    realm = make_realm()
    _, first = begin(realm, make_person(realm=realm), now)
    turn(first, realm, now)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        turn(first, realm, now + LATER)
    assert refused(first, realm, now + LATER) == "reuse"
    connection.close()
    assert Grant.objects.get().revocation_reason == "reuse"


def test_a_generation_that_the_row_has_not_reached_ends_the_grant(realm: Realm, ana: User, now: datetime) -> None:
    authorization, first = begin(realm, ana, now)
    ahead = forge(realm, now, grant_id=authorization.grant_id, generation=1)
    assert refused(ahead, realm, now) == "ahead"
    assert Grant.objects.get().revocation_reason == "ahead_of_database"
    assert Event.objects.get(name=EventName.GRANT_AHEAD_OF_DATABASE).target == str(authorization.grant_id)
    assert refused(first, realm, now) == "refuse"


def test_the_highest_generation_a_handle_can_name_is_refused_like_any_other(
    realm: Realm, ana: User, now: datetime
) -> None:
    authorization, _ = begin(realm, ana, now)
    assert refused(forge(realm, now, grant_id=authorization.grant_id, generation=2**32 - 1), realm, now) == "ahead"


OUT: dict[str, Callable[[], object]] = {
    "person": lambda: User.objects.update(is_active=False),
    "password": lambda: User.objects.update(signed_out_at=timezone.now() + timedelta(seconds=1)),
    "membership": lambda: Membership.objects.all().delete(),
    "client": lambda: Client.objects.update(enabled=False),
    "realm": lambda: Realm.objects.update(enabled=False),
}


@pytest.mark.parametrize("out", OUT)
def test_whoever_is_out_is_out_at_once(out: str, realm: Realm, ana: User, now: datetime) -> None:
    _, token = begin(realm, ana, now)
    OUT[out]()
    assert refused(token, realm, now) == "refuse"
    assert Grant.objects.get().generation == 0


def test_a_membership_of_another_realm_is_none_here(realm: Realm, ana: User, now: datetime) -> None:
    _, first = begin(realm, ana, now)
    second = turn(first, realm, now)
    Membership.objects.update(realm=make_realm("other", purposes=()))
    assert refused(second, realm, now) == "refuse"
    assert refused(first, realm, now) == "refuse"


@pytest.mark.parametrize("out", ["person", "password", "membership", "client"])
def test_the_window_is_no_way_back_in(out: str, realm: Realm, ana: User, now: datetime) -> None:
    _, token = begin(realm, ana, now)
    turn(token, realm, now)
    OUT[out]()
    assert refused(token, realm, now) == "refuse"


@pytest.mark.spec("RFC 9700 §4.14.2 idle-expiry")
def test_a_grant_ends_when_it_was_idle_for_too_long(realm: Realm, ana: User, now: datetime) -> None:
    _, token = begin(realm, ana, now)
    idle = realm.refresh_idle_lifetime
    token = turn(token, realm, now + idle - timedelta(seconds=1))
    assert refused(token, realm, now + 2 * idle) == "refuse"


def test_a_grant_ends_at_its_absolute_end_however_often_it_is_used(realm: Realm, ana: User, now: datetime) -> None:
    authorization, token = begin(realm, ana, now)
    moment = now
    while moment + timedelta(days=6) < authorization.expires_at:
        moment += timedelta(days=6)
        token = turn(token, realm, moment)
    assert Grant.objects.get().idle_expires_at == authorization.expires_at
    assert refused(token, realm, authorization.expires_at) == "refuse"


@pytest.mark.spec("RFC 6749 §6 token-of-client, RFC 6749 §10.4 token-bound, OIDC Core §12.1 token-checked")
def test_another_clients_token_is_refused_and_harms_nothing(realm: Realm, ana: User, now: datetime) -> None:
    _, token = begin(realm, ana, now)
    another = register(realm, "another")[0]
    with pytest.raises(InvalidGrant) as refusal:
        redeem(*open_refresh_token(token, realm=realm, now=now), realm=realm, client=another, now=now)
    assert refusal.value.detail == "no_such_grant"
    turn(token, realm, now)


def test_another_realms_token_is_refused_without_a_query(realm: Realm, ana: User, now: datetime) -> None:
    other = make_realm("other")
    _, token = begin(realm, ana, now)
    open_refresh_token(forge(other, now, grant_id=UUID(int=1)), realm=other, now=now)
    with CaptureQueriesContext(connection) as statements:
        assert refused(token, other, now) == "forged"
    assert not statements.captured_queries


@pytest.mark.spec("RFC 6749 §10.4 token-unforgeable")
def test_another_purpose_is_refused_without_a_query(realm: Realm, ana: User, now: datetime) -> None:
    authorization, _ = begin(realm, ana, now)
    token = forge(realm, now, grant_id=authorization.grant_id, purpose=2)
    with CaptureQueriesContext(connection) as statements:
        assert refused(token, realm, now) == "purpose"
    assert not statements.captured_queries


@pytest.mark.spec("design: tokens.md, the epoch")
def test_a_raised_epoch_ends_all_earlier_handles(
    realm: Realm, ana: User, now: datetime, settings: LazySettings
) -> None:
    _, token = begin(realm, ana, now)
    settings.IDP_HANDLE_EPOCH = 1
    with CaptureQueriesContext(connection) as statements:
        assert refused(token, realm, now) == "epoch"
    assert not statements.captured_queries
    _, token = begin(realm, ana, now)
    settings.IDP_HANDLE_EPOCH = 0
    assert refused(token, realm, now) == "epoch"


@pytest.mark.spec(
    "RFC 6749 §6 token-checked, RFC 6749 §10.4 token-unforgeable, RFC 9700 §4.14.2 integrity",
    "OIDC Core §12.1 token-checked",
)
def test_a_flipped_bit_anywhere_is_refused_without_a_query(realm: Realm, ana: User, now: datetime) -> None:
    _, token = begin(realm, ana, now)
    raw = base64.urlsafe_b64decode(token)
    with CaptureQueriesContext(connection) as statements:
        for position in range(len(raw)):
            for bit in (1, 128):
                flipped = bytearray(raw)
                flipped[position] ^= bit
                with pytest.raises(InvalidGrant):
                    open_refresh_token(base64.urlsafe_b64encode(flipped).decode(), realm=realm, now=now)
    assert not statements.captured_queries
    assert open_refresh_token(token, realm=realm, now=now)[1] == 0


@pytest.mark.spec("RFC 6749 §6 token-checked")
@pytest.mark.parametrize("text", ["x", "é" * 88, "A" * 88, "A" * 87 + "=", "\0" * 88])
def test_what_is_no_handle_is_refused_without_a_query(text: str, realm: Realm, now: datetime) -> None:
    with CaptureQueriesContext(connection) as statements, pytest.raises(InvalidGrant):
        open_refresh_token(text, realm=realm, now=now)
    reads_of_grants = [query for query in statements.captured_queries if "tokens_grant" in query["sql"]]
    assert not reads_of_grants


def test_a_right_tag_for_a_grant_that_is_not_there_is_refused(realm: Realm, ana: User, now: datetime) -> None:
    assert refused(forge(realm, now, grant_id=UUID(int=1)), realm, now) == "no_such_grant"


def test_a_compromise_hits_the_grants_that_live(realm: Realm, ana: User, now: datetime) -> None:
    begin(realm, ana, now)
    begin(realm, ana, now)
    Grant.objects.filter(pk=str(begin(realm, ana, now)[0].grant_id)).update(idle_expires_at=now)
    Grant.objects.filter(pk=str(begin(realm, ana, now)[0].grant_id)).update(revoked_at=now, revocation_reason="logout")
    assert impact(realm.pk, now) == {"live grants": 2, "clients": 1}
    assert impact(make_realm("other").pk, now) == {"live grants": 0, "clients": 1}
