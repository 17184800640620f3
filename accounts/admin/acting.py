"""Who acts, as the audit names them."""

from typing import cast

from django.http import HttpRequest

from accounts.models import User


def acting(request: HttpRequest) -> str:
    """The operator's opaque id, for the audit."""
    return f"user:{cast('User', request.user).subject}"
