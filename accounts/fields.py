"""The rules of names at a column: what a form refuses, and a column that follows another in its canonical form."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from accounts.errors import ClaimRefused, NameRefused
from accounts.names import canonical, check_email, check_username
from accounts.profile import check_address, check_locale, check_name, check_phone_number, check_zoneinfo


def _validate(check: Callable[[str], str], text: str) -> None:
    try:
        check(text)
    except (NameRefused, ClaimRefused) as error:
        raise ValidationError(str(error)) from error


def validate_username(text: str) -> None:
    """`check_username` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    _validate(check_username, text)


def validate_email_form(text: str) -> None:
    """`check_email` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    _validate(check_email, text)


def validate_name(text: str) -> None:
    """`check_name` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    _validate(check_name, text)


def validate_locale(text: str) -> None:
    """`check_locale` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    _validate(check_locale, text)


def validate_zoneinfo(text: str) -> None:
    """`check_zoneinfo` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    _validate(check_zoneinfo, text)


def validate_phone_number(text: str) -> None:
    """`check_phone_number` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    _validate(check_phone_number, text)


def validate_address(text: str) -> None:
    """`check_address` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    _validate(check_address, text)


class CanonicalField(models.CharField):  # type: ignore[type-arg]
    """The canonical form of another field; set by every save, so that no way of writing can forget it."""

    def __init__(self, *args: Any, source: str, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)
        self.source = source

    def deconstruct(self) -> Any:
        """For migrations."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "source": self.source}

    def pre_save(self, model_instance: models.Model, add: bool) -> str | None:  # noqa: ARG002, FBT001  (Django's)
        """Derive the value; None instead of "" where the column is nullable, since NULLs don't collide."""
        value = canonical(getattr(model_instance, self.source)) or (None if self.null else "")
        setattr(model_instance, self.attname, value)
        return value
