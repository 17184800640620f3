"""People and memberships in Django's admin. Each change leaves an event."""

from accounts.admin.people import PersonAdmin

__all__ = ["PersonAdmin"]
