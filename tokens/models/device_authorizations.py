"""DeviceAuthorization: what a device asked for, and what became of it. More rules stand in migration 0009."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q

from realms.models import Realm
from tokens.models.clients import Client
from tokens.models.grants import Grant, new_grant_id

FIRST_INTERVAL = timedelta(seconds=5)  # between two polls; what RFC 8628 §3.2 has clients take for the default
LONGEST_INTERVAL = timedelta(minutes=1)


class DeviceAuthorization(models.Model):
    """A device's request until its person decides and the device has fetched the tokens (RFC 8628 §3.1).

    A device code is a handle to this row; of the user code there is an HMAC alone.
    """

    id = models.UUIDField(primary_key=True, default=new_grant_id, editable=False)
    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    scopes = models.JSONField(default=list)
    resources = models.JSONField(default=list)
    user_code_digest = models.BinaryField(max_length=32, unique=True)
    asked_from = models.CharField(max_length=64)  # the block of the device's address, for its person's eyes
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    poll_interval = models.DurationField(default=FIRST_INTERVAL)
    last_polled_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    # The database itself deletes the row with its grant (migration 0009), since grants are purged in SQL.
    grant = models.OneToOneField(Grant, null=True, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    redeemed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="device_expires_after_it_asked", condition=Q(expires_at__gt=F("created_at"))),
            models.CheckConstraint(
                name="device_interval_within_bounds",
                condition=Q(poll_interval__gte=FIRST_INTERVAL, poll_interval__lte=LONGEST_INTERVAL),
            ),
            models.CheckConstraint(
                name="device_grant_by_decision", condition=Q(grant__isnull=True) | Q(decided_at__isnull=False)
            ),
            models.CheckConstraint(
                name="device_redeems_what_was_granted",
                condition=Q(redeemed_at__isnull=True) | Q(grant__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
