"""Device: a browser or a program that a person signs in with."""

import uuid

from django.db import models
from django.db.models import F, Q

from accounts.models.people import User
from accounts.vocabulary import DeviceKind

MAX_DEVICE_NAME = 100
_THUMBPRINT_PATTERN = r"^[A-Za-z0-9_-]{43}$"


class Device(models.Model):
    """What a person signs in with, recognised by a signed cookie or by the key that a client proves (RFC 9449).

    Facts alone: what trust follows of them is decided in `accounts/trust.py`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    kind = models.CharField(max_length=16, choices=[(item.value, item.value) for item in DeviceKind])
    # RFC 7638, of the key that is proved; "" for a browser
    thumbprint = models.CharField(max_length=43, blank=True, default="", db_default="")
    name = models.CharField(max_length=MAX_DEVICE_NAME)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    second_factor_at = models.DateTimeField(null=True)  # when one was proved on it last
    address_digest = models.BinaryField(max_length=32, null=True)  # an HMAC of the block it came from last
    address_changed_at = models.DateTimeField(null=True)
    address_changes = models.PositiveIntegerField(default=0, db_default=0)
    operator_trust = models.PositiveSmallIntegerField(null=True)  # an operator's word, in the place of the rules'
    removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-last_used_at"]
        permissions = [("remove_device", "Can remove devices"), ("trust_device", "Can say how far a device is trusted")]
        indexes = [models.Index(fields=["user", "-last_used_at"], name="device_of_a_person")]
        constraints = [
            models.UniqueConstraint(
                name="device_once_a_key",
                fields=["user", "thumbprint"],
                condition=~Q(thumbprint="") & Q(removed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="device_has_a_key_if_it_proves_one",
                condition=Q(kind=DeviceKind.BROWSER, thumbprint="")
                | Q(kind=DeviceKind.KEY, thumbprint__regex=_THUMBPRINT_PATTERN),
            ),
            models.CheckConstraint(name="device_used_since_it_is", condition=Q(last_used_at__gte=F("created_at"))),
            models.CheckConstraint(
                name="device_operator_trust_to_100",
                condition=Q(operator_trust__isnull=True) | Q(operator_trust__lte=100),
            ),
        ]

    def __str__(self) -> str:
        return self.name
