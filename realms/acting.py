"""Who acts, as the audit names them."""

from typing import Any, cast

from django.http import HttpRequest


def actor_of(request: HttpRequest) -> str:
    """The operator's opaque id."""
    operator = cast("Any", request.user)  # the user model stands above this app
    return f"user:{operator.subject}"
