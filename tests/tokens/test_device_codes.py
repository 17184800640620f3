"""Polling: patience, and one winner; whichever workers the polls and decisions meet."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from accounts.models import User
from accounts.selectors import LiveSession
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import make_person, make_realm
from tests.tokens.devices import a_television, all_have_looked, ask, at_once, poll, say, signed_in, word
from tokens.errors import TemporarilyUnavailable, UserCodeRefused
from tokens.models import LONGEST_INTERVAL, Client, Consent, DeviceAuthorization, Grant
from tokens.selectors import device_authorization_of
from tokens.services.device_authorization import LIFETIME, digest_of
from tokens.services.device_codes import JITTER
from tokens.services.device_decision import asked_under

SECOND = timedelta(seconds=1)
POLLED = "tokens.services.device_codes.device_authorization_of"


@pytest.fixture
def television(realm: Realm) -> Client:
    return a_television(realm)


@pytest.fixture
def live(realm: Realm, ana: User, now: datetime) -> LiveSession:
    return signed_in(ana, realm, now)


def interval() -> timedelta:
    return DeviceAuthorization.objects.get().poll_interval


class TestPatience:
    """authorization_pending and slow_down."""

    @pytest.mark.spec("RFC 8628 §3.5 pending, RFC 8628 §3.5 expired, authorization_pending")
    def test_whoever_waits_the_interval_may_ask_until_the_end(
        self, realm: Realm, television: Client, now: datetime
    ) -> None:
        code, _ = ask(realm, now)
        words = [word(poll(code, television, now + 5 * number * SECOND)) for number in range(120)]
        assert set(words) == {"authorization_pending"}
        assert word(poll(code, television, now + LIFETIME)) == "expired_token"
        assert interval() == 5 * SECOND

    @pytest.mark.spec("RFC 8628 §3.5 slow-down, slow_down")
    def test_whoever_asks_too_soon_has_to_wait_5_seconds_longer_each_time(
        self, realm: Realm, television: Client, now: datetime
    ) -> None:
        code, _ = ask(realm, now)
        said = [
            (word(poll(code, television, now + seconds * SECOND)), interval() // SECOND)
            for seconds in (0, 3, 12, 22, 30, 45, 60)
        ]
        assert said == [
            ("authorization_pending", 5),
            ("slow_down", 10),
            ("authorization_pending", 10),  # 9 s later: a second for the way
            ("authorization_pending", 10),
            ("slow_down", 15),
            ("authorization_pending", 15),
            ("authorization_pending", 15),
        ]

    @pytest.mark.spec("RFC 8628 §3.5, slow_down")
    def test_a_poll_that_came_too_soon_counts_for_the_next(
        self, realm: Realm, television: Client, now: datetime
    ) -> None:
        code, _ = ask(realm, now)
        words = [word(poll(code, television, now + number * SECOND)) for number in range(30)]
        assert words == ["authorization_pending", *["slow_down"] * 29]
        assert interval() == LONGEST_INTERVAL
        assert word(poll(code, television, now + 29 * SECOND + LONGEST_INTERVAL)) == "authorization_pending"

    def test_the_network_may_take_a_second_more_or_less(self, realm: Realm, television: Client, now: datetime) -> None:
        code, _ = ask(realm, now)
        poll(code, television, now)
        assert word(poll(code, television, now + 5 * SECOND - JITTER)) == "authorization_pending"
        soon = now + 5 * SECOND - JITTER + 5 * SECOND - JITTER - timedelta(milliseconds=1)
        assert word(poll(code, television, soon)) == "slow_down"

    def test_a_worker_whose_clock_is_behind_does_not_turn_back_the_last_poll(
        self, realm: Realm, television: Client, now: datetime
    ) -> None:
        code, _ = ask(realm, now)
        poll(code, television, now)
        assert word(poll(code, television, now - SECOND)) == "slow_down"
        assert DeviceAuthorization.objects.get().last_polled_at == now

    @pytest.mark.spec("RFC 8628 §3.5")
    def test_a_decision_is_told_at_once_however_soon_the_poll(
        self, realm: Realm, television: Client, live: LiveSession, now: datetime
    ) -> None:
        allowed, first = ask(realm, now)
        denied, second = ask(realm, now)
        for code in (allowed, denied):
            poll(code, television, now)
        say(first, live, now)
        say(second, live, now, allowed=False)
        assert [word(poll(code, television, now)) for code in (allowed, denied)] == ["granted", "access_denied"]


class TestRaces:
    """The same at once."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.mark.spec("RFC 8628 §3.5, one winner of several parallel redemptions")
    def test_of_twenty_polls_one_gets_the_tokens(
        self,
        realm: Realm,
        television: Client,
        live: LiveSession,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        code, user_code = ask(realm, now)
        say(user_code, live, now)
        all_have_looked(monkeypatch, POLLED, 20)
        words = Counter(word(answer) for answer in at_once(20, lambda _number: poll(code, television, now)))
        assert words == {"granted": 1, "invalid_grant": 19}

    @pytest.mark.spec("RFC 8628 §3.5, slow_down")
    def test_of_twenty_polls_one_was_patient(
        self, realm: Realm, television: Client, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code, _ = ask(realm, now)
        all_have_looked(monkeypatch, POLLED, 20)
        words = Counter(word(answer) for answer in at_once(20, lambda _number: poll(code, television, now)))
        assert words == {"authorization_pending": 1, "slow_down": 19}
        assert interval() == LONGEST_INTERVAL

    @pytest.mark.spec("RFC 8628 §3.5")
    def test_a_decision_between_the_look_and_the_count_slows_nobody_down(
        self,
        realm: Realm,
        television: Client,
        live: LiveSession,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        code, user_code = ask(realm, now)
        poll(code, television, now)

        def decided_meanwhile(key: UUID, **whose: int) -> DeviceAuthorization | None:
            found = device_authorization_of(key, **whose)
            say(user_code, live, now)
            return found

        with monkeypatch.context() as patched:
            patched.setattr(POLLED, decided_meanwhile)
            assert word(poll(code, television, now)) == "authorization_pending"
        assert interval() == 5 * SECOND
        assert word(poll(code, television, now)) == "granted"

    @pytest.mark.spec("RFC 8628 §3.5")
    def test_two_soon_polls_at_once_make_two_steps(self, realm: Realm, television: Client, now: datetime) -> None:
        code, _ = ask(realm, now)
        poll(code, television, now)
        at_once(2, lambda _number: poll(code, television, now + SECOND))
        assert interval() == 15 * SECOND

    @pytest.mark.spec("RFC 8628 §3.3")
    def test_of_many_decisions_one_counts_and_leaves_one_grant(
        self,
        realm: Realm,
        television: Client,
        live: LiveSession,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        code, user_code = ask(realm, now)
        all_have_looked(monkeypatch, "tokens.services.device_decision.undecided_device", 8)
        bo = signed_in(make_person("bo", realm=realm), realm, now)

        def one(number: int) -> str:
            try:
                say(user_code, (live, bo)[number % 2], now, address=f"203.0.113.{number}")
            except UserCodeRefused:
                return "refused"
            return "allowed"

        assert Counter(at_once(8, one)) == {"allowed": 1, "refused": 7}
        assert Grant.objects.count() == Consent.objects.count() == 1
        assert Event.objects.filter(name=EventName.DEVICE_ALLOWED).count() == 1
        granted = poll(code, television, now)
        assert getattr(granted, "subject", "") == Grant.objects.get().user.subject


class TestUserCodes:
    """How a code comes about and is found again."""

    @pytest.mark.spec("RFC 8628 §5.1")
    def test_a_code_that_another_device_has_is_drawn_again(
        self, realm: Realm, television: Client, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn = iter(["BBBBBBBB", "BBBBBBBB", "CCCCCCCC"])
        monkeypatch.setattr("tokens.services.device_authorization.new_user_code", lambda: next(drawn))
        assert [ask(realm, now)[1], ask(realm, now)[1]] == ["BBBB-BBBB", "CCCC-CCCC"]
        monkeypatch.setattr("tokens.services.device_authorization.new_user_code", lambda: "CCCCCCCC")
        with pytest.raises(TemporarilyUnavailable):
            ask(realm, now)

    def test_the_same_code_in_another_realm_is_another_one(
        self, realm: Realm, television: Client, live: LiveSession, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tokens.services.device_authorization.new_user_code", lambda: "BBBBBBBB")
        other = make_realm("other")
        a_television(other)
        ask(realm, now)
        ask(other, now)
        found, _ = asked_under("BBBB-BBBB", realm=realm, live=live, address="192.0.2.1", now=now)
        assert found.realm_id == realm.pk


@pytest.mark.spec("house.md: database constraints before code rules")
class TestRules:
    """What the database itself holds."""

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"poll_interval": 4 * SECOND}, "device_interval_within_bounds"),
            ({"poll_interval": 61 * SECOND}, "device_interval_within_bounds"),
            ({"redeemed_at": "now"}, "device_redeems_what_was_granted"),
            ({"expires_at": "created"}, "device_expires_after_it_asked"),
            ({"user_code_digest": b"short"}, "device_user_code_digest_length"),
        ],
    )
    def test_a_row_says_nothing_absurd(
        self, realm: Realm, television: Client, now: datetime, changes: dict[str, Any], rule: str
    ) -> None:
        ask(realm, now)
        values = {name: now if value in ("now", "created") else value for name, value in changes.items()}
        with pytest.raises(IntegrityError, match=rule), transaction.atomic():
            DeviceAuthorization.objects.update(**values)

    def test_no_grant_without_a_decision(
        self, realm: Realm, television: Client, live: LiveSession, now: datetime
    ) -> None:
        _, user_code = ask(realm, now)
        say(user_code, live, now)
        with pytest.raises(IntegrityError, match="device_grant_by_decision"), transaction.atomic():
            DeviceAuthorization.objects.update(decided_at=None)

    def test_a_client_is_one_of_its_realm(self, realm: Realm, television: Client, now: datetime) -> None:
        ask(realm, now)
        with pytest.raises(IntegrityError, match="device_client_of_its_realm"), transaction.atomic():
            DeviceAuthorization.objects.update(realm=make_realm("other"))

    def test_two_rows_have_no_code_in_common(self, realm: Realm, television: Client, now: datetime) -> None:
        ask(realm, now)
        ask(realm, now)
        with pytest.raises(IntegrityError, match="user_code_digest"), transaction.atomic():
            DeviceAuthorization.objects.update(user_code_digest=digest_of("BBBBBBBB", realm=realm))

    def test_what_was_allowed_goes_with_its_grant_and_is_never_open_again(
        self, realm: Realm, television: Client, live: LiveSession, now: datetime
    ) -> None:
        _, user_code = ask(realm, now)
        say(user_code, live, now)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM tokens_grant")  # as the purge does
        assert not DeviceAuthorization.objects.exists()

    def test_a_client_with_a_grant_is_kept_and_one_that_only_asked_may_go(
        self, realm: Realm, television: Client, live: LiveSession, now: datetime
    ) -> None:
        _, user_code = ask(realm, now)
        say(user_code, live, now)
        with pytest.raises(ProtectedError):
            television.delete()
        radio = a_television(realm, "radio")
        ask(realm, now, client_id="radio")
        radio.delete()
        assert DeviceAuthorization.objects.count() == 1
