"""Clients, grants and logouts in Django's admin. A secret is never shown, and a grant can't be written by hand."""

from tokens.admin.clients import ClientAdmin
from tokens.admin.grants import GrantAdmin
from tokens.admin.logout_deliveries import LogoutDeliveryAdmin

__all__ = ["ClientAdmin", "GrantAdmin", "LogoutDeliveryAdmin"]
