"""A provider with one key, and a verifier of it."""

import pytest

from signet_verifier import Verifier
from tests.verifier.issuer import Issuer, key


@pytest.fixture
def issuer() -> Issuer:
    """A provider with one key, ES256."""
    return Issuer(published=[key()])


@pytest.fixture
def verifier(issuer: Issuer) -> Verifier:
    """A service's verifier, which remembers tokens."""
    return issuer.verifier()
