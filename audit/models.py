"""Event: one security event. A trigger refuses to change or delete a row."""

from django.db import models


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
            models.Index(fields=["target", "-id"], name="audit_event_target"),
            models.Index(fields=["actor", "-id"], name="audit_event_actor"),
            models.Index(fields=["realm", "name", "-id"], name="audit_event_realm_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.target}"
