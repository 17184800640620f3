"""Columns and constraints, no behaviour; one module for what belongs together."""

from tokens.models.clients import CLIENT_ID_PATTERN, CONFIDENTIAL_METHODS, MAX_SECRETS, Client
from tokens.models.device_authorizations import FIRST_INTERVAL, LONGEST_INTERVAL, DeviceAuthorization
from tokens.models.grants import Consent, Grant, new_grant_id
from tokens.models.logout_deliveries import WAITING, LogoutDelivery
from tokens.models.spent_tokens import SpentToken

__all__ = [
    "CLIENT_ID_PATTERN",
    "CONFIDENTIAL_METHODS",
    "FIRST_INTERVAL",
    "LONGEST_INTERVAL",
    "MAX_SECRETS",
    "WAITING",
    "Client",
    "Consent",
    "DeviceAuthorization",
    "Grant",
    "LogoutDelivery",
    "SpentToken",
    "new_grant_id",
]
