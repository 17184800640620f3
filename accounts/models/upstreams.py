"""Other OpenID providers that people of a realm sign in with, and who is who there."""

import uuid

from django.db import models
from django.db.models import Q

from accounts.models.people import User
from accounts.models.rules import is_array
from realms.models import SLUG_PATTERN, Realm


class UpstreamProvider(models.Model):
    """An OpenID provider that a realm trusts to sign in its members; found by discovery."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    slug = models.CharField(max_length=63)
    name = models.CharField(max_length=200)
    issuer = models.CharField(max_length=500)
    client_id = models.CharField(max_length=255)
    client_secret = models.BinaryField(null=True, editable=False)  # sealed; none for a public client
    scopes = models.JSONField(default=list)
    allowed_domains = models.JSONField(default=list)
    enabled = models.BooleanField(default=True)
    trusts_second_factor = models.BooleanField(default=False)  # whether an `amr` with mfa there counts here
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["realm_id", "slug"]
        constraints = [
            models.UniqueConstraint(name="upstream_once_a_realm", fields=["realm", "slug"]),
            models.CheckConstraint(name="upstream_slug_form", condition=Q(slug__regex=SLUG_PATTERN)),
            models.CheckConstraint(name="upstream_scopes_are_a_list", condition=is_array("scopes")),
            models.CheckConstraint(name="upstream_domains_are_a_list", condition=is_array("allowed_domains")),
        ]

    def __str__(self) -> str:
        return self.name


class UpstreamLink(models.Model):
    """Who a subject of another provider is here; made only after a fresh sign-in of that person."""

    provider = models.ForeignKey(UpstreamProvider, on_delete=models.CASCADE, related_name="links")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="upstream_links")
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="upstream_subject_is_one_person", fields=["provider", "subject"]),
            models.UniqueConstraint(name="upstream_once_a_person", fields=["provider", "user"]),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.provider_id}"
