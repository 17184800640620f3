"""Django's way in to the same sign-in that `/auth` uses, so that both meet the same limits."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from accounts.errors import HashingBusy, SignInRefused, TooManyAttempts
from accounts.models import User
from accounts.services.sign_in import sign_in


class LimitedBackend(ModelBackend):
    """Name and password, within the limits on attempts; permissions are Django's own."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_kwargs: Any
    ) -> User | None:
        """The operator who signs in to the admin, or None.

        The clock is read here, because Django's login page hands over no time.

        Raises:
            ValidationError: a limit is reached; the login form shows the sentence.
        """
        if not username or password is None:
            return None
        try:
            return sign_in(
                realm=None,
                username=username,
                password=password,
                address=str(request.META.get("REMOTE_ADDR", "")) if request else "",
                now=timezone.now(),
                user_agent=request.headers.get("User-Agent", "") if request else "",
            ).person
        except SignInRefused:
            return None
        except TooManyAttempts as error:
            seconds = int(error.retry_after.total_seconds()) + 1
            raise ValidationError(f"There were too many attempts. Try again in {seconds} seconds.") from error
        except HashingBusy as error:
            raise ValidationError("The server is busy. Try again in a few seconds.") from error
