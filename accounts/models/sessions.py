"""Session, and half a sign-in. A trigger holds what a session is and that it ended (migration 0003)."""

import secrets
import uuid

from django.db import models
from django.db.models import F, Q

from accounts.models.devices import Device
from accounts.models.people import User
from accounts.models.rules import is_array
from accounts.vocabulary import SessionEnd
from realms.models import Realm

_SID_BYTES = 16
_SID_PATTERN = r"^[A-Za-z0-9_-]{22}$"


def new_sid() -> str:
    """A `sid` that was never given before: 128 random bits."""
    return secrets.token_urlsafe(_SID_BYTES)


class Session(models.Model):
    """That a person signed in to a realm with a browser (OpenID Connect Back-Channel Logout §2.1, `sid`).

    A row of ours and not Django's session, whose key is a secret that changes: `sid` stands in ID tokens.
    """

    sid = models.CharField(max_length=22, unique=True, default=new_sid, editable=False)
    # The sid of the first of several that one browser had of one person; "" for the first itself. They end together.
    lineage = models.CharField(
        max_length=22,
        blank=True,
        default="",
        db_default="",  # also for a worker of before, which writes rows without knowing of it
        editable=False,
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    device = models.ForeignKey(Device, null=True, on_delete=models.SET_NULL, related_name="+")
    auth_time = models.DateTimeField()
    methods = models.JSONField(default=list)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True, choices=[(item.value, item.value) for item in SessionEnd])

    class Meta:
        ordering = ["-created_at"]
        permissions = [("end_session", "Can end sessions")]
        indexes = [models.Index(fields=["lineage"], name="session_lineage", condition=~Q(lineage=""))]
        constraints = [
            models.UniqueConstraint(name="session_and_realm", fields=["id", "realm"]),
            models.CheckConstraint(name="session_sid_form", condition=Q(sid__regex=_SID_PATTERN)),
            models.CheckConstraint(name="session_begins_with_a_proof", condition=Q(auth_time__lte=F("created_at"))),
            models.CheckConstraint(name="session_methods_are_a_list", condition=is_array("methods")),
            models.CheckConstraint(
                name="session_ends_with_a_reason",
                condition=Q(ended_at__isnull=True, end_reason="")
                | Q(ended_at__isnull=False, end_reason__in=[item.value for item in SessionEnd]),
            ),
        ]

    def __str__(self) -> str:
        return self.sid


class SignInChallenge(models.Model):
    """That somebody passed the first part of a sign-in, and that another is due: good once, and for minutes.

    Its id is what a browser's cookie session holds, and what the handle of `/auth` names.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    methods = models.JSONField(default=list)
    proved_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="sign_in_challenge_end")]
        constraints = [
            models.CheckConstraint(name="sign_in_challenge_ends", condition=Q(expires_at__gt=F("proved_at"))),
            models.CheckConstraint(name="sign_in_challenge_methods_are_a_list", condition=is_array("methods")),
        ]

    def __str__(self) -> str:
        return str(self.pk)
