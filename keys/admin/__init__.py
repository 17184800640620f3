"""Rings and keys in the admin: to watch, and to steer by what a timetable allows. No key is edited by hand."""

from keys.admin import places as _places  # noqa: F401  (registers itself)
from keys.admin.key_pairs import KeyPairAdmin
from keys.admin.rings import KeyRingAdmin
from keys.forms import unserved_by_rings
from realms.hooks import register_lifetime_check

__all__ = ["KeyPairAdmin", "KeyRingAdmin"]

register_lifetime_check(unserved_by_rings)
