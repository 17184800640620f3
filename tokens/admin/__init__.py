"""Clients, grants, consents and logouts in the admin. No secret is shown twice, and no grant is written by hand."""

from tokens.admin import places as _places  # noqa: F401  (registers itself)
from tokens.admin.clients import ClientAdmin
from tokens.admin.consents import ConsentAdmin
from tokens.admin.grants import GrantAdmin
from tokens.admin.logout_deliveries import LogoutDeliveryAdmin

__all__ = ["ClientAdmin", "ConsentAdmin", "GrantAdmin", "LogoutDeliveryAdmin"]
