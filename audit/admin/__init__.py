"""Security events in the admin: to search and to read. The database refuses to change one."""

from audit.admin.events import EventAdmin

__all__ = ["EventAdmin"]
