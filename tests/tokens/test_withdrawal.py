"""Taking a consent back, and ending several grants, whatever else happens at the same moment."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.selectors import LiveSession
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, post, register, sent_back
from tests.keys.test_concurrent_writers import InThread, waiting_for_a_lock
from tests.provider import Browser, make_person, make_realm
from tests.tokens.clients import register as register_plain
from tests.tokens.devices import a_television, ask, at_once, poll, say, signed_in, word
from tests.tokens.grants import begin, refused, turn
from tokens.errors import InvalidGrant
from tokens.models import Client, Consent, Grant
from tokens.services import authorize
from tokens.services.codes import redeem_code
from tokens.services.consent import Withdrawal, remember, still_covers, withdraw, withdraw_each
from tokens.services.refresh import redeem
from tokens.services.revocation import end_grants
from tokens.vocabulary import DIRECT_CLIENT_ID, RevocationReason

SCOPES = ("openid", "offline_access")
pytestmark = pytest.mark.spec("issue: no refresh token works after a withdrawal")


def consent(person: User, client: Client, now: datetime) -> Consent:
    remember(person=person, client=client, scopes=SCOPES, now=now)
    return Consent.objects.get(user=person, client=client)


def take_back(person: User, client: Client, now: datetime) -> Withdrawal:
    return withdraw(person=person, client=client, actor=f"user:{person.subject}", now=now)


def direct(realm: Realm) -> Client:
    return Client.objects.get(realm=realm, client_id=DIRECT_CLIENT_ID)


class TestRemembering:
    def test_scopes_add_up_and_the_last_decision_counts(self, realm: Realm, ana: User, now: datetime) -> None:
        client, later = register_plain(realm)[0], now + timedelta(days=1)
        remember(person=ana, client=client, scopes=("openid", "notes:read"), now=now)
        remember(person=ana, client=client, scopes=("Zebra", "openid", "email"), now=later)
        found = Consent.objects.get()
        assert (found.scopes, found.granted_at) == (["Zebra", "email", "notes:read", "openid"], later)
        remember(person=ana, client=client, scopes=(), now=later)
        assert Consent.objects.get().scopes == found.scopes

    def test_a_consent_of_nothing_is_an_empty_list(self, realm: Realm, ana: User, now: datetime) -> None:
        client = register_plain(realm)[0]
        for _ in range(2):
            remember(person=ana, client=client, scopes=(), now=now)
            assert Consent.objects.get().scopes == []

    def test_a_consent_covers_what_was_allowed_and_no_more(self, realm: Realm, ana: User, now: datetime) -> None:
        client = register_plain(realm)[0]
        with transaction.atomic():
            assert not still_covers(("openid",), person=ana, client=client)
            consent(ana, client, now)
            assert still_covers(("openid",), person=ana, client=client)
            assert not still_covers(("openid", "email"), person=ana, client=client)


class TestEndingSeveral:
    def test_those_that_stand_end_with_an_event_each_and_the_operators_words(
        self, realm: Realm, ana: User, now: datetime
    ) -> None:
        first, second, ended, over = (str(begin(realm, ana, now)[0].grant_id) for _ in range(4))
        Grant.objects.filter(pk=ended).update(revoked_at=now, revocation_reason="logout")
        Grant.objects.filter(pk=over).update(
            created_at=now - timedelta(days=9), rotated_at=now - timedelta(days=9), idle_expires_at=now,
            absolute_expires_at=now,
        )  # fmt: skip
        count = end_grants(
            Grant.objects.all(), reason=RevocationReason.OPERATOR, actor="user:root", now=now, because="A leak."
        )
        assert count == 2
        events = Event.objects.filter(name=EventName.GRANT_ENDED)
        assert {(event.target, event.actor, event.reason, event.realm) for event in events} == {
            (pk, "user:root", "A leak.", "default") for pk in (first, second)
        }
        assert {event.details["reason"] for event in events} == {"operator"}
        assert Grant.objects.get(pk=ended).revocation_reason == "logout"
        assert Grant.objects.get(pk=over).revoked_at is None

    def test_nothing_to_end_leaves_no_event(self, realm: Realm, now: datetime) -> None:
        everything = Grant.objects.all()
        assert end_grants(everything, reason=RevocationReason.OPERATOR, actor="", now=now) == 0
        assert not Event.objects.filter(name=EventName.GRANT_ENDED).exists()

    def test_a_refresh_token_of_one_that_ended_is_refused(self, realm: Realm, ana: User, now: datetime) -> None:
        _begun, token = begin(realm, ana, now)
        successor = turn(token, realm, now)
        end_grants(Grant.objects.all(), reason=RevocationReason.OPERATOR, actor="", now=now)
        assert [refused(each, realm, now) for each in (token, successor)] == ["refuse", "refuse"]


class TestWithdrawingSeveral:
    def test_each_takes_its_own_grants_with_it_in_as_many_queries_as_one(self, realm: Realm, now: datetime) -> None:
        counts = []
        kept = make_person("kept", realm=realm)
        client, other = register_plain(realm)[0], register_plain(realm, "other")[0]
        consent(kept, client, now)
        grant_for(kept, client, now)
        for several in (1, 20):
            people = [make_person(f"p{several}-{number}", realm=realm) for number in range(several)]
            rows = [consent(person, client, now) for person in people]
            for person in people:
                grant_for(person, client, now)
                grant_for(person, other, now)
            with CaptureQueriesContext(connection) as statements:
                done = withdraw_each([row.pk for row in rows], actor="user:root", now=now, because="They asked.")
            counts.append(len(statements))
            assert done == Withdrawal(consents=several, grants=several)
        assert counts[0] == counts[1]
        assert set(Consent.objects.values_list("user__username", flat=True)) == {"kept"}
        assert set(Grant.objects.filter(revoked_at=None, client=client).values_list("user", flat=True)) == {kept.pk}
        assert Grant.objects.filter(revoked_at=None, client=other).count() == 21
        events = Event.objects.filter(name__in=[EventName.CONSENT_WITHDRAWN, EventName.GRANT_ENDED])
        assert {(event.actor, event.reason) for event in events} == {("user:root", "They asked.")}
        assert events.count() == 42

    def test_what_is_gone_is_passed_over(self, realm: Realm, now: datetime) -> None:
        assert withdraw_each([1, 2, 3], actor="", now=now, because="") == Withdrawal(0, 0)


def grant_for(person: User, client: Client, now: datetime) -> Grant:
    ends = now + timedelta(hours=1)
    return Grant.objects.create(
        realm=client.realm, client=client, user=person, scopes=list(SCOPES), auth_time=now, created_at=now,
        rotated_at=now, idle_expires_at=ends, absolute_expires_at=ends,
    )  # fmt: skip


@pytest.fixture
def committed(transactional_db: None) -> Realm:
    """A realm in a database that other connections see."""
    return make_realm()


@pytest.fixture
def cleo(committed: Realm) -> User:
    return make_person("cleo", realm=committed)


def meanwhile(held: Callable[[], object], waiting: Sequence[Callable[[], object]]) -> list[BaseException | None]:
    """Have some wait for what another holds; the other commits once they do."""
    reached, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            held()
            reached.set()
            assert release.wait(20)

    holding = InThread(hold)
    assert reached.wait(20)
    others = [InThread(work) for work in waiting]
    while not waiting_for_a_lock():
        assert any(other.is_alive() for other in others), "nobody waited"
    release.set()
    return [thread.outcome() for thread in (holding, *others)]


class TestRaces:
    def test_a_refresh_that_runs_first_gives_a_token_that_is_void(
        self, committed: Realm, cleo: User, now: datetime
    ) -> None:
        begun, token = begin(committed, cleo, now)
        client = direct(committed)

        def refresh() -> None:
            redeem(begun.grant_id, 0, realm=committed, client=client, now=now)  # type: ignore[arg-type]

        assert meanwhile(refresh, [lambda: take_back(cleo, client, now)]) == [None, None]
        grant = Grant.objects.get()
        assert (grant.generation, grant.revocation_reason) == (1, RevocationReason.WITHDRAWN)
        assert refused(token, committed, now) == "refuse"

    def test_a_refresh_that_comes_while_it_is_taken_back_gets_nothing(
        self, committed: Realm, cleo: User, now: datetime
    ) -> None:
        _begun, token = begin(committed, cleo, now)

        def ending() -> None:  # as a withdrawal does, in a transaction that is held open here
            end_grants(Grant.objects.all(), reason=RevocationReason.WITHDRAWN, actor="", now=now)

        _ended, outcome = meanwhile(ending, [lambda: turn(token, committed, now)])
        assert getattr(outcome, "detail", outcome) == "refuse"
        assert Grant.objects.get().generation == 0

    def test_of_refreshes_and_a_withdrawal_at_once_no_token_is_left(
        self, committed: Realm, cleo: User, now: datetime
    ) -> None:
        client = direct(committed)
        held = [begin(committed, cleo, now)[1] for _ in range(9)]
        left: list[str] = []

        def act(number: int) -> None:
            if number == len(held):
                take_back(cleo, client, now)
                return
            token = held[number]
            try:
                for _ in range(20):
                    token = turn(token, committed, now)
                    left.append(token)
            except InvalidGrant:
                pass

        at_once(len(held) + 1, act)
        tokens = [*held, *left]
        assert {refused(token, committed, now) for token in tokens} == {"refuse"}
        assert Event.objects.filter(name=EventName.GRANT_ENDED).count() == len(held)

    @pytest.mark.spec("RFC 6749 §4.1.2")
    def test_a_code_that_is_redeemed_meanwhile_gives_tokens_that_are_void(
        self, committed: Realm, cleo: User, now: datetime
    ) -> None:
        app = register(committed, Browser(), now, first_party=False)
        app.sign_in("cleo")
        page = app.authorize(scope="openid offline_access")["Location"]
        code = sent_back(post(app.browser, page, {"decision": "allow"}))["code"]

        def exchange() -> None:
            redeem_code(
                code, redirect_uri="https://app.example.org/cb", code_verifier="v" * 43, realm=committed,
                client=app.client, now=now,
            )  # fmt: skip

        assert meanwhile(exchange, [lambda: take_back(cleo, app.client, now)]) == [None, None]
        grant = Grant.objects.get()
        assert grant.code_used_at is not None
        assert grant.revocation_reason == RevocationReason.WITHDRAWN

    def test_a_grant_that_begins_meanwhile_is_found(
        self, committed: Realm, cleo: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The request has seen the consent and writes its grant when the withdrawal comes: that waits, and ends it."""
        app = remembered(committed, cleo, now)
        save, withdrawing = Grant.save, list[InThread]()

        def late(grant: Grant, **more: Any) -> None:
            withdrawing.append(InThread(lambda: take_back(cleo, app.client, now)))
            while not waiting_for_a_lock():
                assert withdrawing[0].is_alive(), "it didn't wait"
                with connection.cursor() as cursor:  # in a transaction, PostgreSQL shows always the same moment
                    cursor.execute("SELECT pg_stat_clear_snapshot()")
            save(grant, **more)

        monkeypatch.setattr(Grant, "save", late)
        code = sent_back(app.authorize())["code"]
        assert withdrawing[0].outcome() is None
        monkeypatch.undo()
        assert app.exchange(code).json()["error"] == "invalid_grant"
        assert not Grant.objects.filter(revoked_at=None).exists()

    @pytest.mark.parametrize(("prompt", "place"), [(None, "/consent"), ("none", f"{CALLBACK}?error=consent_required&")])
    def test_a_request_that_has_seen_the_consent_asks_again_where_it_is_gone_by_then(
        self,
        committed: Realm,
        cleo: User,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
        prompt: str | None,
        place: str,
    ) -> None:
        app = remembered(committed, cleo, now)
        answer_of = authorize._answer_of

        def slow(*arguments: Any, **more: Any) -> dict[str, str]:
            assert InThread(lambda: take_back(cleo, app.client, now)).outcome() is None
            return answer_of(*arguments, **more)

        monkeypatch.setattr(authorize, "_answer_of", slow)
        answer = app.authorize(prompt=prompt)
        assert answer["Location"].startswith(place)
        assert prompt is None or sent_back(answer).keys() == {"error", "error_description", "iss", "state"}
        assert not Grant.objects.filter(revoked_at=None).exists()
        assert not Consent.objects.exists()

    def test_a_device_that_is_allowed_meanwhile_gets_nothing(self, committed: Realm, cleo: User, now: datetime) -> None:
        television = a_television(committed)
        live: LiveSession = signed_in(cleo, committed, now)
        consent(cleo, television, now)
        device_code, user_code = ask(committed, now)
        outcomes = meanwhile(lambda: say(user_code, live, now), [lambda: take_back(cleo, television, now)])
        assert outcomes == [None, None]
        assert word(poll(device_code, television, now)) == "invalid_grant"
        assert not Consent.objects.exists()

    def test_a_consent_that_is_allowed_again_while_it_is_taken_back_is_whole(
        self, committed: Realm, cleo: User, now: datetime
    ) -> None:
        client = register_plain(committed)[0]
        consent(cleo, client, now)

        def gone() -> None:
            Consent.objects.all().delete()

        again = [lambda: remember(person=cleo, client=client, scopes=("email",), now=now)]
        assert meanwhile(gone, again) == [None, None]
        assert Consent.objects.get().scopes == ["email"]

    def test_of_two_who_end_the_same_grants_at_once_one_ends_each(
        self, committed: Realm, cleo: User, now: datetime
    ) -> None:
        for _ in range(10):
            begin(committed, cleo, now)
        ended: list[int] = []

        def end(reason: RevocationReason) -> None:
            ended.append(end_grants(Grant.objects.all(), reason=reason, actor="", now=now))

        outcomes = meanwhile(lambda: end(RevocationReason.OPERATOR), [lambda: end(RevocationReason.WITHDRAWN)])
        assert outcomes == [None, None]
        assert ended == [10, 0]
        assert set(Grant.objects.values_list("revocation_reason", flat=True)) == {RevocationReason.OPERATOR}
        assert Event.objects.filter(name=EventName.GRANT_ENDED).count() == 10

    def test_of_many_withdrawals_at_once_one_counts(self, committed: Realm, cleo: User, now: datetime) -> None:
        client = register_plain(committed)[0]
        consent(cleo, client, now)
        for _ in range(10):
            grant_for(cleo, client, now)
        done = at_once(8, lambda _number: take_back(cleo, client, now))
        assert sorted((each.consents, each.grants) for each in done) == [(0, 0)] * 7 + [(1, 10)]
        assert Event.objects.filter(name=EventName.GRANT_ENDED).count() == 10
        assert Event.objects.filter(name=EventName.CONSENT_WITHDRAWN).count() == 1


def remembered(realm: Realm, person: User, now: datetime) -> App:
    """A client that isn't asked about any more."""
    app = register(realm, Browser(), now, first_party=False)
    app.sign_in(person.username)
    sent_back(post(app.browser, app.authorize()["Location"], {"decision": "allow"}))
    assert "code" in sent_back(app.authorize())
    return app
