"""Grant and Consent: what a person allowed. More rules for grants stand in migrations 0002 and 0006."""

import secrets
import uuid

from django.db import models
from django.db.models import F, Q, Value

from accounts.models import Device, Session, User
from realms.models import Realm
from tokens.models.clients import Client
from tokens.vocabulary import RevocationReason

_NO_CLAIMS = Value({}, models.JSONField())  # also for a worker of before, which writes rows without knowing of it


def new_grant_id() -> uuid.UUID:
    """128 random bits; a version-4 UUID would have 122."""
    return uuid.UUID(bytes=secrets.token_bytes(16))


class Grant(models.Model):
    """What a person allowed a client, and its life. Codes and refresh tokens are handles to this row.

    No index covers generation, rotated_at or idle_expires_at: with one, no rotation could be a
    heap-only update.
    """

    id = models.UUIDField(primary_key=True, default=new_grant_id, editable=False)
    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(Session, null=True, on_delete=models.SET_NULL, related_name="+")
    # What it is bound to: a refresh token is refused from another device, or without the key (RFC 9449 §5).
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="+")
    jkt = models.CharField(max_length=43, blank=True, default="", db_default="")
    scopes = models.JSONField(default=list)
    resources = models.JSONField(default=list)
    # Names of claims asked for one by one, by where they are told.
    claims = models.JSONField(default=dict, db_default=_NO_CLAIMS)
    redirect_uri = models.CharField(max_length=2_000, blank=True)
    code_challenge = models.CharField(max_length=43, blank=True)
    nonce = models.CharField(max_length=512, blank=True)
    code_expires_at = models.DateTimeField(null=True)
    code_used_at = models.DateTimeField(null=True)
    auth_time = models.DateTimeField()
    methods = models.JSONField(default=list)
    created_at = models.DateTimeField()
    generation = models.PositiveIntegerField(default=0)
    rotated_at = models.DateTimeField()
    idle_expires_at = models.DateTimeField()
    absolute_expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revocation_reason = models.CharField(
        max_length=32, blank=True, choices=[(item.value, item.value) for item in RevocationReason]
    )

    class Meta:
        permissions = [("end_grant", "Can end grants")]
        indexes = [
            models.Index(fields=["absolute_expires_at"], name="grant_absolute_end"),
            models.Index(fields=["revoked_at"], name="grant_revoked", condition=Q(revoked_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                name="grant_life_in_order",
                condition=Q(
                    rotated_at__gte=F("created_at"),
                    idle_expires_at__lte=F("absolute_expires_at"),
                    absolute_expires_at__gt=F("created_at"),
                ),
            ),
            models.CheckConstraint(
                name="grant_revoked_with_a_reason",
                condition=Q(revoked_at__isnull=True, revocation_reason="")
                | (Q(revoked_at__isnull=False) & ~Q(revocation_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Consent(models.Model):
    """What a person allowed a client, for the next time that it asks."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    scopes = models.JSONField(default=list)
    granted_at = models.DateTimeField()

    class Meta:
        ordering = ["-granted_at"]
        permissions = [("withdraw_consent", "Can withdraw consents")]
        constraints = [models.UniqueConstraint(name="consent_once_a_client", fields=["user", "client"])]

    def __str__(self) -> str:
        return f"{self.user_id} → {self.client_id}"
