"""Security events in the admin: to search and to read. The database refuses to change one."""

from audit.admin import places as _places  # noqa: F401  (registers itself)
from audit.admin.events import EventAdmin

__all__ = ["EventAdmin"]
