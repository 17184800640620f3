"""The buckets of the limits on attempts."""

from django.db import models


class AttemptBudget(models.Model):
    """One bucket of a limit (accounts/budget.py); the key is an HMAC, so no name and no address is stored."""

    key = models.BinaryField(max_length=32, primary_key=True)
    full_at = models.DateTimeField()  # no index: it moves with every attempt

    def __str__(self) -> str:
        return bytes(self.key).hex()[:16]
