"""Security events and the chain that seals them. Triggers refuse to change or delete a row."""

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTransform


class Event(models.Model):
    """What happened, when, to what and by whom; ids only, so that erasing a person leaves it whole."""

    occurred_at = models.DateTimeField()
    name = models.CharField(max_length=64)
    realm = models.CharField(max_length=63, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    target = models.CharField(max_length=500, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        permissions = [("view_personal", "Can see personal fields of security events")]
        indexes = [
            # By the letters, so that the beginning of a kid or a subject finds it too.
            models.Index(
                fields=["target", "-id"], name="audit_event_target", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
            models.Index(
                fields=["actor", "-id"], name="audit_event_actor", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
            models.Index(fields=["name", "-id"], name="audit_event_name"),
            models.Index(fields=["occurred_at"], name="audit_event_moment"),
            models.Index(
                KeyTransform("subject", "details"), name="audit_event_subject", condition=Q(details__has_key="subject")
            ),
            models.Index(fields=["-id"], name="audit_event_with_a_reason", condition=~Q(reason="")),
            models.Index(fields=["realm", "name", "-id"], name="audit_event_realm_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.target}"


class Seal(models.Model):
    """One batch of events in the hash chain; its head vouches for all events before it too."""

    number = models.BigIntegerField(primary_key=True)
    previous = models.BinaryField(unique=True)
    head = models.BinaryField(unique=True)
    sealed_at = models.DateTimeField()
    token = models.TextField(blank=True, help_text="The head, signed by the realm's key; empty until it is.")

    class Meta:
        ordering = ["number"]
        constraints = [models.CheckConstraint(name="seal_numbered_from_one", condition=Q(number__gte=1))]

    def __str__(self) -> str:
        return str(self.number)


class SealedEvent(models.Model):
    """Which batch an event is in, where, and what it was. No foreign key to it: one that is gone is to be named."""

    event = models.BigIntegerField(primary_key=True)
    seal = models.ForeignKey(Seal, on_delete=models.PROTECT, related_name="events")
    position = models.PositiveIntegerField()
    digest = models.BinaryField()

    class Meta:
        ordering = ["seal_id", "position"]
        constraints = [models.UniqueConstraint(name="seal_position_once", fields=["seal", "position"])]

    def __str__(self) -> str:
        return str(self.event)
