"""Sessions of people: they begin with a proof, count in one realm, and end once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, close_old_connections, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts import hooks
from accounts.errors import ChallengeOver
from accounts.models import Membership, Session, User
from accounts.selectors import SESSION_LIFETIME, LiveSession, live_session, standing_sessions
from accounts.services.sessions import begin_session, end_session, end_sessions_of, step_up
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import SessionEnd
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import make_person, make_realm

SECOND = timedelta(seconds=1)


def begin(person: User, realm: Realm, now: datetime, replacing: Session | None = None) -> Session:
    return begin_session(realm=realm, signed_in=SignedIn(person, (), now, ("pwd",)), replacing=replacing, now=now)


@pytest.fixture
def session(ana: User, realm: Realm, now: datetime) -> Session:
    return begin(ana, realm, now)


def test_a_session_begins_with_its_proof_and_an_event(ana: User, realm: Realm, now: datetime) -> None:
    signed_in = SignedIn(ana, (), now - SECOND, ("pwd", "otp"))
    session = begin_session(realm=realm, signed_in=signed_in, now=now)
    session.refresh_from_db()
    assert (session.user, session.realm, session.auth_time) == (ana, realm, now - SECOND)
    assert (session.created_at, session.methods, session.ended_at) == (now, ["pwd", "otp"], None)
    event = Event.objects.get(name=EventName.SESSION_BEGUN)
    assert (event.realm, event.actor, event.target) == ("default", f"user:{ana.subject}", session.sid)


@pytest.mark.spec("OIDC Back-Channel Logout §2.1 sid")
def test_a_sid_is_128_random_bits(ana: User, realm: Realm, now: datetime) -> None:
    sids = {begin(ana, realm, now).sid for _ in range(20)}
    assert len(sids) == 20
    assert {len(sid) for sid in sids} == {22}


def test_a_live_session_is_found_with_its_person_and_roles_in_one_query(
    session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    Membership.objects.filter(user=ana).update(roles=["editor", "reader"])
    with CaptureQueriesContext(connection) as statements:
        found = live_session(session.sid, realm=realm, now=now)
        assert found is not None
        assert (found.person.username, found.session.realm_id) == ("ana", realm.pk)
    assert len(statements) == 1
    assert found == LiveSession(session, ana, ("editor", "reader"))


@pytest.mark.spec("tokens.md, a session of one realm satisfies no other")
def test_a_session_of_one_realm_satisfies_no_other(session: Session, ana: User, realm: Realm, now: datetime) -> None:
    other = make_realm("other", purposes=())
    Membership.objects.create(user=ana, realm=other, created_at=now)
    assert live_session(session.sid, realm=other, now=now) is None
    assert live_session(begin(ana, other, now).sid, realm=realm, now=now) is None


ENDINGS: dict[str, Callable[[User, datetime], object]] = {
    "disabled": lambda ana, now: User.objects.filter(pk=ana.pk).update(is_active=False),
    "no member any more": lambda ana, now: Membership.objects.filter(user=ana).delete(),
    "another password": lambda ana, now: User.objects.filter(pk=ana.pk).update(
        signed_out_at=now + timedelta(microseconds=1)
    ),
    "ended": lambda ana, now: Session.objects.update(ended_at=now, end_reason=SessionEnd.OPERATOR),
    "gone": lambda ana, now: Session.objects.all().delete(),
}


@pytest.mark.spec("tokens.md, how soon a stop takes hold")
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stop_takes_hold_at_once(ending: str, session: Session, ana: User, realm: Realm, now: datetime) -> None:
    assert live_session(session.sid, realm=realm, now=now) is not None
    ENDINGS[ending](ana, now)
    assert live_session(session.sid, realm=realm, now=now) is None


def test_a_password_that_is_older_than_the_sign_in_ends_nothing(
    session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    User.objects.filter(pk=ana.pk).update(signed_out_at=now)
    assert live_session(session.sid, realm=realm, now=now) is not None


def test_a_password_changed_between_the_proof_and_the_session_ends_it(ana: User, realm: Realm, now: datetime) -> None:
    signed_in = SignedIn(ana, (), now, ("pwd",))
    User.objects.filter(pk=ana.pk).update(signed_out_at=now + SECOND)
    session = begin_session(realm=realm, signed_in=signed_in, now=now + 2 * SECOND)
    assert live_session(session.sid, realm=realm, now=now + 2 * SECOND) is None


def test_a_session_ends_with_its_lifetime(session: Session, realm: Realm, now: datetime) -> None:
    assert live_session(session.sid, realm=realm, now=now + SESSION_LIFETIME - SECOND) is not None
    assert live_session(session.sid, realm=realm, now=now + SESSION_LIFETIME) is None


@pytest.mark.parametrize(
    "sid", ["", "\0" * 22, "x" * 22, "x" * 10_000, "a\nb", "' OR true --", "\ud800" * 22, "é" * 22]
)
def test_a_sid_that_nobody_has(sid: str, session: Session, realm: Realm, now: datetime) -> None:
    assert live_session(sid, realm=realm, now=now) is None
    assert (live_session(session.sid + sid, realm=realm, now=now) is None) is bool(sid)


def test_a_session_ends_once_with_one_event(session: Session, ana: User, now: datetime) -> None:
    later = now + SECOND
    assert end_session(session, reason=SessionEnd.SIGNED_OUT, actor=f"user:{ana.subject}", now=later)
    assert not end_session(session, reason=SessionEnd.OPERATOR, actor="user:other", now=later + SECOND)
    session.refresh_from_db()
    assert (session.ended_at, session.end_reason) == (later, SessionEnd.SIGNED_OUT)
    event = Event.objects.get(name=EventName.SESSION_ENDED)
    assert (event.target, event.actor, event.details) == (session.sid, f"user:{ana.subject}", {"reason": "signed_out"})


def test_somebody_elses_session_in_the_browser_ends_with_a_new_one(
    session: Session, realm: Realm, now: datetime
) -> None:
    eve = make_person("eve", realm=realm)
    begin(eve, realm, now, replacing=session)
    session.refresh_from_db()
    assert session.end_reason == SessionEnd.REPLACED


def test_ones_own_session_goes_on_for_the_clients_that_know_it(
    session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    begin(ana, realm, now, replacing=session)
    assert live_session(session.sid, realm=realm, now=now) is not None


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5: every client that the browser signed in to")
def test_what_one_browser_had_of_one_person_ends_together(
    session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    told: list[Sequence[int]] = []
    elsewhere = begin(ana, realm, now)
    second = begin(ana, realm, now, replacing=session)
    third = begin(ana, realm, now, replacing=second)
    assert (session.lineage, second.lineage, third.lineage) == ("", session.sid, session.sid)
    hooks.register_sessions_ended(listener := lambda ended, _now: told.append(ended))
    try:
        assert end_session(third, reason=SessionEnd.SIGNED_OUT, actor="test", now=now)
        assert not end_session(session, reason=SessionEnd.SIGNED_OUT, actor="test", now=now)
    finally:
        hooks._listeners.remove(listener)
    assert told == [[session.pk, second.pk, third.pk]]
    assert Event.objects.filter(name=EventName.SESSION_ENDED).count() == 3
    assert live_session(elsewhere.sid, realm=realm, now=now) is not None


def test_somebody_elses_session_is_no_part_of_it(session: Session, realm: Realm, now: datetime) -> None:
    assert begin(make_person("eve", realm=realm), realm, now, replacing=session).lineage == ""


@pytest.mark.django_db(transaction=True)
def test_of_many_who_end_a_session_at_once_one_does(now: datetime) -> None:
    realm = make_realm(purposes=())
    session = begin(make_person(realm=realm), realm, now)

    def end(_: int) -> bool:
        close_old_connections()
        try:
            mine = Session.objects.get(pk=session.pk)
            return end_session(mine, reason=SessionEnd.SIGNED_OUT, actor="test", now=now)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(end, range(8))) == [False] * 7 + [True]
    assert Event.objects.filter(name=EventName.SESSION_ENDED).count() == 1


def changes(now: datetime) -> dict[str, dict[str, Any]]:
    return {
        "sid": {"sid": "A" * 22},
        "lineage": {"lineage": "A" * 22},
        "auth_time": {"auth_time": now - SECOND},
        "methods": {"methods": ["hwk"]},
        "created_at": {"created_at": now + SECOND},
        "user": {"user": make_person("eve", realm=None)},
        "realm": {"realm": make_realm("other", purposes=())},
    }


@pytest.mark.spec("tokens.md, sessions")
@pytest.mark.parametrize("column", ["sid", "lineage", "auth_time", "methods", "created_at", "user", "realm"])
def test_the_database_changes_nothing_of_a_session(column: str, session: Session, now: datetime) -> None:
    change = changes(now)[column]
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        Session.objects.filter(pk=session.pk).update(**change)


def test_the_database_takes_no_end_back(session: Session, now: datetime) -> None:
    end_session(session, reason=SessionEnd.SIGNED_OUT, actor="test", now=now)
    with pytest.raises(IntegrityError, match="final"), transaction.atomic():
        Session.objects.filter(pk=session.pk).update(ended_at=None, end_reason="")


@pytest.mark.parametrize(
    ("rule", "columns"),
    [
        ("session_sid_form", {"sid": "short"}),
        ("session_methods_are_a_list", {"methods": "pwd"}),
        ("session_ends_with_a_reason", {"end_reason": "signed_out"}),
        ("session_ends_with_a_reason", {"ended_at": True}),
        ("session_ends_with_a_reason", {"ended_at": True, "end_reason": "whim"}),
        ("session_begins_with_a_proof", {"auth_time": True}),
    ],
)
def test_the_database_refuses_what_is_no_session(
    rule: str, columns: dict[str, Any], ana: User, realm: Realm, now: datetime
) -> None:
    moments = {name: now + SECOND if value is True else value for name, value in columns.items()}
    fields = {"user": ana, "realm": realm, "auth_time": now, "created_at": now, "methods": ["pwd"], **moments}
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        Session.objects.create(**fields)


def test_a_session_reads_as_its_sid(session: Session) -> None:
    assert str(session) == session.sid


def test_all_but_the_kept_one_end_with_what_it_continues_left_alone(
    session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    kept = begin(ana, realm, now, replacing=session)
    others = [begin(ana, realm, now) for _ in range(2)]
    others.append(begin(ana, realm, now, replacing=others[0]))
    count = end_sessions_of(ana, reason=SessionEnd.SIGNED_OUT, actor="test", now=now, realm=realm, keeping=kept)
    assert count == 3
    assert set(Session.objects.filter(ended_at=None)) == {session, kept}


def test_of_those_that_one_browser_had_the_last_is_told(
    session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    second = begin(ana, realm, now + SECOND, replacing=session)
    elsewhere = begin(ana, realm, now + 2 * SECOND)
    later = now + 3 * SECOND
    assert standing_sessions(ana, realm=realm, now=later) == [elsewhere, second]
    assert standing_sessions(ana, realm=realm, now=now + SESSION_LIFETIME + SECOND) == [elsewhere]
    User.objects.filter(pk=ana.pk).update(signed_out_at=now + 2 * SECOND)
    assert standing_sessions(ana, realm=realm, now=later) == [elsewhere]
    assert standing_sessions(make_person("eve", realm=realm), realm=realm, now=later) == []


@pytest.mark.spec("RFC 9470 §3")
def test_a_further_proof_makes_a_surer_session_of_the_same_sign_in(
    session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    later = now + timedelta(hours=1)
    surer = step_up(realm=realm, live=LiveSession(session, ana, ()), methods=("otp",), now=later)
    assert (surer.methods, surer.lineage) == (["pwd", "otp", "mfa"], session.sid)
    assert (surer.auth_time, surer.created_at) == (session.auth_time, later)
    assert live_session(session.sid, realm=realm, now=later)
    end_session(surer, reason=SessionEnd.SIGNED_OUT, actor="x", now=later)
    assert live_session(session.sid, realm=realm, now=later) is None


def test_a_session_that_ended_meanwhile_becomes_no_surer(
    session: Session, ana: User, realm: Realm, now: datetime
) -> None:
    live = LiveSession(session, ana, ())
    end_session(session, reason=SessionEnd.OPERATOR, actor="x", now=now)
    with pytest.raises(ChallengeOver):
        step_up(realm=realm, live=live, methods=("otp",), now=now)
    assert Session.objects.count() == 1
