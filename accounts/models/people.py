"""User and Membership. A trigger holds that `subject` never changes (migration 0002)."""

import secrets
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.fields import (
    CanonicalField,
    validate_address,
    validate_email_form,
    validate_locale,
    validate_name,
    validate_phone_number,
    validate_username,
    validate_zoneinfo,
)
from accounts.models.rules import is_array
from accounts.names import MAX_EMAIL, MAX_USERNAME, canonical
from accounts.passwords import prepared
from accounts.profile import MAX_ADDRESS, MAX_LOCALE, MAX_NAME, MAX_PHONE_NUMBER, MAX_ZONEINFO
from realms.models import Realm

_SUBJECT_BYTES = 16


def new_subject() -> str:
    """A `sub` that was never given before: 128 random bits."""
    return secrets.token_urlsafe(_SUBJECT_BYTES)


class UserManager(BaseUserManager["User"]):
    """What Django's own `createsuperuser` and login need, and no more: people are made by services."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """The person with this name, compared in its canonical form."""
        return self.get(username_canonical=canonical(username or ""))

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """For Django's command, which hands over no time."""
        user = self.model(username=username, is_staff=True, is_superuser=True, created_at=timezone.now(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A person of the installation (OpenID Connect Core §2, `sub`). Realms know them by membership."""

    subject = models.CharField(max_length=22, unique=True, default=new_subject, editable=False)
    username = models.CharField(max_length=MAX_USERNAME, unique=True, validators=[validate_username])
    username_canonical = CanonicalField(source="username", max_length=MAX_USERNAME, unique=True)
    email = models.EmailField(max_length=MAX_EMAIL, blank=True, validators=[validate_email_form])
    email_canonical = CanonicalField(source="email", max_length=MAX_EMAIL, unique=True, null=True)
    email_verified = models.BooleanField(
        default=False, help_text="Somebody made sure that the address is theirs. Another address takes this back."
    )
    name = models.CharField(max_length=MAX_NAME, blank=True, validators=[validate_name])
    given_name = models.CharField(max_length=MAX_NAME, blank=True, validators=[validate_name])
    family_name = models.CharField(max_length=MAX_NAME, blank=True, validators=[validate_name])
    locale = models.CharField(
        max_length=MAX_LOCALE, blank=True, validators=[validate_locale], help_text="A language tag, such as pt-PT."
    )
    zoneinfo = models.CharField(
        "time zone", max_length=MAX_ZONEINFO, blank=True, validators=[validate_zoneinfo], help_text="Europe/Lisbon"
    )
    phone_number = models.CharField(
        max_length=MAX_PHONE_NUMBER, blank=True, validators=[validate_phone_number], help_text="+351211234567"
    )
    phone_number_verified = models.BooleanField(
        default=False, help_text="Somebody made sure that the number is theirs. Another number takes this back."
    )
    address = models.CharField(
        "postal address",
        max_length=MAX_ADDRESS,
        blank=True,
        validators=[validate_address],
        help_text="As on an envelope.",
    )
    updated_at = models.DateTimeField(
        null=True, editable=False, help_text="When a claim about the person changed last; empty for never."
    )
    is_active = models.BooleanField(
        "active", default=True, help_text="Whoever is not can't sign in, and their tokens can't be refreshed."
    )
    is_staff = models.BooleanField("operator", default=False, help_text="May sign in to this admin.")
    signed_out_at = models.DateTimeField(
        null=True, editable=False, help_text="Sign-ins before this moment count no more; set with a new password."
    )
    created_at = models.DateTimeField(editable=False)

    objects: ClassVar[UserManager] = UserManager()
    words_of_context: tuple[str, ...] = ()  # no column: what a new password may not be made of, beside the person's own

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        ordering = ["username_canonical"]
        permissions = [
            ("reset_factors", "Can reset second factors"),
            ("lift_limit", "Can lift limits on attempts"),
        ]
        constraints = [
            models.CheckConstraint(name="user_has_a_name", condition=~Q(username_canonical="")),
            models.CheckConstraint(
                name="user_verified_email_is_there", condition=Q(email_verified=False) | ~Q(email="")
            ),
            models.CheckConstraint(
                name="user_verified_phone_number_is_there",
                condition=Q(phone_number_verified=False) | ~Q(phone_number=""),
            ),
        ]

    def __str__(self) -> str:
        return self.username

    def set_password(self, raw_password: str | None) -> None:
        """Take another password, and have everything that was got with the old one end.

        Every way to another password leads through here, and most are Django's own, which hand over no
        time. A hash that is renewed at a sign-in saves the password's column alone, so it ends nothing.
        """
        super().set_password(None if raw_password is None else prepared(raw_password))
        self._end_what_was_got()

    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is the password, whatever keyboard wrote it; whoever lacks one costs a hash too."""
        return super().check_password(None if raw_password is None else prepared(raw_password))

    def set_unusable_password(self) -> None:
        """Have no password any more; what was got with the old one ends too."""
        super().set_unusable_password()
        self._end_what_was_got()

    def _end_what_was_got(self) -> None:
        if self.pk is not None:
            self.signed_out_at = timezone.now()


class Membership(models.Model):
    """That a person belongs to a realm, and what they are there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    roles = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["user_id", "realm_id"]
        constraints = [
            models.UniqueConstraint(name="membership_once_a_realm", fields=["user", "realm"]),
            models.CheckConstraint(name="membership_roles_are_a_list", condition=is_array("roles")),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.realm}"
