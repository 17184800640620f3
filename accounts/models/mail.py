"""Mail to people: the links in it, and what waits to be sent."""

import uuid

from django.db import models
from django.db.models import F, Q

from accounts.models.people import User
from accounts.names import MAX_EMAIL
from accounts.vocabulary import LinkPurpose
from realms.models import Realm


class MailedLink(models.Model):
    """A link that was mailed to somebody: good once, until it ends, for one purpose. Its secret's digest alone is kept.

    An address that is not confirmed yet stands here and nowhere else, so nobody holds an address that isn't theirs.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(max_length=24, choices=[(item.value, item.value) for item in LinkPurpose])
    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")  # none for an invitation
    email = models.CharField(max_length=MAX_EMAIL)
    roles = models.JSONField(default=list)  # what an invitation gives
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "invitation"  # what operators see of them
        ordering = ["-created_at"]
        permissions = [("invite_person", "Can invite people and withdraw invitations")]
        indexes = [models.Index(fields=["expires_at"], name="mailed_link_end")]
        constraints = [
            models.CheckConstraint(name="mailed_link_ends", condition=Q(expires_at__gt=F("created_at"))),
            models.CheckConstraint(
                name="mailed_link_is_somebodys_or_invites",
                condition=Q(purpose=LinkPurpose.INVITATION, user__isnull=True)
                | (~Q(purpose=LinkPurpose.INVITATION) & Q(user__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class OutgoingMail(models.Model):
    """A message that waits to be sent, sealed whole: recipient, subject and text. It goes once it is sent.

    One without content is there so that asking takes as long for an address that nobody has.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    content = models.BinaryField(null=True, editable=False)
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()

    class Meta:
        ordering = ["next_attempt_at"]
        indexes = [models.Index(fields=["next_attempt_at"], name="outgoing_mail_next")]

    def __str__(self) -> str:
        return str(self.pk)
