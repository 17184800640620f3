"""Recognising the devices of people, and what becomes of them: used, named, trusted, removed."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from accounts.acr import SECOND_FACTOR, joined
from accounts.addresses import address_block
from accounts.device_cookie import LIFETIME
from accounts.errors import DeviceNameRefused
from accounts.hooks import devices_removed
from accounts.models import MAX_DEVICE_NAME, Device, Session, User
from accounts.selectors.sessions import LiveSession
from accounts.services.presence import noticing_deletion
from accounts.services.sessions import begin_session, end_sessions, step_up
from accounts.services.sign_in import SignedIn
from accounts.trust import MOST_TRUST
from accounts.visit import Visit, program_and_system
from accounts.vocabulary import DeviceKind, SessionEnd
from audit.services import Details, record, record_each
from audit.vocabulary import EventName
from realms.models import Realm

WRITTEN_DOWN = timedelta(hours=1)  # its use, at most so often
# A key is a person's device once, however many requests prove it at once; one that was removed begins anew.
_KEY_DEVICE = """
    INSERT INTO accounts_device AS device
        (id, user_id, kind, thumbprint, name, created_at, last_used_at, address_digest, address_changes)
    VALUES (gen_random_uuid(), %(user)s, 'key', %(thumbprint)s, %(name)s, %(now)s, %(now)s, %(digest)s, 0)
    ON CONFLICT (user_id, thumbprint) WHERE thumbprint <> '' AND removed_at IS NULL
    DO UPDATE SET last_used_at = GREATEST(device.last_used_at, EXCLUDED.last_used_at)
    RETURNING id, xmax = 0
"""

# The clocks of two workers differ, so no time goes back. One address after another is a change; the first is none.
_USE = """
    UPDATE accounts_device
    SET last_used_at = GREATEST(last_used_at, %(now)s),
        address_changes = address_changes + CASE WHEN address_digest <> %(digest)s THEN 1 ELSE 0 END,
        address_changed_at = CASE WHEN address_digest <> %(digest)s THEN %(now)s ELSE address_changed_at END,
        address_digest = %(digest)s,
        second_factor_at = GREATEST(second_factor_at, %(second_factor_at)s)
    WHERE id = %(device)s AND removed_at IS NULL AND (%(at_once)s OR last_used_at < %(before)s)
"""


def begin_session_on_device(
    *, realm: Realm, signed_in: SignedIn, visit: Visit, now: datetime, replacing: Session | None = None
) -> Session:
    """Begin the session of a person with a browser that is recognised, or is from now on, as their device.

    Both in one transaction: the device is locked until the session is there, so its removal finds the session.

    Arguments:
        realm, signed_in, now, replacing: as `begin_session`.
        visit: how the browser shows itself.

    Raises:
        PersonGone: they were deleted since the proof.
    """
    with noticing_deletion(signed_in.person), transaction.atomic():
        device = recognise(signed_in.person, visit=visit, methods=signed_in.methods, realm=realm, now=now)
        return begin_session(realm=realm, signed_in=signed_in, replacing=replacing, device=device, now=now)


def step_up_on_device(
    *, realm: Realm, live: LiveSession, methods: tuple[str, ...], visit: Visit, now: datetime
) -> Session:
    """Go on with a session after one proof more, and write down on its device that a second factor was proved.

    The device comes first, as at its removal: so neither waits for the other in a circle.

    Arguments:
        realm, live, methods, now: as `step_up`.
        visit: how the browser shows itself.

    Raises:
        ChallengeOver: the session has ended meanwhile.
    """
    with transaction.atomic():
        if live.session.device_id is not None:
            proved = SECOND_FACTOR in joined(tuple(live.session.methods), methods)
            second_factor_at = now if proved else None
            _write(live.session.device_id, visit=visit, now=now, at_once=True, second_factor_at=second_factor_at)
        return step_up(realm=realm, live=live, methods=methods, now=now)


def recognise(
    person: User,
    *,
    visit: Visit,
    methods: tuple[str, ...],
    realm: Realm,
    now: datetime,
    proved_at: datetime | None = None,
) -> Device:
    """The device of somebody who has just proved who they are: the one that is shown, or a new one.

    Call it in the transaction that writes what rests on the device.

    Arguments:
        person: whose; another person's device is nothing for them.
        visit: how it shows itself; the key that it proved goes before its cookie.
        methods: how the person proved who they are, on it.
        realm: where, for the audit.
        now: aware.
        proved_at: when they did; None for now.
    """
    key, is_new = _key_device(person, visit, now) if visit.thumbprint else _browser_device(person, visit, now)
    second_factor_at = (proved_at or now) if SECOND_FACTOR in methods else None
    _write(key, visit=visit, now=now, at_once=True, second_factor_at=second_factor_at)
    device = Device.objects.get(pk=key)
    if is_new:
        actor, details = f"user:{person.subject}", {"kind": device.kind}
        record(
            EventName.DEVICE_RECOGNISED, realm=realm.slug, actor=actor, target=str(key), now=now, details=details
        )  # fmt: skip
    return device


def _browser_device(person: User, visit: Visit, now: datetime) -> tuple[UUID, bool]:
    """The browser as the device of this person, and whether it is a new one."""
    theirs = Device.objects.filter(user=person, kind=DeviceKind.BROWSER, removed_at=None)
    shown = theirs.filter(pk__in=visit.held, last_used_at__gt=now - LIFETIME)
    found = shown.select_for_update(no_key=True).first()
    if found is not None:
        return found.pk, False
    new = Device.objects.create(
        user=person,
        kind=DeviceKind.BROWSER,
        name=_name_of(visit) or gettext("A browser"),
        created_at=now,
        last_used_at=now,
        address_digest=digest_of(visit.address),
    )
    return new.pk, True


def _key_device(person: User, visit: Visit, now: datetime) -> tuple[UUID, bool]:
    """The key as the device of this person, and whether it is a new one."""
    parameters: dict[str, Any] = {
        "user": person.pk,
        "thumbprint": visit.thumbprint,
        "name": _name_of(visit) or gettext("An application"),
        "now": now,
        "digest": digest_of(visit.address),
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEY_DEVICE, parameters)
        key, is_new = cursor.fetchone()
    return key, is_new


def _name_of(visit: Visit) -> str:
    """What the device is called until its person says otherwise; "" where nobody knows."""
    program, system = program_and_system(visit.agent)
    if program and system:
        return gettext("%(browser)s on %(system)s") % {"browser": program, "system": system}
    return program or system


def digest_of(address: str) -> bytes:
    """What is kept of an address: enough to see that another one came, and no more."""
    return salted_hmac("signet.device_address", address_block(address), algorithm="sha256").digest()


def write_use(device: UUID, *, visit: Visit, now: datetime) -> None:
    """Write down that a device is in use, unless that was done within the hour.

    Arguments:
        device: one that was shown by cookie or key just now.
        visit: whence it came.
        now: aware.
    """
    _write(device, visit=visit, now=now)


def _write(
    device: UUID, *, visit: Visit, now: datetime, at_once: bool = False, second_factor_at: datetime | None = None
) -> None:
    parameters: dict[str, Any] = {
        "device": device,
        "now": now,
        "digest": digest_of(visit.address),
        "at_once": at_once,
        "before": now - WRITTEN_DOWN,
        "second_factor_at": second_factor_at,
    }
    with connection.cursor() as cursor:
        cursor.execute(_USE, parameters)


def rename_device(device: Device, *, name: str) -> None:
    """Call a device as its person says.

    Arguments:
        name: as typed.

    Raises:
        DeviceNameRefused: it is empty, too long or not to be printed.
    """
    wanted = name.strip()
    if not 0 < len(wanted) <= MAX_DEVICE_NAME or not wanted.isprintable():
        raise DeviceNameRefused(f"A name has 1 to {MAX_DEVICE_NAME} characters that can be printed.")
    Device.objects.filter(pk=device.pk).update(name=wanted)


def remove_devices(devices: Collection[UUID], *, actor: str, now: datetime, because: str = "") -> int:
    """Have devices count no more: their sessions end with them, and all that rests on them.

    The lock holds back sessions and grants that would begin on them; those that did are found.

    Arguments:
        devices: primary keys.
        actor: opaque id of who does it.
        now: aware time of the removal.
        because: the words that an operator gave.

    Returns:
        How many were removed; those that had been are left alone.
    """
    with transaction.atomic():
        standing = Device.objects.filter(pk__in=devices, removed_at=None).select_for_update(of=("self",)).order_by("pk")
        found = [device.pk for device in standing]
        if not found:
            return 0
        Device.objects.filter(pk__in=found).update(removed_at=now)
        sessions = list(Session.objects.filter(device__in=found, ended_at=None).values_list("pk", flat=True))
        end_sessions(sessions, reason=SessionEnd.DEVICE_REMOVED, actor=actor, now=now)
        devices_removed(found, actor=actor, now=now)
        targets: list[tuple[str, str, Details]] = [("", str(pk), {}) for pk in found]
        record_each(EventName.DEVICE_REMOVED, targets=targets, actor=actor, now=now, reason=because)
    return len(found)


def say_trust(devices: Collection[UUID], *, trust: int | None, actor: str, now: datetime, because: str) -> int:
    """Put an operator's word in the place of what the rules say of devices, or take it back.

    Arguments:
        devices: primary keys; those that were removed are left alone.
        trust: from 0 to 100; None for the rules.
        actor: opaque id of the operator.
        now: aware time of the change.
        because: the words that they gave.

    Returns:
        Of how many.

    Raises:
        ValueError: the trust is not from 0 to 100.
    """
    if trust is not None and not 0 <= trust <= MOST_TRUST:
        raise ValueError(f"Trust is a number from 0 to {MOST_TRUST}.")
    with transaction.atomic():
        standing = Device.objects.filter(pk__in=devices, removed_at=None).select_for_update(of=("self",)).order_by("pk")
        found = [device.pk for device in standing]
        Device.objects.filter(pk__in=found).update(operator_trust=trust)
        targets: list[tuple[str, str, Details]] = [("", str(pk), {"trust": trust}) for pk in found]
        record_each(EventName.DEVICE_TRUSTED, targets=targets, actor=actor, now=now, reason=because)
    return len(found)
