"""Verify Signet's access tokens in a service: offline, strictly, and through every rotation of keys."""

from signet_verifier.claims import Claims
from signet_verifier.errors import (
    ConfigurationWrong,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    NoCredentials,
    ProviderUnavailable,
    Refused,
    VerifierError,
)
from signet_verifier.fetching import Answer, FetchFailed, HttpFetch
from signet_verifier.guard import Guard
from signet_verifier.introspection import Introspection
from signet_verifier.key_set import Freshness
from signet_verifier.requirement import MULTI_FACTOR, PHISHING_RESISTANT, SINGLE_FACTOR, Requirement, requirement
from signet_verifier.verifier import Verifier

__all__ = [
    "MULTI_FACTOR",
    "PHISHING_RESISTANT",
    "SINGLE_FACTOR",
    "Answer",
    "Claims",
    "ConfigurationWrong",
    "FetchFailed",
    "Freshness",
    "Guard",
    "HttpFetch",
    "InsufficientAuthentication",
    "InsufficientScope",
    "Introspection",
    "InvalidRequest",
    "InvalidToken",
    "NoCredentials",
    "ProviderUnavailable",
    "Refused",
    "Requirement",
    "Verifier",
    "VerifierError",
    "requirement",
]
