"""People, memberships, devices and sessions in Django's admin. Each change leaves an event."""

from accounts.admin import places as _places  # noqa: F401  (registers itself)
from accounts.admin.devices import DeviceAdmin
from accounts.admin.invitations import InvitationAdmin
from accounts.admin.people import PersonAdmin
from accounts.admin.roles import RoleAdmin
from accounts.admin.sessions import SessionAdmin
from accounts.admin.upstreams import UpstreamLinkAdmin, UpstreamProviderAdmin

__all__ = [
    "DeviceAdmin", "InvitationAdmin", "PersonAdmin", "RoleAdmin", "SessionAdmin", "UpstreamLinkAdmin",
    "UpstreamProviderAdmin",
]  # fmt: skip
