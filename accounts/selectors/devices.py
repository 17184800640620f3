"""Reading the devices of people."""

from datetime import datetime
from uuid import UUID

from accounts.device_cookie import LIFETIME
from accounts.models import Device, User
from accounts.trust import DeviceFacts


def facts_of(device: Device) -> DeviceFacts:
    """What its trust follows from."""
    return DeviceFacts(
        created_at=device.created_at,
        last_used_at=device.last_used_at,
        second_factor_at=device.second_factor_at,
        address_changed_at=device.address_changed_at,
        address_changes=device.address_changes,
        operator_trust=device.operator_trust,
        removed=device.removed_at is not None,
    )


def devices_of(person: User, *, now: datetime) -> list[Device]:
    """The devices that a person is recognised by, the last used first.

    Arguments:
        now: aware; a cookie that old has gone, and a key that long unused is forgotten with it.
    """
    return list(Device.objects.filter(user=person, removed_at=None, last_used_at__gt=now - LIFETIME))


def own_device(text: str, *, person: User) -> Device | None:
    """A person's device, removed or not; None where they have none with this id.

    Arguments:
        text: from a form, however hostile.
    """
    try:
        key = UUID(text)
    except ValueError:
        return None
    return Device.objects.filter(pk=key, user=person).first()
