"""Realm: an issuer and the bounds of what it grants. Columns and constraints, no behaviour."""

import secrets
from datetime import timedelta

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from realms.pictures import MEDIA_TYPES, MOST_BYTES
from realms.vocabulary import Registration

SLUG_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

_SALT_BYTES = 32
_COLOUR = r"^(#[0-9a-f]{6})?$"


def new_pairwise_salt() -> bytes:
    """A salt that no other realm has: 256 random bits."""
    return secrets.token_bytes(_SALT_BYTES)


class Realm(models.Model):
    """One issuer (OpenID Connect Discovery §3). Issuer and salt never change: triggers refuse it."""

    slug = models.CharField(max_length=63, unique=True, validators=[RegexValidator(SLUG_PATTERN)])
    name = models.CharField(max_length=200)
    issuer = models.CharField(max_length=500, unique=True, editable=False)
    enabled = models.BooleanField(default=True)
    registration = models.CharField(
        max_length=16,
        default=Registration.CLOSED.value,
        db_default=Registration.CLOSED.value,  # also for whoever writes a row without knowing of it
        choices=[(item.value, item.value) for item in Registration],
    )
    require_second_factor = models.BooleanField(default=False, db_default=False)
    # What its pages look like: colours as #rrggbb, "" for Signet's own; the digest of its logo, "" where it has none.
    accent = models.CharField(max_length=7, blank=True, default="", db_default="")
    accent_dark = models.CharField(max_length=7, blank=True, default="", db_default="")
    logo_digest = models.CharField(max_length=16, blank=True, default="", db_default="", editable=False)
    access_token_lifetime = models.DurationField(default=timedelta(minutes=10))
    refresh_idle_lifetime = models.DurationField(default=timedelta(days=7))
    refresh_absolute_lifetime = models.DurationField(default=timedelta(days=30))
    pairwise_salt = models.BinaryField(max_length=_SALT_BYTES, default=new_pairwise_salt, editable=False)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(name="realm_slug_form", condition=Q(slug__regex=SLUG_PATTERN)),
            models.CheckConstraint(
                name="realm_registration_is_known", condition=Q(registration__in=[item.value for item in Registration])
            ),
            models.CheckConstraint(
                name="realm_colours_are_colours", condition=Q(accent__regex=_COLOUR, accent_dark__regex=_COLOUR)
            ),
            models.CheckConstraint(
                name="realm_access_token_at_most_15_minutes",
                condition=Q(access_token_lifetime__gt=timedelta(0), access_token_lifetime__lte=timedelta(minutes=15)),
            ),
            models.CheckConstraint(
                name="realm_refresh_idle_within_absolute",
                condition=Q(
                    refresh_idle_lifetime__gt=timedelta(0),
                    refresh_idle_lifetime__lte=F("refresh_absolute_lifetime"),
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Logo(models.Model):
    """The picture of a realm, apart from its row: no request but the one for the picture loads it."""

    realm = models.OneToOneField(Realm, on_delete=models.CASCADE, primary_key=True, editable=False)
    media_type = models.CharField(max_length=16, choices=[(item, item) for item in MEDIA_TYPES])
    picture = models.BinaryField(max_length=MOST_BYTES)

    class Meta:
        constraints = [
            models.CheckConstraint(name="logo_is_a_picture", condition=Q(media_type__in=MEDIA_TYPES)),
        ]

    def __str__(self) -> str:
        return f"Logo of {self.realm_id}"
