"""LogoutDelivery: that a client has still to be told, or was told, of a session's end. Columns and constraints."""

from django.db import models
from django.db.models import Q

from realms.models import Realm

_SID_PATTERN = r"^[A-Za-z0-9_-]{22}$"
_OUTCOME_PATTERN = r"^[a-z0-9_]*$"
WAITING = Q(delivered_at__isnull=True, given_up_at__isnull=True)


class LogoutDelivery(models.Model):
    """One client and one session that ended (OpenID Connect Back-Channel Logout §2.5).

    No foreign key leads to the session or the person: a client is told of their end also where both are gone.
    The token is no column: each attempt makes a fresh one. `attempts` counts up whenever a worker takes the
    row, so it tells a worker that was too slow that another took over.
    """

    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey("tokens.Client", on_delete=models.PROTECT, related_name="+")
    sid = models.CharField("session", max_length=22)
    subject = models.CharField(max_length=22)  # the person's own; what the client knows them by follows from it
    created_at = models.DateTimeField("session ended")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField("next attempt")
    delivered_at = models.DateTimeField("delivered", null=True)
    given_up_at = models.DateTimeField("given up", null=True)
    last_outcome = models.CharField(max_length=32, blank=True)

    class Meta:
        verbose_name = "logout delivery"
        verbose_name_plural = "logout deliveries"
        ordering = ["-created_at", "-id"]
        permissions = [("retry_logoutdelivery", "Can have a logout delivered again")]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="logout_delivery_waiting", condition=WAITING),
            models.Index(fields=["created_at"], name="logout_delivery_created"),
        ]
        constraints = [
            models.UniqueConstraint(name="logout_delivery_once_a_session", fields=["client", "sid"]),
            models.CheckConstraint(name="logout_delivery_sid_form", condition=Q(sid__regex=_SID_PATTERN)),
            models.CheckConstraint(name="logout_delivery_has_a_subject", condition=~Q(subject="")),
            models.CheckConstraint(
                name="logout_delivery_one_end",
                condition=Q(delivered_at__isnull=True) | Q(given_up_at__isnull=True),
            ),
            models.CheckConstraint(
                name="logout_delivery_ends_after_an_attempt",
                condition=WAITING | Q(attempts__gt=0),
            ),
            # A word or a status, never what a client's server wrote.
            models.CheckConstraint(
                name="logout_delivery_outcome_is_a_word", condition=Q(last_outcome__regex=_OUTCOME_PATTERN)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sid} → {self.client}"
