"""keys/planning.py: facts and policy in, steps out."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from keys.algorithms import Purpose
from keys.planning import KeyFacts, Succession, plan_compromise, plan_rotation, succession, whole_ring
from keys.steps import Condemn, Finish, Mint, RaiseLifetime, Reopen, SetEnd, SetStart, Step, Wipe, Withdraw
from keys.timetable import Timetable
from tests.conftest import NOW
from tests.keys.test_policy import AROUND, POLICY

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
LIFETIME = POLICY.max_token_lifetime
RETENTION = POLICY.retention(LIFETIME)
LEAD = POLICY.lead(AROUND.signer_ttl)
PERIOD = POLICY.rotation_period
N = POLICY.propagation
TAKEOVER = NOW + PERIOD


def key(kid: str, times: Timetable, *, lifetime: timedelta = LIFETIME, has_private: bool = True) -> KeyFacts:
    return KeyFacts(kid, times, lifetime, has_private)


SIGNER = key("signer", Timetable(NOW, NOW, TAKEOVER, TAKEOVER + RETENTION))
ALONE = key("signer", Timetable(NOW, NOW))
STANDBY = key("standby", Timetable(NOW, TAKEOVER))
PAIR = (SIGNER, STANDBY)


def plan(
    keys: tuple[KeyFacts, ...],
    now: datetime,
    *,
    force: bool = False,
    held: bool = False,
    purpose: Purpose = Purpose.SIGN,
    **changed: timedelta,
) -> tuple[Step, ...]:
    policy = replace(POLICY, **changed)
    return plan_rotation(keys, purpose=purpose, policy=policy, around=AROUND, now=now, force=force, held=held)


@pytest.mark.spec("keys.md Rotation")
def test_an_empty_ring_gets_a_signer_at_once_and_its_standby() -> None:
    assert plan((), NOW) == (Mint(SIGNER.times, LIFETIME), Mint(STANDBY.times, LIFETIME))


@pytest.mark.spec("keys.md Rotation")
def test_the_first_takeover_never_comes_before_the_standby_has_propagated() -> None:
    first, standby = plan((), NOW, rotation_period=N / 2)
    assert isinstance(first, Mint)
    assert isinstance(standby, Mint)
    assert first.times.deactivates_at == standby.times.activates_at == NOW + N


@pytest.mark.spec("keys.md Rotation: nothing is due")
@pytest.mark.parametrize("after", [timedelta(0), DAY, PERIOD - TICK])
def test_a_ring_in_order_needs_nothing(after: timedelta) -> None:
    assert plan(PAIR, NOW + after) == ()


@pytest.mark.spec("keys.md Rotation: when it takes over, the next one is minted and published at once")
def test_at_the_takeover_the_next_standby_is_minted() -> None:
    steps = plan(PAIR, TAKEOVER)
    following = TAKEOVER + PERIOD
    assert steps == (
        Mint(Timetable(TAKEOVER, following), LIFETIME),
        SetEnd("standby", following, following + RETENTION),
    )


@pytest.mark.spec("keys.md Rotation: a missed run delays the next rotation")
def test_a_run_that_comes_late_gives_the_new_standby_its_whole_propagation() -> None:
    late = TAKEOVER + PERIOD * 3
    mint, end = plan(PAIR, late)[:2]
    assert mint == Mint(Timetable(late, late + N), LIFETIME)
    assert end == SetEnd("standby", late + N, late + N + RETENTION)


@pytest.mark.spec("keys.md Rotation --force")
def test_force_on_a_signer_without_standby_waits_for_propagation() -> None:
    now = NOW + DAY
    assert plan((ALONE,), now, force=True) == (
        Mint(Timetable(now, now + N), LIFETIME),
        SetEnd("signer", now + N, now + N + RETENTION),
    )


@pytest.mark.spec("keys.md Rotation --force: max(now + TTL + skew, standby published + N)")
@pytest.mark.parametrize(
    ("now", "takeover"),
    [(NOW, NOW + N), (NOW + N - LEAD, NOW + N), (NOW + N, NOW + N + LEAD), (NOW + 30 * DAY, NOW + 30 * DAY + LEAD)],
)
def test_force_brings_the_takeover_as_near_as_is_safe(now: datetime, takeover: datetime) -> None:
    assert plan(PAIR, now, force=True) == (
        SetStart("standby", takeover),
        SetEnd("signer", takeover, takeover + RETENTION),
    )


@pytest.mark.spec("keys.md Rotation --force: changes nothing while one is pending")
@pytest.mark.parametrize("later", [timedelta(0), TICK, LEAD / 2, LEAD - TICK])
def test_a_second_force_changes_nothing(later: timedelta) -> None:
    forced = NOW + 30 * DAY
    end = forced + LEAD
    pair = (replace(SIGNER, times=Timetable(NOW, NOW, end, end + RETENTION)), key("standby", Timetable(NOW, end)))
    assert plan(pair, forced + later, force=True) == ()
    assert plan(pair, forced + later) == (), "and a run without --force doesn't put it off again"


@pytest.mark.spec("keys.md Rotation: edits lie at least signer TTL + skew ahead")
def test_a_takeover_within_the_lead_is_never_moved() -> None:
    near = TAKEOVER - LEAD + TICK
    assert plan(PAIR, near, force=True) == ()
    assert plan(PAIR, near, propagation=PERIOD + DAY) == ()
    assert plan(PAIR, TAKEOVER - LEAD, force=True) == ()


@pytest.mark.spec("keys.md The invariant: a changed policy")
def test_a_shorter_period_brings_the_takeover_forward() -> None:
    assert plan(PAIR, NOW + DAY, rotation_period=30 * DAY) == (
        SetStart("standby", NOW + 30 * DAY),
        SetEnd("signer", NOW + 30 * DAY, NOW + 30 * DAY + RETENTION),
    )


@pytest.mark.spec("keys.md The invariant: a changed policy")
def test_a_shorter_period_that_has_passed_takes_over_after_the_lead() -> None:
    now = NOW + 60 * DAY
    assert plan(PAIR, now, rotation_period=30 * DAY)[0] == SetStart("standby", now + LEAD)


@pytest.mark.spec("keys.md Rotation: a forced takeover stays forced")
def test_a_longer_period_does_not_put_the_takeover_off() -> None:
    assert plan(PAIR, NOW + DAY, rotation_period=400 * DAY) == ()


@pytest.mark.spec("keys.md The invariant (a)")
def test_a_longer_propagation_puts_the_takeover_off() -> None:
    later = NOW + PERIOD + 10 * DAY
    steps = plan(PAIR, NOW + DAY, propagation=PERIOD + 10 * DAY, rotation_period=PERIOD + 20 * DAY)
    assert steps == (SetStart("standby", later), SetEnd("signer", later, later + RETENTION))


@pytest.mark.spec("keys.md The invariant (b): max_lifetime only grows, and unpublishes_at moves with it")
def test_a_longer_token_lifetime_is_raised_on_signer_and_standby() -> None:
    longer = timedelta(days=30)
    assert plan(PAIR, NOW + DAY, max_token_lifetime=longer) == (
        RaiseLifetime("signer", longer),
        RaiseLifetime("standby", longer),
        SetEnd("signer", TAKEOVER, TAKEOVER + POLICY.retention(longer)),
    )


@pytest.mark.spec("keys.md The invariant (b)")
def test_a_longer_token_lifetime_reaches_a_signer_without_standby() -> None:
    longer = timedelta(days=30)
    raised, mint, end = plan((ALONE,), TAKEOVER, max_token_lifetime=longer)
    assert raised == RaiseLifetime("signer", longer)
    assert isinstance(mint, Mint)
    assert mint.max_lifetime == longer
    assert end == SetEnd("signer", TAKEOVER + N, TAKEOVER + N + POLICY.retention(longer))


@pytest.mark.spec("keys.md The invariant (b)")
def test_a_longer_token_lifetime_is_raised_even_within_the_lead() -> None:
    longer = timedelta(days=30)
    steps = plan(PAIR, TAKEOVER - TICK, max_token_lifetime=longer)
    assert SetEnd("signer", TAKEOVER, TAKEOVER + POLICY.retention(longer)) in steps
    assert not [step for step in steps if isinstance(step, SetStart)]


@pytest.mark.spec("keys.md The invariant (b): a shorter policy breaks no token that is out")
@pytest.mark.parametrize("changed", ["max_token_lifetime", "verifier_leeway", "clock_skew"])
def test_a_shorter_length_shortens_nothing_that_was_promised(changed: str) -> None:
    policy = replace(POLICY, **{changed: timedelta(seconds=1)})
    assert plan_rotation(PAIR, purpose=Purpose.SIGN, policy=policy, around=AROUND, now=NOW + DAY) == ()


@pytest.mark.spec("keys.md The invariant (b)")
def test_a_shorter_lifetime_and_force_keep_what_the_signer_may_have_signed() -> None:
    now = NOW + 30 * DAY
    (start, end) = plan(PAIR, now, force=True, max_token_lifetime=timedelta(hours=1))
    assert start == SetStart("standby", now + LEAD)
    assert end == SetEnd("signer", now + LEAD, now + LEAD + RETENTION)


OLD = key("old", Timetable(NOW - DAY, NOW - DAY, NOW, NOW + RETENTION))


@pytest.mark.spec("keys.md Rotation: wiped by the first run after deactivates_at + TTL + skew")
@pytest.mark.parametrize("purpose", [Purpose.SIGN, Purpose.EXPIRED_TEST])
def test_the_private_half_of_a_deactivated_key_is_wiped(purpose: Purpose) -> None:
    keys = (OLD, *PAIR)
    assert plan(keys, NOW + LEAD - TICK, purpose=purpose) == ()
    assert plan(keys, NOW + LEAD, purpose=purpose) == (Wipe("old"),)
    assert plan((replace(OLD, has_private=False), *PAIR), NOW + DAY, purpose=purpose) == ()


@pytest.mark.spec("keys.md Envelope: tags need their key until the very end")
@pytest.mark.parametrize("purpose", [Purpose.MAC, Purpose.ENCRYPT])
def test_what_still_checks_or_decrypts_is_wiped_once_it_is_archived(purpose: Purpose) -> None:
    keys = (OLD, *PAIR)
    gone = NOW + RETENTION + LEAD
    assert plan(keys, gone - TICK, purpose=purpose) == ()
    assert plan(keys, gone, purpose=purpose) == (Wipe("old"),)


@pytest.mark.spec("keys.md Rotation: distrust")
def test_a_compromised_key_that_still_has_a_private_half_loses_it() -> None:
    adopted = key("adopted", Timetable(NOW, NOW, compromised_at=NOW))
    assert plan((adopted, *PAIR), NOW + LEAD) == (Wipe("adopted"),)


@pytest.mark.spec("keys.md States")
def test_who_signs_and_who_waits() -> None:
    gone = key("gone", Timetable(NOW, NOW, compromised_at=NOW))
    assert succession((), NOW) == Succession(None, None)
    assert succession((gone,), NOW) == Succession(None, None)
    assert succession((STANDBY, OLD, SIGNER, gone), NOW) == Succession(SIGNER, STANDBY)
    assert succession((STANDBY, SIGNER), TAKEOVER) == Succession(STANDBY, None)


@pytest.mark.spec("keys.md compromise_key: the standby signs at once")
def test_a_compromised_signer_is_relieved_now() -> None:
    now = NOW + DAY
    assert plan_compromise(PAIR, ["signer"], now) == (Condemn("signer"), SetStart("standby", now))


@pytest.mark.spec("keys.md Rows: declaring a standby compromised reopens the active key")
def test_a_compromised_standby_reopens_the_signer() -> None:
    assert plan_compromise(PAIR, ["standby"], NOW + DAY) == (Condemn("standby"), Reopen("signer"))


@pytest.mark.spec("keys.md compromise_key --whole-ring")
def test_with_both_gone_nothing_is_moved() -> None:
    assert plan_compromise(PAIR, ["signer", "standby"], NOW) == (Condemn("signer"), Condemn("standby"))


@pytest.mark.spec("keys.md compromise_key")
def test_a_compromised_signer_without_standby_is_only_distrusted() -> None:
    assert plan_compromise((ALONE,), ["signer"], NOW) == (Condemn("signer"),)


@pytest.mark.spec("keys.md compromise_key: distrust never waits, not even for a clock that went back")
@pytest.mark.parametrize(
    ("lost", "moves"),
    [
        ("first", (SetStart("second", NOW),)),
        ("second", (SetEnd("first", NOW + 20 * DAY, NOW + 27 * DAY),)),
        ("third", (Reopen("second"),)),
        ("first second", (SetStart("third", NOW),)),
        ("first third", (SetStart("second", NOW), Reopen("second"))),
        ("second third", (Reopen("first"),)),
        ("first second third", ()),
    ],
)
def test_three_living_keys_are_linked_anew(lost: str, moves: tuple[Step, ...]) -> None:
    first = key("first", Timetable(NOW - DAY, NOW - DAY, NOW + 10 * DAY, NOW + 17 * DAY))
    second = key("second", Timetable(NOW - DAY, NOW + 10 * DAY, NOW + 20 * DAY, NOW + 27 * DAY))
    third = key("third", Timetable(NOW - DAY, NOW + 20 * DAY))
    condemned = tuple(Condemn(kid) for kid in lost.split())
    assert plan_compromise((first, second, third), lost.split(), NOW) == (*condemned, *moves)


@pytest.mark.spec("keys.md compromise_key")
def test_a_compromised_old_key_moves_nobody() -> None:
    assert plan_compromise((OLD, *PAIR), ["old"], NOW) == (Condemn("old"),)


@pytest.mark.spec("keys.md compromise_key --whole-ring: a host was lost")
def test_a_lost_host_may_know_every_private_half_that_is_left() -> None:
    wiped = replace(OLD, has_private=False)
    gone = key("gone", Timetable(NOW, NOW, compromised_at=NOW))
    assert whole_ring((wiped, gone, *PAIR), "signer") == {"signer", "standby"}
    assert whole_ring((wiped, gone, *PAIR), "old") == {"old", "signer", "standby"}


QUEUED_AT = TAKEOVER + PERIOD
QUEUE = (
    SIGNER,
    key("standby", Timetable(NOW, TAKEOVER, QUEUED_AT, QUEUED_AT + RETENTION)),
    key("adopted", Timetable(NOW, QUEUED_AT)),
)


@pytest.mark.spec("keys.md Adopting keys: one that waits behind the standby gives way")
def test_an_adopted_key_gives_way_to_a_standby_that_has_to_wait_for_longer() -> None:
    late = NOW + 2 * PERIOD + DAY
    after = late + 3 * PERIOD
    assert plan(QUEUE, NOW + DAY, propagation=late - NOW, rotation_period=3 * PERIOD) == (
        SetStart("adopted", after),
        SetEnd("standby", after, after + RETENTION),
        SetStart("standby", late),
        SetEnd("signer", late, late + RETENTION),
    )


@pytest.mark.spec("keys.md Adopting keys: no takeover that is scheduled moves")
def test_an_adopted_key_stays_where_it_is_while_the_standby_comes_before_it() -> None:
    assert plan(QUEUE, NOW + DAY) == ()
    forced = NOW + 30 * DAY
    assert plan(QUEUE, forced, force=True) == (
        SetStart("standby", forced + LEAD),
        SetEnd("signer", forced + LEAD, forced + LEAD + RETENTION),
    )


@pytest.mark.spec("keys.md Changing a policy: a raised lifetime moves the end of a key in the same transaction")
def test_a_standby_that_has_an_end_stays_published_for_as_long_as_it_may_sign_for() -> None:
    longer = LIFETIME * 3
    stays = POLICY.retention(longer)
    assert plan(QUEUE, NOW + DAY, max_token_lifetime=longer) == (
        RaiseLifetime("signer", longer),
        RaiseLifetime("standby", longer),
        RaiseLifetime("adopted", longer),
        SetEnd("standby", QUEUED_AT, QUEUED_AT + stays),
        SetEnd("signer", TAKEOVER, TAKEOVER + stays),
    )


def retire(keys: tuple[KeyFacts, ...], now: datetime) -> tuple[Step, ...]:
    return plan_rotation(keys, purpose=Purpose.SIGN, policy=POLICY, around=AROUND, now=now, retired=True)


ENDED = replace(SIGNER, times=Timetable(NOW, NOW, NOW + LEAD, NOW + LEAD + RETENTION), ends_ring=True)


@pytest.mark.spec("keys.md Moving to another algorithm: Retired")
@pytest.mark.parametrize("keys", [PAIR, (ALONE,)])
def test_a_retired_ring_stops_once_no_memory_is_older_and_its_standby_is_withdrawn(keys: tuple[KeyFacts, ...]) -> None:
    now = NOW + DAY
    finish = Finish("signer", now + LEAD, now + LEAD + RETENTION)
    assert retire(keys, now) == (finish, *(Withdraw(each.kid) for each in keys[1:]))


@pytest.mark.spec("keys.md Moving to another algorithm: Retired")
@pytest.mark.parametrize(("before", "last"), [(LEAD, "signer"), (LEAD - TICK, "standby"), (TICK, "standby")])
def test_a_standby_that_takes_over_within_the_lead_is_the_last_key(before: timedelta, last: str) -> None:
    now = TAKEOVER - before
    found = retire(PAIR, now)
    assert found[0] == Finish(last, now + LEAD, now + LEAD + RETENTION)
    assert found[1:] == ((Withdraw("standby"),) if last == "signer" else ())


@pytest.mark.spec("keys.md Moving to another algorithm: Retired")
def test_a_ring_that_ends_is_left_alone_but_for_the_wipe() -> None:
    withdrawn = replace(STANDBY, times=replace(STANDBY.times, withdrawn_at=NOW), has_private=False)
    ring = (ENDED, withdrawn)
    assert retire(ring, NOW + TICK) == ()
    assert retire(ring, NOW + 2 * LEAD) == (Wipe("signer"),)
    assert retire((), NOW) == ()


@pytest.mark.spec("keys.md Moving to another algorithm: Retired")
def test_a_compromise_reopens_no_key_of_a_retired_ring() -> None:
    standby = replace(
        STANDBY, times=Timetable(NOW, TAKEOVER, TAKEOVER + LEAD, TAKEOVER + LEAD + RETENTION), ends_ring=True
    )
    now = TAKEOVER - TICK
    found = plan_compromise((SIGNER, standby), {"standby"}, now, retired=True)
    assert found == (Condemn("standby"), Finish("signer", TAKEOVER, TAKEOVER + RETENTION))
    assert plan_compromise((SIGNER, standby), {"signer"}, now, retired=True) == (
        Condemn("signer"),
        SetStart("standby", now),
    )
    assert plan_compromise((ENDED,), {"signer"}, NOW, retired=True) == (Condemn("signer"),)


@pytest.mark.spec("keys.md Moving to another algorithm: revived")
def test_a_revived_ring_begins_anew() -> None:
    assert [type(step) for step in plan((replace(ENDED, has_private=False),), NOW + DAY)] == [Mint, Mint]
