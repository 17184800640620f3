"""Evidence of propagation: who holds which JWK Set (issue 5, point 3; RFC 9110 §13.1.2)."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from time_machine import Traveller

from keys import evidence
from keys.evidence import nobody_lacks, propagation
from keys.fetchers import COUNTED, FORGOTTEN, MOST_FETCHERS, Fetcher, Seating, Visit, seating
from keys.models import JwksFetcher, JwksVersion, KeyPair, UnseatedFetches
from keys.notes import MOST_NEWCOMERS, RealmFetches
from keys.published_set import published_sets
from keys.services.compromise import compromise
from keys.services.evidence import add_fetches, forget_fetchers
from keys.services.noting import Scribe, scribe
from keys.services.rotation import rotate
from realms.models import Realm
from tests.conftest import ACTOR, NOW
from tests.keys.memories import database_away, queries
from tests.keys.test_concurrent_writers import InThread

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
Fetch = Callable[..., int]


@pytest.fixture
def fetch(client: Client, bootstrapped: Realm, stopped_clock: Traveller) -> Fetch:
    """Somebody fetches the JWKS."""

    def ask(
        name: str = "go/1", address: str = "192.0.2.1", *, holds: str = "", method: str = "get", **more: str
    ) -> int:
        headers = {"user-agent": name} | ({"if-none-match": holds} if holds else {})
        answer = getattr(client, method)("/jwks", headers=headers, secure=True, REMOTE_ADDR=address, **more)
        return int(answer.status_code)

    return ask


def etag() -> str:
    return published_sets.at("default", NOW).etag


def before(name: str = "go/1") -> str | None:
    held = row(name).held_before
    return held.etag if held else None


def row(name: str = "go/1") -> JwksFetcher:
    return JwksFetcher.objects.select_related("holds", "held_before").get(user_agent=name)


def visits(*names: str, at: datetime = NOW, holds: str = '"v"', kids: tuple[str, ...] = ("k",)) -> RealmFetches:
    noted = {Fetcher("192.0.2.1", name): Visit(at, holds, ()) for name in names}
    return RealmFetches(visits=noted, versions={holds: (kids, at)})


@pytest.mark.spec("issue 5 point 3: If-None-Match tells which version a fetcher held")
def test_a_200_and_a_304_tell_what_is_held_now_and_what_was_before(
    fetch: Fetch, stopped_clock: Traveller, bootstrapped: Realm
) -> None:
    first = etag()
    assert fetch() == 200
    scribe.write()
    assert (row().holds.etag, before()) == (first, None)
    assert (row().address, row().first_seen_at, row().last_seen_at) == ("192.0.2.1", NOW, NOW)
    assert sorted(row().holds.kids) == sorted(published_sets.at("default", NOW).keys)
    stopped_clock.move_to(NOW + MINUTE)
    assert fetch(holds=first) == 304
    scribe.write()
    assert (row().holds.etag, before()) == (first, first)
    lost = KeyPair.objects.filter(ring__purpose="sign").order_by("activates_at").first()
    assert lost is not None
    compromise(lost, actor=ACTOR, clock=lambda: NOW)
    published_sets.forget()
    assert etag() != first
    stopped_clock.move_to(NOW + 2 * MINUTE)
    assert fetch(holds=first) == 200
    scribe.write()
    assert (row().holds.etag, before()) == (etag(), first)
    assert (row().first_seen_at, row().last_seen_at) == (NOW, NOW + 2 * MINUTE)
    assert JwksVersion.objects.count() == 2


@pytest.mark.spec("issue 5 point 3: no row per request")
def test_many_fetches_make_no_statement_each_and_one_row_a_fetcher(fetch: Fetch) -> None:
    fetch()
    assert queries(lambda: [fetch(f"ua {n % 5}", holds=etag() if n % 2 else "") for n in range(200)]) == 0
    first = queries(scribe.write)
    assert JwksFetcher.objects.count() == 6
    for n in range(50):
        fetch(f"more {n}")
    assert queries(scribe.write) == first, "however many fetchers those were"
    assert JwksFetcher.objects.count() == 56
    assert queries(scribe.write) == 0


@pytest.mark.spec("RFC 9110 §9.3.2: a HEAD holds nothing new; §13.1.2: * matches anything")
def test_what_gives_nobody_the_set_is_no_evidence(fetch: Fetch) -> None:
    assert fetch(method="head") == 200
    assert fetch(holds="*") == 304
    with database_away():
        published_sets.forget()
        assert fetch() == 503
    scribe.write()
    assert not JwksFetcher.objects.exists()


@pytest.mark.spec("RFC 9110 §8.8.3: weak tags, lists, and what is no tag at all")
def test_hostile_headers_tell_nothing_and_break_nothing(fetch: Fetch) -> None:
    headers = [
        'W/"x"', '"' + "y" * 9_000 + '"', '"a\x00b"', "☃", ", ".join(f'"{n}"' for n in range(500)), '"', "W/", ",,,",
        '"\' OR 1=1 --"', "\x7f",
    ]  # fmt: skip
    for n, header in enumerate(headers):
        assert fetch(f"ua {n}", holds=header.encode("utf-8").decode("latin-1")) == 200
    fetch("x" * 10_000)
    fetch("NUL\x00NUL")
    fetch("", "")
    fetch("six", "2001:DB8::0001")
    fetch("proxy", "1.2.3.4, 5.6.7.8")
    assert fetch("weak", holds=f'"garbage", W/{etag()}') == 304
    assert scribe.write()
    rows = {each.user_agent: each for each in JwksFetcher.objects.select_related("held_before")}
    assert len(rows) == len(headers) + 6
    assert [each.held_before.etag for each in rows.values() if each.held_before] == [etag()]
    assert rows["weak"].held_before is not None
    assert (rows["NULNUL"].address, rows[""].address) == ("192.0.2.1", "")
    assert (rows["six"].address, rows["proxy"].address) == ("2001:db8::1", "")


@pytest.mark.spec("issue 5 point 3: the JWKS stays up whether the database is there or not")
def test_an_outage_costs_no_fetch_and_what_was_noted_waits(fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    fetch()
    with database_away():
        assert fetch("meanwhile") == 200
        assert not scribe.write()
    assert "evidence.not_written what=fetches" in caplog.text
    assert scribe.write()
    assert JwksFetcher.objects.count() == 2


def test_fetches_of_a_realm_that_is_gone_are_dropped(bootstrapped: Realm) -> None:
    assert add_fetches({"gone": visits("go")}, now=NOW) == {}
    assert not JwksFetcher.objects.exists()


@pytest.mark.spec("issue 5 point 3: a fixed number of fetchers, enforced by the database")
def test_the_database_has_so_many_slots_and_no_more(bootstrapped: Realm) -> None:
    add_fetches({"default": visits("go")}, now=NOW)
    there = JwksFetcher.objects.get()
    for slot, name in ((MOST_FETCHERS, "a"), (there.slot, "b"), (there.slot + 1, there.user_agent)):
        there.pk, there.slot, there.user_agent = None, slot, name
        with pytest.raises(IntegrityError, match="fetcher_"), transaction.atomic():
            there.save(force_insert=True)


@pytest.mark.spec("issue 5 point 3: a flood of user agents can't push out those that are seen regularly")
def test_a_flood_fills_the_free_slots_alone(bootstrapped: Realm) -> None:
    regulars = [f"regular {n}" for n in range(20)]
    add_fetches({"default": visits(*regulars, at=NOW - 2 * DAY)}, now=NOW)
    add_fetches({"default": visits(*regulars, at=NOW - DAY)}, now=NOW)
    for n in range(8):
        add_fetches({"default": visits(*(f"flood {n} {m}" for m in range(100)), at=NOW + n * MINUTE)}, now=NOW)
    assert JwksFetcher.objects.count() == MOST_FETCHERS
    assert JwksFetcher.objects.filter(user_agent__in=regulars).count() == 20
    assert UnseatedFetches.objects.get().fetches == 800 - (MOST_FETCHERS - 20)
    add_fetches({"default": visits("newcomer", at=NOW + 2 * DAY)}, now=NOW + 2 * DAY)
    assert row("newcomer"), "a day later the passers-by make room"
    assert JwksFetcher.objects.count() == MOST_FETCHERS


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("issue 5 point 3: two workers writing the same fetcher at once")
def test_workers_that_write_at_once_give_each_fetcher_one_slot(bootstrapped: Realm) -> None:
    names = [f"ua {n}" for n in range(30)]
    for turn in range(5):
        at = NOW + turn * DAY
        fresh = [f"fresh {turn} {n}" for n in range(10)]
        writers = [
            InThread(lambda own=own: add_fetches({"default": visits(*names, *fresh, own, at=at)}, now=at))  # type: ignore[misc]  # noqa: B023
            for own in (f"own {turn} {n}" for n in range(4))
        ]
        assert [writer.outcome() for writer in writers] == [None] * 4
    assert JwksFetcher.objects.count() == 30 + 5 * (10 + 4)
    assert JwksFetcher.objects.filter(user_agent__in=names, last_seen_at=NOW + 4 * DAY).count() == 30


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("issue 5 point 3: two workers writing the same fetcher at once")
def test_two_workers_never_decide_on_the_same_slots_at_once(
    bootstrapped: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)

    def slowly(*seats: Any, **more: Any) -> Seating:
        with suppress(threading.BrokenBarrierError):  # the other one waits for the lock, as it should
            both.wait(0.3)
        return seating(*seats, **more)

    monkeypatch.setattr("keys.services.evidence.seating", slowly)
    one = InThread(lambda: add_fetches({"default": visits("same", "one")}, now=NOW))
    # Of another version, since the row of the version would have them wait for each other, too.
    other = InThread(lambda: add_fetches({"default": visits("same", "other", holds='"w"')}, now=NOW))
    assert (one.outcome(), other.outcome()) == (None, None)
    assert sorted(JwksFetcher.objects.values_list("slot", "user_agent"))[0][0] == 0
    assert set(JwksFetcher.objects.values_list("user_agent", flat=True)) == {"same", "one", "other"}


@pytest.mark.spec("issue 5 point 3: a flood can't push out those that are seen regularly")
def test_a_worker_learns_who_has_a_slot_and_notes_them_whoever_else_comes(
    fetch: Fetch, stopped_clock: Traveller
) -> None:
    fetch("regular")
    scribe.write()
    stopped_clock.move_to(NOW + 20 * MINUTE)
    for n in range(MOST_NEWCOMERS + 1):
        fetch(f"flood {n}")
    fetch("regular")
    scribe.write()
    assert row("regular").last_seen_at == NOW + 20 * MINUTE
    assert UnseatedFetches.objects.get().fetches == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("issue 5 point 3: off the request's path")
def test_the_thread_writes_down_what_a_request_noted(bootstrapped: Realm) -> None:
    quick = Scribe(every=timedelta(milliseconds=20))
    published = published_sets.at("default", NOW)
    quick.fetched("default", published, address="192.0.2.1", user_agent="go", if_none_match="", at=NOW)
    thread = quick._thread
    if thread is not None:
        thread.join(10)
    assert row("go").holds.etag == published.etag


@pytest.mark.spec("issue 5 point 3: addresses are coarsened after 7 days")
def test_housekeeping_coarsens_merges_and_forgets(bootstrapped: Realm) -> None:
    def add(address: str, name: str, age: timedelta) -> None:
        noted = RealmFetches({Fetcher(address, name): Visit(NOW - age, '"v"')}, {'"v"': (("k",), NOW - age)})
        add_fetches({"default": noted}, now=NOW)

    week = COUNTED + MINUTE
    add("192.0.2.1", "go", week)
    add("192.0.2.2", "go", week + DAY)
    add("192.0.2.3", "java", week)
    add("2001:db8:1:2::3", "go", week)
    add("192.0.2.4", "go", COUNTED - MINUTE)
    add("192.0.2.5", "go", FORGOTTEN + MINUTE)
    UnseatedFetches.objects.create(realm=bootstrapped, day=(NOW - 8 * DAY).date(), fetches=1)
    assert forget_fetchers(NOW) == 3
    found = set(JwksFetcher.objects.values_list("address", "user_agent"))
    assert found == {
        ("192.0.2.0/24", "go"), ("192.0.2.0/24", "java"), ("2001:db8:1::/48", "go"), ("192.0.2.4", "go"),
    }  # fmt: skip
    assert row("java").first_seen_at == NOW - week
    assert forget_fetchers(NOW) == 0
    add("192.0.2.1", "go", timedelta(0))
    assert forget_fetchers(NOW + week) == 2, "who came back falls together with the block again"
    assert forget_fetchers(NOW + week + FORGOTTEN) == 4, "three fetchers, and the version that nobody holds"
    assert not JwksVersion.objects.exists()


@pytest.mark.spec("issue 5 point 3: 41 of 43 fetchers hold the next key; behind: …")
def test_the_evidence_says_how_many_hold_a_key_and_names_a_few_that_dont(bootstrapped: Realm) -> None:
    standby = KeyPair.objects.get(ring__purpose="sign", deactivates_at=None)
    new = [f"new {n}" for n in range(41)]
    add_fetches({"default": visits(*new, holds='"new"', kids=(standby.kid, "k"))}, now=NOW)
    add_fetches({"default": visits("late", at=NOW - DAY)}, now=NOW)
    add_fetches({"default": visits("later", at=NOW - MINUTE, holds='"older"')}, now=NOW)
    add_fetches({"default": visits("gone", at=NOW - COUNTED)}, now=NOW)
    assert queries(lambda: propagation([standby], NOW)) == 3
    found = propagation([standby], NOW)[standby.pk]
    assert (found.fetchers, found.holding, found.lacking) == (43, 41, 2)
    assert [late.user_agent for late in found.behind] == ["later", "late"]
    assert [late.holds for late in found.behind] == ['"older"', '"v"']
    assert found.behind[0].block == "192.0.2.0/24"
    assert not nobody_lacks(standby.kid, realm_id=bootstrapped.pk, now=NOW)
    assert nobody_lacks(standby.kid, realm_id=bootstrapped.pk, now=NOW + COUNTED)
    assert nobody_lacks(standby.kid, realm_id=bootstrapped.pk + 1, now=NOW)
    assert not nobody_lacks(None, realm_id=bootstrapped.pk, now=NOW)
    assert propagation([], NOW) == {}


def test_a_few_of_those_behind_are_named_and_all_are_counted(bootstrapped: Realm) -> None:
    standby = KeyPair.objects.get(ring__purpose="sign", deactivates_at=None)
    add_fetches({"default": visits(*(f"late {n}" for n in range(90)))}, now=NOW)
    add_fetches({"default": visits(*(f"later {n}" for n in range(90)), holds='"x"', at=NOW + MINUTE)}, now=NOW)
    found = propagation([standby], NOW + MINUTE)[standby.pk]
    assert found.lacking == 180
    assert [late.last_seen_at for late in found.behind] == [NOW + MINUTE] * evidence.MOST_NAMED


@pytest.mark.spec("issue 5 point 3: every version of the JWKS has its own ETag")
def test_versions_are_written_when_they_are_served_and_not_every_minute(fetch: Fetch, stopped_clock: Traveller) -> None:
    for minutes, last in ((0, 0), (59, 0), (61, 61)):
        stopped_clock.move_to(NOW + minutes * MINUTE)
        fetch()
        scribe.write()
        assert JwksVersion.objects.get().last_served_at == NOW + last * MINUTE
    assert JwksVersion.objects.get().first_served_at == NOW


@pytest.mark.django_db(transaction=True)
def test_a_writer_waits_for_another_no_longer_than_the_lock_timeout(
    bootstrapped: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.services.evidence.LOCK_TIMEOUT", "50ms")
    other = Scribe()
    other.fetched("default", published_sets.at("default", NOW), address="", user_agent="go", if_none_match="", at=NOW)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [0x666574636865])
        waiting = InThread(lambda: pytest.fail("it wrote") if other.write() else None)
        assert waiting.outcome() is None
    assert other.write()
    assert row("go")
    other.forget()


@pytest.mark.spec("keys.md Rotation; ADR 19: a takeover waits for fetchers, up to a limit")
def test_a_takeover_waits_for_whoever_is_behind_and_no_longer_than_its_patience(
    bootstrapped: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    ring = KeyPair.objects.get(ring__purpose="sign", deactivates_at=None).ring
    ring.patience = 30 * DAY
    ring.save()
    add_fetches({"default": visits("behind", holds='"old"')}, now=NOW)
    takeover = NOW + ring.rotation_period
    later = takeover + MINUTE
    add_fetches({"default": visits("behind", holds='"old"', at=later)}, now=later)
    rotate(ring, now=later, actor=ACTOR, clock=lambda: later)
    standby = KeyPair.objects.get(ring=ring, deactivates_at=None)
    assert standby.activates_at == takeover + ring.rotation_period + ring.patience
    held_at = later + DAY
    add_fetches({"default": visits("behind", holds='"new"', kids=(standby.kid,), at=held_at)}, now=held_at)
    rotate(ring, now=held_at, actor=ACTOR, clock=lambda: held_at)
    standby.refresh_from_db()
    assert standby.activates_at == takeover + ring.rotation_period, "the regular moment, since everybody holds it"
