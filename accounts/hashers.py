"""Argon2id with a bound on how many passwords one process hashes at once (RFC 9106, OWASP's parameters)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

from accounts.errors import HashingBusy

WAIT_SECONDS = 2.0  # longer than a few hashes take; whoever waits longer is told to come back


@cache
def _places(count: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(count)


@contextmanager
def _place() -> Iterator[None]:
    """Hold one of the process's places, since each hash takes 19 MiB and a core.

    Raises:
        HashingBusy: none became free in time.
    """
    places = _places(settings.IDP_PASSWORD_HASHES_IN_FLIGHT)
    if not places.acquire(timeout=WAIT_SECONDS):
        raise HashingBusy("Too many passwords are being checked at once.")
    try:
        yield
    finally:
        places.release()


class BoundedArgon2(Argon2PasswordHasher):
    """Argon2id: 19 MiB, two passes, one lane."""

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Hash a new password.

        Raises:
            HashingBusy: no place became free in time.
        """
        with _place():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Check a password against a stored hash.

        Raises:
            HashingBusy: no place became free in time.
        """
        with _place():
            return super().verify(password, encoded)
