"""Devices are a person's own: recognised, counted, renamed and removed with all that rests on them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.errors import DeviceNameRefused
from accounts.models import Device, Session, User
from accounts.selectors import devices_of, facts_of, live_session, own_device
from accounts.services.devices import (
    begin_session_on_device,
    recognise,
    remove_devices,
    rename_device,
    say_trust,
    write_use,
)
from accounts.services.sign_in import SignedIn
from accounts.trust import trust_in
from accounts.visit import Visit
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.provider import make_person, make_realm

pytestmark = pytest.mark.spec("issue 4, devices")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"
THUMBPRINT = "t" * 43
PASSWORD_ONLY, BOTH = ("pwd",), ("pwd", "otp", "mfa")


def a_visit(*held: Device, address: str = HERE, **more: Any) -> Visit:
    return Visit(address=address, agent=FIREFOX, held=tuple(device.pk for device in held), **more)


def seen(
    realm: Realm, person: User, now: datetime, visit: Visit | None = None, methods: tuple[str, ...] = PASSWORD_ONLY
) -> Device:
    return recognise(person, visit=visit or a_visit(), methods=methods, realm=realm, now=now)


def test_a_browser_without_a_cookie_is_a_new_device_and_its_name_is_honest(
    realm: Realm, ana: User, now: datetime
) -> None:
    device = seen(realm, ana, now)
    assert (device.name, device.kind, device.created_at) == ("Firefox on Linux", "browser", now)
    event = Event.objects.get(name=EventName.DEVICE_RECOGNISED)
    assert (event.actor, event.target, event.realm) == (f"user:{ana.subject}", str(device.pk), "default")


def test_it_is_recognised_by_its_cookie_and_told_of_once(realm: Realm, ana: User, now: datetime) -> None:
    device = seen(realm, ana, now)
    later = now + timedelta(days=399)
    again = seen(realm, ana, later, a_visit(device))
    assert (again.pk, again.created_at, again.last_used_at) == (device.pk, now, later)
    assert Event.objects.filter(name=EventName.DEVICE_RECOGNISED).count() == 1


def test_a_cookie_that_is_too_old_is_none(realm: Realm, ana: User, now: datetime) -> None:
    device = seen(realm, ana, now)
    assert seen(realm, ana, now + timedelta(days=400), a_visit(device)).pk != device.pk


def test_somebody_elses_device_is_nobody_elses(realm: Realm, ana: User, now: datetime) -> None:
    """Two people who share a browser have two devices; a cookie that was stolen makes nobody trusted."""
    anas = seen(realm, ana, now)
    bens = seen(realm, make_person("ben", realm=realm), now, a_visit(anas))
    assert bens.pk != anas.pk
    assert bens.user.username == "ben"
    assert seen(realm, ana, now, a_visit(bens, anas)).pk == anas.pk


def test_a_removed_device_is_a_new_one_from_then_on(realm: Realm, ana: User, now: datetime) -> None:
    browser = seen(realm, ana, now)
    key = seen(realm, ana, now, a_visit(thumbprint=THUMBPRINT))
    remove_devices([browser.pk, key.pk], actor="test", now=now)
    assert seen(realm, ana, now, a_visit(browser)).pk != browser.pk
    assert seen(realm, ana, now, a_visit(thumbprint=THUMBPRINT)).pk != key.pk


def test_a_key_is_a_device_of_its_own_before_any_cookie(realm: Realm, ana: User, now: datetime) -> None:
    browser = seen(realm, ana, now)
    key = seen(realm, ana, now, a_visit(browser, thumbprint=THUMBPRINT))
    assert (key.kind, key.thumbprint) == ("key", THUMBPRINT)
    assert seen(realm, ana, now, a_visit(thumbprint=THUMBPRINT)).pk == key.pk
    assert seen(realm, ana, now, a_visit(key)).pk != key.pk  # its id in a cookie proves no key
    ben = make_person("ben", realm=realm)
    assert seen(realm, ben, now, a_visit(thumbprint=THUMBPRINT)).pk != key.pk


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_proved_in_parallel_is_one_device(now: datetime) -> None:
    realm = make_realm()
    ana = make_person(realm=realm)

    def prove(_: int) -> Device:
        try:
            return begin_session_on_device(
                realm=realm,
                signed_in=SignedIn(ana, (), now, PASSWORD_ONLY),
                visit=a_visit(thumbprint=THUMBPRINT),
                now=now,
            ).device  # type: ignore[return-value]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        found = {device.pk for device in pool.map(prove, range(6))}
    assert len(found) == Device.objects.count() == 1
    assert Event.objects.filter(name=EventName.DEVICE_RECOGNISED).count() == 1


def test_a_second_factor_is_remembered_and_a_password_doesnt_forget_it(realm: Realm, ana: User, now: datetime) -> None:
    device = seen(realm, ana, now, methods=BOTH)
    assert device.second_factor_at == now
    assert seen(realm, ana, now + timedelta(hours=1), a_visit(device)).second_factor_at == now


def test_changes_of_address_are_counted_and_no_address_is_kept(realm: Realm, ana: User, now: datetime) -> None:
    device = seen(realm, ana, now)
    assert (device.address_changes, device.address_changed_at) == (0, None)
    later = now + timedelta(hours=2)
    device = seen(realm, ana, later, a_visit(device, address=ELSEWHERE))
    assert (device.address_changes, device.address_changed_at) == (1, later)
    device = seen(realm, ana, later + timedelta(hours=2), a_visit(device, address=ELSEWHERE))
    assert (device.address_changes, device.address_changed_at) == (1, later)
    assert ELSEWHERE.encode() not in bytes(device.address_digest or b"")
    assert len(bytes(device.address_digest or b"")) == 32


def test_use_is_written_down_once_an_hour_and_never_turned_back(realm: Realm, ana: User, now: datetime) -> None:
    device = seen(realm, ana, now)
    write_use(device.pk, visit=a_visit(address=ELSEWHERE), now=now + timedelta(minutes=59))
    device.refresh_from_db()
    assert (device.last_used_at, device.address_changes) == (now, 0)
    later = now + timedelta(minutes=61)
    write_use(device.pk, visit=a_visit(address=ELSEWHERE), now=later)
    device.refresh_from_db()
    assert (device.last_used_at, device.address_changes) == (later, 1)
    assert seen(realm, ana, now, a_visit(device)).last_used_at == later


def test_the_session_is_on_the_device(realm: Realm, ana: User, now: datetime) -> None:
    signed_in = SignedIn(ana, (), now, PASSWORD_ONLY)
    session = begin_session_on_device(realm=realm, signed_in=signed_in, visit=a_visit(), now=now)
    assert session.device == Device.objects.get()
    live = live_session(session.sid, realm=realm, now=now)
    assert live is not None
    with CaptureQueriesContext(connection) as seen_queries:
        assert live.session.device == session.device
    assert len(seen_queries) == 0


def test_removing_ends_the_sessions_on_it_and_no_other(realm: Realm, ana: User, now: datetime) -> None:
    signed_in = SignedIn(ana, (), now, PASSWORD_ONLY)
    here, there = (
        begin_session_on_device(realm=realm, signed_in=signed_in, visit=a_visit(), now=now) for _ in range(2)
    )
    assert here.device is not None
    actor = f"user:{ana.subject}"
    assert remove_devices([here.device.pk], actor=actor, now=now, because="lost") == 1
    assert list(Session.objects.filter(ended_at=None)) == [there]
    ended = Session.objects.get(pk=here.pk)
    assert (ended.end_reason, ended.ended_at) == ("device_removed", now)
    event = Event.objects.get(name=EventName.DEVICE_REMOVED)
    assert (event.target, event.actor, event.reason) == (str(here.device.pk), actor, "lost")
    assert remove_devices([here.device.pk], actor=actor, now=now) == 0
    assert Event.objects.filter(name=EventName.DEVICE_REMOVED).count() == 1
    assert devices_of(ana, now=now) == [there.device]


@pytest.mark.django_db(transaction=True)
def test_no_session_outlives_a_removal_at_the_same_moment(now: datetime) -> None:
    """Whichever comes first: no session stands on a device that is removed."""
    realm = make_realm()
    ana = make_person(realm=realm)
    for _ in range(8):
        device = seen(realm, ana, now)

        def sign_in(device: Device = device) -> None:
            try:
                signed_in = SignedIn(ana, (), now, PASSWORD_ONLY)
                begin_session_on_device(realm=realm, signed_in=signed_in, visit=a_visit(device), now=now)
            finally:
                connection.close()

        def remove(device: Device = device) -> None:
            try:
                remove_devices([device.pk], actor="test", now=now)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            for job in [pool.submit(sign_in), pool.submit(remove)]:
                job.result()
    assert not Session.objects.filter(ended_at=None, device__removed_at__isnull=False).exists()


def test_a_name_is_its_persons_to_choose(realm: Realm, ana: User, now: datetime) -> None:
    device = seen(realm, ana, now)
    rename_device(device, name="  The blue one ")
    device.refresh_from_db()
    assert device.name == "The blue one"
    for name in ("", "  ", "x" * 101, "a\0b", "a\nb"):
        with pytest.raises(DeviceNameRefused):
            rename_device(device, name=name)


def test_an_operators_word_is_told_with_its_reason_and_can_be_taken_back(
    realm: Realm, ana: User, now: datetime
) -> None:
    device = seen(realm, ana, now)
    for trust, expected in ((95, 95), (None, 10)):
        say_trust([device.pk], trust=trust, actor="user:op", now=now, because="seen in person")
        device.refresh_from_db()
        assert trust_in(facts_of(device), now) == expected
    assert [
        (event.reason, event.details) for event in Event.objects.filter(name=EventName.DEVICE_TRUSTED).order_by("pk")
    ] == [
        ("seen in person", {"trust": 95}),
        ("seen in person", {"trust": None}),
    ]
    for wrong in (-1, 101):
        with pytest.raises(ValueError, match="0 to 100"):
            say_trust([device.pk], trust=wrong, actor="user:op", now=now, because="no")


def test_only_ones_own_device_is_found(realm: Realm, ana: User, now: datetime) -> None:
    device = seen(realm, ana, now)
    assert own_device(str(device.pk), person=ana) == device
    assert own_device(str(device.pk), person=make_person("ben", realm=realm)) is None
    for garbage in ("", "x", "\0" * 32, "é" * 32):
        assert own_device(garbage, person=ana) is None
