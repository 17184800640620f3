"""An authenticator app and recovery codes: set up, proved, limited, removed."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from django.db import close_old_connections, connections

from accounts import totp
from accounts.budget import SECOND_FACTOR_ADDRESS, SECOND_FACTOR_PERSON, SECOND_FACTOR_PERSON_SLOWLY
from accounts.errors import EnrolmentOver, FactorExists, FactorMissing, FactorRefused, TooManyAttempts
from accounts.models import AttemptBudget, RecoveryCode, TotpSecret, User
from accounts.selectors.factors import ENROLMENT_LIFETIME, TOTP_COLUMN, enrolling_totp, factors_of, seed_of
from accounts.services.factor_changes import remove_stranded_recovery_codes
from accounts.services.second_factors import (
    begin_totp,
    confirm_totp,
    make_recovery_codes,
    prove_code,
    prove_recovery_code,
    prove_totp,
    purge_dead_enrolments,
    remove_totp,
)
from audit.models import Event
from audit.vocabulary import EventName
from keys import hooks
from keys.errors import SealBroken
from realms.models import Realm
from tests.proofs import clear_details
from tests.provider import make_person
from tests.second_factors import add_passkey, codes_of, fitting, give_totp, wrong

T = TypeVar("T")
ADDRESS = "192.0.2.1"


def prove(person: User, typed: str, now: datetime, *, address: str = ADDRESS, realm: Realm | None = None) -> bool:
    """Whether the code was taken."""
    try:
        return prove_code(person=person, typed=typed, realm=realm, address=address, now=now) == ("otp",)
    except FactorRefused:
        return False


def at_once(function: Callable[[int], T], times: int) -> list[T]:
    """What a function returns, called by so many threads at once, each with a connection of its own."""

    def call(number: int) -> T:
        close_old_connections()
        try:
            return function(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


class TestSettingUp:
    @pytest.mark.spec("RFC 6238 §5.1")
    def test_an_app_counts_once_a_code_has_shown_that_it_has_the_seed(self, ana: User, now: datetime) -> None:
        begun = begin_totp(person=ana, now=now)
        assert not factors_of(ana).any
        assert not prove(ana, totp.code_at(begun.seed, totp.step_at(now)), now)
        with pytest.raises(FactorRefused):
            confirm_totp(person=ana, enrolment=begun.id, typed=wrong(begun.seed, now), actor="user:x", now=now)
        typed = totp.code_at(begun.seed, totp.step_at(now))
        confirm_totp(person=ana, enrolment=begun.id, typed=typed, actor="user:x", now=now)
        assert factors_of(ana).totp
        event = Event.objects.get(name=EventName.FACTOR_ADDED)
        assert (event.actor, event.target, event.details) == ("user:x", ana.subject, {"factor": "totp"})

    @pytest.mark.spec("RFC 6238 §5.2")
    def test_the_code_that_confirmed_it_signs_nobody_in(self, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now)
        assert not prove(ana, fitting(seed, now), now)
        later = now + timedelta(seconds=30)
        assert prove(ana, fitting(seed, later), later)

    @pytest.mark.spec("design: keys.md, sealed values are bound to their row")
    def test_the_seed_is_sealed_for_its_row_and_a_rewrap_reaches_it(self, ana: User, now: datetime) -> None:
        begun = begin_totp(person=ana, now=now)
        row = TotpSecret.objects.get()
        assert begun.seed not in bytes(row.secret)
        assert seed_of(row) == begun.seed
        assert TOTP_COLUMN in hooks.sealed_columns()
        with pytest.raises(SealBroken):
            seed_of(TotpSecret(id=uuid.uuid4(), secret=row.secret))
        assert repr(begun.seed) not in repr(begun)

    def test_each_beginning_has_a_seed_of_its_own_and_ends_the_one_before(self, ana: User, now: datetime) -> None:
        first, second = begin_totp(person=ana, now=now), begin_totp(person=ana, now=now)
        assert first.seed != second.seed
        assert enrolling_totp(ana, first.id, now=now) is None
        assert enrolling_totp(ana, second.id, now=now) == second
        for typed in (first.seed, second.seed):
            with pytest.raises(EnrolmentOver):
                confirm_totp(person=ana, enrolment=first.id, typed=fitting(typed, now), actor="x", now=now)

    def test_nobody_confirms_what_another_began(self, realm: Realm, ana: User, now: datetime) -> None:
        begun, eva = begin_totp(person=ana, now=now), make_person("eva", realm=realm)
        with pytest.raises(EnrolmentOver):
            confirm_totp(person=eva, enrolment=begun.id, typed=fitting(begun.seed, now), actor="x", now=now)
        assert not factors_of(eva).any

    def test_it_is_over_after_a_while_and_is_deleted_then(self, ana: User, now: datetime) -> None:
        begun, late = begin_totp(person=ana, now=now), now + ENROLMENT_LIFETIME + timedelta(seconds=1)
        with pytest.raises(EnrolmentOver):
            confirm_totp(person=ana, enrolment=begun.id, typed=fitting(begun.seed, late), actor="x", now=late)
        give_totp(make_person("eva", realm=None), now)
        assert purge_dead_enrolments(now) == 0
        assert purge_dead_enrolments(late) == 1
        assert TotpSecret.objects.get().user.username == "eva"

    def test_one_that_is_there_is_not_replaced(self, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now)
        with pytest.raises(FactorExists):
            begin_totp(person=ana, now=now)
        assert seed_of(TotpSecret.objects.get()) == seed

    def test_it_is_confirmed_once(self, ana: User, now: datetime) -> None:
        begun = begin_totp(person=ana, now=now)
        for _ in range(2):
            try:
                confirm_totp(person=ana, enrolment=begun.id, typed=fitting(begun.seed, now), actor="x", now=now)
            except EnrolmentOver:
                break
        else:
            pytest.fail("It was confirmed twice.")
        assert Event.objects.filter(name=EventName.FACTOR_ADDED).count() == 1

    def test_a_first_factor_is_not_set_up_beside_another(self, ana: User, now: datetime) -> None:
        begun, typed = begin_totp(person=ana, now=now), None
        add_passkey(ana, now)
        typed = fitting(begun.seed, now)
        with pytest.raises(FactorExists):
            confirm_totp(person=ana, enrolment=begun.id, typed=typed, actor="x", now=now, only_first=True)
        confirm_totp(person=ana, enrolment=begun.id, typed=typed, actor="x", now=now)

    @pytest.mark.django_db(transaction=True)
    def test_of_many_beginnings_at_once_one_stands(self, ana: User, now: datetime) -> None:
        begun = at_once(lambda _number: begin_totp(person=ana, now=now), 10)
        standing = [each for each in begun if enrolling_totp(ana, each.id, now=now)]
        assert len(standing) == TotpSecret.objects.count() == 1


class TestCodesOfTheApp:
    @pytest.mark.spec("RFC 6238 §5.2")
    def test_a_code_works_once(self, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now - timedelta(minutes=5))
        assert prove(ana, fitting(seed, now), now)
        assert not prove(ana, fitting(seed, now), now)
        assert clear_details(Event.objects.get(name=EventName.FACTOR_REFUSED)) == {"factor": "totp", "fault": "used"}

    @pytest.mark.spec("RFC 6238 §5.2")
    def test_after_a_code_no_earlier_one_works(self, ana: User, now: datetime) -> None:
        seed, step = give_totp(ana, now - timedelta(minutes=5)), totp.step_at(now)
        assert prove(ana, totp.code_at(seed, step + 1), now)
        assert not prove(ana, totp.code_at(seed, step), now)
        assert not prove(ana, totp.code_at(seed, step - 1), now)
        later = now + timedelta(seconds=60)
        assert prove(ana, totp.code_at(seed, step + 2), later)

    @pytest.mark.spec("RFC 6238 §5.2")
    @pytest.mark.parametrize("off", [-2, 2, 120])
    def test_a_code_of_another_time_is_wrong(self, off: int, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now - timedelta(minutes=5))
        assert not prove(ana, totp.code_at(seed, totp.step_at(now) + off), now)

    def test_a_code_of_somebody_else_is_wrong(self, realm: Realm, ana: User, now: datetime) -> None:
        give_totp(ana, now - timedelta(minutes=5))
        other = give_totp(make_person("eva", realm=realm), now - timedelta(minutes=5))
        assert not prove(ana, fitting(other, now), now)

    @pytest.mark.spec("RFC 6238 §5.2")
    @pytest.mark.django_db(transaction=True)
    def test_of_twenty_at_once_exactly_one_is_let_in(self, realm: Realm, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now - timedelta(minutes=5))

        def use(number: int) -> bool:
            try:
                return prove(ana, fitting(seed, now), now, address=f"192.0.2.{number}")
            except TooManyAttempts:
                return False

        assert at_once(use, 20).count(True) == 1

    def test_a_refusal_tells_the_audit_alone_why(self, realm: Realm, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now - timedelta(minutes=5))
        assert not prove(ana, wrong(seed, now), now, realm=realm)
        event = Event.objects.get(name=EventName.FACTOR_REFUSED)
        assert (event.realm, event.actor, event.target) == (realm.slug, "", ana.subject)
        assert clear_details(event) == {"factor": "totp", "fault": "wrong_code"}

    def test_a_seed_that_does_not_open_costs_no_attempt(self, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now - timedelta(minutes=5))
        TotpSecret.objects.update(secret=b"broken")
        with pytest.raises(SealBroken):
            prove(ana, fitting(seed, now), now)
        assert all(row.full_at <= now for row in AttemptBudget.objects.all())


class TestRecoveryCodes:
    @pytest.mark.spec("NIST SP 800-63B §5.1.2.2")
    def test_each_works_once_and_the_others_stay(self, ana: User, now: datetime) -> None:
        codes = codes_of(ana, now)
        assert prove(ana, codes[3], now)
        assert not prove(ana, codes[3], now)
        assert factors_of(ana).recovery_codes == 9
        assert prove(ana, codes[4].lower().replace("-", " "), now)
        used = Event.objects.filter(name=EventName.RECOVERY_CODE_USED).order_by("pk")
        assert [event.details for event in used] == [{"left": 9}, {"left": 8}]
        assert clear_details(Event.objects.get(name=EventName.FACTOR_REFUSED)) == {
            "factor": "recovery_code",
            "fault": "used",
        }

    @pytest.mark.spec("NIST SP 800-63B §5.1.2.2")
    def test_digests_alone_are_kept(self, ana: User, now: datetime) -> None:
        codes = codes_of(ana, now)
        stored = repr([(bytes(row.digest), row.pk) for row in RecoveryCode.objects.all()])
        assert not [code for code in codes if code in stored or code.replace("-", "") in stored]

    def test_new_ones_take_the_place_of_all_that_there_were(self, ana: User, now: datetime) -> None:
        old = codes_of(ana, now)
        prove(ana, old[0], now)
        new = make_recovery_codes(person=ana, actor="x", now=now)
        assert RecoveryCode.objects.filter(user=ana).count() == 10
        assert not prove(ana, old[1], now)
        assert prove(ana, new[1], now)

    def test_nobody_uses_somebody_elses(self, realm: Realm, ana: User, now: datetime) -> None:
        codes, eva = codes_of(ana, now), make_person("eva", realm=realm)
        codes_of(eva, now)
        assert not prove(eva, codes[0], now)
        assert prove(ana, codes[0], now)

    def test_without_a_second_factor_there_are_none(self, ana: User, now: datetime) -> None:
        begin_totp(person=ana, now=now)  # which counts for nothing yet
        with pytest.raises(FactorMissing):
            make_recovery_codes(person=ana, actor="x", now=now)

    @pytest.mark.django_db(transaction=True)
    def test_of_twenty_at_once_exactly_one_is_let_in(self, realm: Realm, ana: User, now: datetime) -> None:
        codes = codes_of(ana, now)

        def use(number: int) -> bool:
            try:
                return prove(ana, codes[0], now, address=f"192.0.2.{number}")
            except TooManyAttempts:
                return False

        assert at_once(use, 20).count(True) == 1
        assert Event.objects.filter(name=EventName.RECOVERY_CODE_USED).count() == 1


class TestLimits:
    def tries(self, person: User, now: datetime, times: int, *, address: str = ADDRESS) -> int:
        """How many wrong codes were looked at."""
        seed, looked = seed_of(TotpSecret.objects.get(user=person)), 0
        for _ in range(times):
            try:
                prove(person, wrong(seed, now), now, address=address)
            except TooManyAttempts:
                continue
            looked += 1
        return looked

    @pytest.mark.spec("RFC 6238 §5.1 guesses, RFC 4226 §7.3")
    def test_a_person_has_five_guesses_and_then_one_a_minute(self, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now - timedelta(minutes=5))
        assert self.tries(ana, now, 8) == SECOND_FACTOR_PERSON.burst == 5
        with pytest.raises(TooManyAttempts) as refusal:
            prove(ana, fitting(seed, now), now)
        assert refusal.value.retry_after == SECOND_FACTOR_PERSON.interval
        later = now + timedelta(minutes=1)
        assert prove(ana, fitting(seed, later), later)

    @pytest.mark.spec("RFC 4226 §7.3")
    def test_an_app_and_recovery_codes_share_the_guesses_wherever_they_come_from(
        self, ana: User, now: datetime
    ) -> None:
        codes = codes_of(ana, now - timedelta(minutes=5))
        for number in range(SECOND_FACTOR_PERSON.burst):
            guess = "0000-0000-0000-0000" if number % 2 else "000000"
            prove(ana, guess, now, address=f"192.0.2.{number}")
        with pytest.raises(TooManyAttempts):
            prove(ana, codes[0], now, address="198.51.100.7")

    @pytest.mark.spec("RFC 4226 §7.3")
    def test_who_goes_on_guessing_comes_down_to_one_an_hour(self, ana: User, now: datetime) -> None:
        give_totp(ana, now - timedelta(minutes=5))
        day = sum(self.tries(ana, now + timedelta(minutes=minute), 1) for minute in range(24 * 60))
        assert day <= SECOND_FACTOR_PERSON_SLOWLY.burst + 24
        assert self.tries(ana, now + timedelta(days=1), 5) <= 1

    def test_one_address_meets_its_limit_over_many_people(self, realm: Realm, now: datetime) -> None:
        people = [make_person(f"person{number}", realm=realm) for number in range(12)]
        for person in people:
            give_totp(person, now - timedelta(minutes=5))
        assert sum(self.tries(person, now, 4) for person in people) == SECOND_FACTOR_ADDRESS.burst

    @pytest.mark.spec("RFC 6238 §5.1 guesses")
    @pytest.mark.django_db(transaction=True)
    def test_parallel_guesses_meet_the_limit_too(self, realm: Realm, ana: User, now: datetime) -> None:
        give_totp(ana, now - timedelta(minutes=5))
        looked = at_once(lambda number: self.tries(ana, now, 2, address=f"192.0.2.{number}"), 15)
        assert sum(looked) == SECOND_FACTOR_PERSON.burst

    def test_a_right_code_gives_its_place_back(self, ana: User, now: datetime) -> None:
        seed = give_totp(ana, now - timedelta(minutes=5))
        assert prove(ana, fitting(seed, now), now)
        for code in make_recovery_codes(person=ana, actor="x", now=now):
            assert prove(ana, code, now)
        assert all(row.full_at <= now for row in AttemptBudget.objects.all())

    @pytest.mark.parametrize("typed", ["", "12345", "1234567", "hello", "\0" * 6, "１２３４５６", "9" * 10_000])
    def test_what_can_be_no_code_is_no_guess(self, typed: str, ana: User, now: datetime) -> None:
        give_totp(ana, now)
        for _ in range(SECOND_FACTOR_PERSON.burst + 1):
            assert not prove(ana, typed, now)
            with pytest.raises(FactorRefused):
                prove_recovery_code(person=ana, typed=typed, realm=None, address=ADDRESS, now=now)
        assert not AttemptBudget.objects.exists()

    def test_a_limit_leaves_one_event_however_many_come_after(self, ana: User, now: datetime) -> None:
        give_totp(ana, now - timedelta(minutes=5))
        self.tries(ana, now, 12)
        assert clear_details(Event.objects.get(name=EventName.FACTOR_LIMITED)) == {"limit": "second-factor-person"}
        assert Event.objects.filter(name=EventName.FACTOR_REFUSED).count() == SECOND_FACTOR_PERSON.burst

    def test_who_has_no_factor_is_refused_in_the_same_way(self, ana: User, now: datetime) -> None:
        with pytest.raises(FactorRefused):
            prove_totp(person=ana, typed="123456", realm=None, address=ADDRESS, now=now)
        assert Event.objects.get(name=EventName.FACTOR_REFUSED).details["fault"] == "no_factor"


class TestRemoving:
    def test_the_last_factor_takes_the_recovery_codes_with_it(self, ana: User, now: datetime) -> None:
        codes = codes_of(ana, now)
        assert remove_totp(person=ana, actor="operator:x", now=now, reason="The telephone is lost.")
        assert factors_of(ana).recovery_codes == 0
        assert not prove(ana, codes[0], now)
        removed = Event.objects.get(name=EventName.FACTOR_REMOVED)
        assert (removed.actor, removed.reason) == ("operator:x", "The telephone is lost.")
        assert Event.objects.get(name=EventName.RECOVERY_CODES_REMOVED).details == {"count": 10}

    def test_beside_another_factor_they_stay(self, ana: User, now: datetime) -> None:
        codes, passkey = codes_of(ana, now), add_passkey(ana, now)
        remove_totp(person=ana, actor="x", now=now)
        assert prove(ana, codes[0], now)
        passkey.delete()
        assert remove_stranded_recovery_codes(person=ana, actor="x", now=now) == 10
        assert remove_stranded_recovery_codes(person=ana, actor="x", now=now) == 0

    def test_what_was_never_confirmed_goes_without_an_event(self, ana: User, now: datetime) -> None:
        begin_totp(person=ana, now=now)
        assert not remove_totp(person=ana, actor="x", now=now)
        assert not TotpSecret.objects.exists()
        assert not Event.objects.filter(name=EventName.FACTOR_REMOVED).exists()
