"""The rules of names at a column: what a form refuses, and a column that follows another in its canonical form."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from accounts.errors import NameRefused
from accounts.names import canonical, check_email, check_username


def validate_username(text: str) -> None:
    """`check_username` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    try:
        check_username(text)
    except NameRefused as error:
        raise ValidationError(str(error)) from error


def validate_email_form(text: str) -> None:
    """`check_email` for Django's forms and commands.

    Raises:
        ValidationError: with the sentence of the refusal.
    """
    try:
        check_email(text)
    except NameRefused as error:
        raise ValidationError(str(error)) from error


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
