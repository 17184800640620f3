"""Columns and constraints, no behaviour; one module for what belongs together."""

from tokens.models.clients import CLIENT_ID_PATTERN, CONFIDENTIAL_METHODS, MAX_SECRETS, Client
from tokens.models.grants import Consent, Grant, new_grant_id
from tokens.models.spent_tokens import SpentToken

__all__ = [
    "CLIENT_ID_PATTERN",
    "CONFIDENTIAL_METHODS",
    "MAX_SECRETS",
    "Client",
    "Consent",
    "Grant",
    "SpentToken",
    "new_grant_id",
]
