"""People, memberships and sessions in Django's admin. Each change leaves an event."""

from accounts.admin.people import PersonAdmin
from accounts.admin.sessions import SessionAdmin

__all__ = ["PersonAdmin", "SessionAdmin"]
