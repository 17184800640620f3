"""keys/fetchers.py: who counts as one fetcher, who gets a slot, what ETags tell (RFC 9110 §13.1.2)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.fetchers import (
    COUNTED,
    LONGEST_ADDRESS,
    LONGEST_USER_AGENT,
    Fetcher,
    Seat,
    Visit,
    claimed_tags,
    claims_to_hold_any,
    coarse,
    fetcher,
    merging,
    seating,
)
from tests.conftest import NOW

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
OLD, NEW = '"old"', '"new"'
KNOWN = frozenset({OLD, NEW})


def seat(slot: int, name: str, *, away: timedelta, known_for: timedelta = 30 * DAY, holds: str = OLD) -> Seat:
    last = NOW - away
    return Seat(slot, Fetcher("192.0.2.1", name), last - known_for, last, holds, None)


def visit(name: str, *held: str, holds: str = NEW, after: timedelta = timedelta(0)) -> tuple[Fetcher, Visit]:
    return Fetcher("192.0.2.1", name), Visit(NOW + after, holds, held)


@pytest.mark.spec("RFC 9110 §13.1.2: If-None-Match, weak comparison")
@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", ()),
        ('"a"', ('"a"',)),
        ('W/"a"', ('"a"',)),
        ('"a", W/"b" , "a"', ('"a"', '"b"')),
        ("a", ()),
        ('"', ()),
        ("*", ()),
        ('"a\x00b"', ()),
        ('"ünïcode"', ()),
        (", ".join(f'"{n}"' for n in range(100)), ('"0"', '"1"', '"2"', '"3"')),
        ('"' + "x" * 10_000 + '"', ()),
        ("W/" * 100_000, ()),
    ],
)
def test_the_first_few_entity_tags_of_a_header_are_read(header: str, tags: tuple[str, ...]) -> None:
    assert claimed_tags(header) == tags


@pytest.mark.parametrize(
    ("header", "any_"), [("*", True), (" * ", True), ('"*"', False), ("", False), ('*, "a"', False)]
)
def test_an_asterisk_claims_to_hold_anything(header: str, any_: bool) -> None:
    assert claims_to_hold_any(header) is any_


@pytest.mark.spec("issue 5 point 3: by address and user agent")
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (("192.0.2.7", "go"), ("192.0.2.7", "go")),
        (("::ffff:192.0.2.7", "go"), ("192.0.2.7", "go")),
        (("2001:DB8:0:0::1", "go"), ("2001:db8::1", "go")),
        (("fe80::1%eth0", "go"), ("fe80::1", "go")),
        (("", ""), ("", "")),
        (("unix:", "a\x00b\n\x7fc"), ("", "abc")),
        (("1.2.3.4, 5.6.7.8", "x" * 10_000), ("", "x" * LONGEST_USER_AGENT)),
        (("9" * 10_000, "\udcff"), ("", "")),
    ],
)
def test_a_fetcher_is_a_canonical_address_and_a_bounded_user_agent(
    given: tuple[str, str], kept: tuple[str, str]
) -> None:
    assert fetcher(*given) == Fetcher(*kept)


@given(address=st.one_of(st.text(), st.ip_addresses().map(str)), user_agent=st.text())
def test_whatever_is_sent_fits_the_columns(address: str, user_agent: str) -> None:
    who = fetcher(address, user_agent)
    assert len(coarse(who.address)) <= LONGEST_ADDRESS
    assert len(who.address) <= LONGEST_ADDRESS
    assert len(who.user_agent) <= LONGEST_USER_AGENT
    assert not who.user_agent or who.user_agent.isprintable()


@pytest.mark.spec("issue 5 point 3: addresses coarsened after 7 days, IPv4 /24 and IPv6 /48")
@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1234:5678::9", "2001:db8:1234::/48"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:db8:1234::/48", "2001:db8:1234::/48"),
        ("", ""),
    ],
)
def test_an_address_is_coarsened_to_its_block_and_a_block_stays(address: str, block: str) -> None:
    assert coarse(address) == block


def test_whoever_comes_back_keeps_the_slot_and_tells_what_it_held() -> None:
    before = seat(3, "go", away=MINUTE)
    plan = seating([before], dict([visit("go", '"unheard of"', OLD)]), known=KNOWN)
    assert plan.seats == [replace(before, last_seen_at=NOW, holds=NEW, held_before=OLD)]
    assert plan.unseated == 0


@pytest.mark.spec("issue 5 point 3: sampled")
def test_a_visit_that_tells_nothing_new_is_not_written_every_minute() -> None:
    before = replace(seat(3, "go", away=9 * MINUTE, holds=NEW), held_before=NEW)
    again = dict([visit("go", NEW)])
    assert seating([before], again, known=KNOWN).seats == []
    rare = replace(before, last_seen_at=NOW - 10 * MINUTE)
    assert seating([rare], again, known=KNOWN).seats == [replace(rare, last_seen_at=NOW)]
    assert seating([before], dict([visit("go", OLD)]), known=KNOWN).seats, "another version is something new"


def test_what_another_worker_wrote_later_stands() -> None:
    later = seat(3, "go", away=-MINUTE, holds=NEW)
    assert seating([later], dict([visit("go", holds=OLD)]), known=KNOWN).seats == []


@pytest.mark.spec("issue 5 point 3: first come")
def test_newcomers_take_free_slots_in_the_order_in_which_they_came() -> None:
    visits = dict([visit("c", after=2 * MINUTE), visit("a"), visit("b", after=MINUTE)])
    plan = seating([seat(0, "go", away=MINUTE)], visits, known=KNOWN, most=3)
    assert [(each.slot, each.fetcher.user_agent) for each in plan.seats] == [(1, "a"), (2, "b")]
    assert plan.unseated == 1


@pytest.mark.spec("issue 5 point 3: a flood can't push out those that are seen regularly")
def test_a_flood_takes_no_slot_of_whoever_comes_regularly() -> None:
    regular = [seat(n, f"regular {n}", away=timedelta(hours=13)) for n in range(3)]
    flood = dict(visit(f"flood {n}", after=timedelta(seconds=n)) for n in range(1_000))
    plan = seating(regular, flood, known=KNOWN, most=5)
    assert {each.slot for each in plan.seats} == {3, 4}
    assert plan.unseated == 998


def test_who_passed_by_once_or_left_gives_the_slot_to_somebody_else() -> None:
    once = seat(0, "once", away=DAY, known_for=timedelta(0))
    just_now = seat(1, "just now", away=DAY - MINUTE, known_for=timedelta(0))
    gone = seat(2, "gone", away=COUNTED)
    regular = seat(3, "regular", away=COUNTED - MINUTE)
    visits = dict(visit(name, after=timedelta(seconds=n)) for n, name in enumerate(["a", "b", "c"]))
    plan = seating([once, just_now, gone, regular], visits, known=KNOWN, most=4)
    assert [(each.slot, each.fetcher.user_agent) for each in plan.seats] == [(2, "a"), (0, "b")]
    assert plan.unseated == 1


def test_whoever_left_and_comes_back_keeps_the_slot_in_that_very_round() -> None:
    gone = seat(0, "gone", away=COUNTED)
    plan = seating([gone], dict([visit("gone", after=MINUTE), visit("other")]), known=KNOWN, most=1)
    assert [each.fetcher.user_agent for each in plan.seats] == ["gone"]
    assert plan.unseated == 1


names = st.sampled_from([f"ua {n}" for n in range(12)])
seats_ = st.lists(
    st.builds(
        lambda slot, name, away, known_for: seat(slot, name, away=away * DAY, known_for=known_for * DAY),
        st.integers(0, 4), names, st.integers(-1, 9), st.integers(0, 2),
    ),
    unique_by=(lambda each: each.slot, lambda each: each.fetcher),
)  # fmt: skip


@given(before=seats_, visitors=st.dictionaries(names, st.sampled_from([OLD, NEW, '"garbage"'])))
@pytest.mark.spec("issue 5 point 3: a fixed number of fetchers per realm")
def test_there_are_never_more_seats_than_slots_and_nobody_sits_twice(
    before: list[Seat], visitors: dict[str, str]
) -> None:
    visits = dict(visit(name, tag) for name, tag in visitors.items())
    plan = seating(before, visits, known=KNOWN, most=5)
    after = {each.slot: each for each in before} | {each.slot: each for each in plan.seats}
    assert set(after) <= set(range(5))
    assert len({each.fetcher for each in after.values()}) == len(after)
    seated = {each.fetcher for each in after.values()}
    assert plan.unseated == len(visits.keys() - seated)
    assert all(each.held_before in (None, OLD, NEW) for each in plan.seats)
    for each in before:
        regular = each.first_seen_at < each.last_seen_at and NOW - each.last_seen_at < COUNTED
        assert each.fetcher in seated or not regular


def test_fetchers_that_fall_together_become_the_one_that_was_seen_last() -> None:
    older = replace(seat(1, "go", away=9 * DAY), fetcher=Fetcher("192.0.2.9", "go"))
    later = replace(seat(2, "go", away=8 * DAY, known_for=DAY), fetcher=Fetcher("192.0.2.8", "go"))
    other = replace(seat(3, "java", away=8 * DAY), fetcher=Fetcher("192.0.2.8", "java"))
    block = replace(seat(4, "go", away=20 * DAY), fetcher=Fetcher("198.51.100.0/24", "go"))
    plan = merging([older, later, other, block])
    assert {(each.slot, each.fetcher.address) for each in plan.seats} == {(2, "192.0.2.0/24"), (3, "192.0.2.0/24")}
    assert next(each for each in plan.seats if each.slot == 2).first_seen_at == older.first_seen_at
    assert plan.superfluous == [1]
    assert merging(plan.seats).seats == [], "once is enough"
