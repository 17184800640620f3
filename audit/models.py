"""Event: one security event. A trigger refuses to change or delete a row."""

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
