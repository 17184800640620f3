"""Second factors and passkeys of people. What is secret in them is sealed, or is a digest of many random bits."""

import uuid

from django.db import models
from django.db.models import Q

from accounts.models.people import User
from accounts.models.rules import is_array
from accounts.passkeys import MAX_NAME


class TotpSecret(models.Model):
    """The seed that a person's authenticator app shares with this provider (RFC 6238); one a person.

    Until a code has proved that the app has it, it counts for nothing. No step is taken twice: `last_step` only
    grows.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="totp_secret")
    secret = models.BinaryField(editable=False)  # sealed
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.pk)


class RecoveryCode(models.Model):
    """A code that works once, for the day on which the other factor is lost; its digest alone is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="recovery_code_once_a_person", fields=["user", "digest"])]

    def __str__(self) -> str:
        return str(self.pk)


class Passkey(models.Model):
    """A person's credential (Web Authentication Level 3 §4, public key credential source)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=MAX_NAME)
    credential_id = models.BinaryField(max_length=1_023, unique=True)
    credential = models.BinaryField(max_length=8_192)  # attested credential data: the public key among it (§6.5.1)
    sign_count = models.BigIntegerField(default=0)
    backup_eligible = models.BooleanField(default=False)
    transports = models.JSONField(default=list)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(name="passkey_has_a_name", condition=~Q(name="")),
            models.CheckConstraint(name="passkey_transports_are_a_list", condition=is_array("transports")),
        ]

    def __str__(self) -> str:
        return self.name
