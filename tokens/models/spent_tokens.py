"""SpentToken: what may not be used again."""

from django.db import models


class SpentToken(models.Model):
    """A `jti` that may not be used again until it would have expired anyway; the table empties itself.

    For the assertions of clients (RFC 7523 §3, once only) and for access tokens that were revoked (RFC 7009).
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return bytes(self.digest).hex()[:16]
