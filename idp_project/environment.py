"""Reading typed values from the environment, an `.env` file or secret files.

Every failure is an `ImproperlyConfigured` of one sentence that names the variable and says what to
set it to, because that sentence is all that an operator sees when the server refuses to start.
"""

import os
import stat
from datetime import timedelta
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.dateparse import parse_duration


def refuse_if_readable_by_others(path: Path) -> None:
    """Refuse a file with secrets that every user of the machine may read.

    Arguments:
        path: the file; links are followed, since orchestrators mount secrets through them.

    Raises:
        ImproperlyConfigured: the file is missing, unreadable or open to others.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ImproperlyConfigured(f"The file {path} can't be read: {error.strerror}.") from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ImproperlyConfigured(
            f"The file {path} holds secrets and is open to every user of this machine: run chmod o-rw {path}."
        )


class Environment(environ.Env):
    """django-environ with secret files and ISO 8601 durations."""

    def read_file(self, path: Path) -> None:
        """Take over the assignments in an env file; what the process already has wins.

        Raises:
            ImproperlyConfigured: the file is missing or open to others.
        """
        refuse_if_readable_by_others(path)
        self.read_env(str(path), overwrite=False)

    def secret(self, name: str, *, hint: str) -> str:
        """A secret from `NAME`, or from the file that `NAME_FILE` points at.

        Arguments:
            name: the variable.
            hint: how to make such a secret, for the message.

        Raises:
            ImproperlyConfigured: neither is set, both are, or the file is missing or open to others.
        """
        value, file_name = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
        if value and file_name:
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one of them.")
        if file_name:
            path = Path(file_name)
            refuse_if_readable_by_others(path)
            value = path.read_text(encoding="utf-8").strip()
        if not value:
            raise ImproperlyConfigured(f"{name} (or {name}_FILE) is not set: {hint}")
        return value

    def required(self, name: str, *, hint: str) -> str:
        """A value without which the server can't run.

        Raises:
            ImproperlyConfigured: it is not set.
        """
        value = os.environ.get(name, "")
        if not value:
            raise ImproperlyConfigured(f"{name} is not set: {hint}")
        return value

    def duration(self, name: str, default: str) -> timedelta:
        """A length of time in ISO 8601 (`P90D`, `PT48H`, `PT5S`).

        Raises:
            ImproperlyConfigured: the text is no duration.
        """
        text = os.environ.get(name, default)
        written_out = text.startswith("P") and text[-1] not in "PT"  # Django takes "PT" for no time at all
        value = parse_duration(text) if written_out else None
        if value is None:
            raise ImproperlyConfigured(f"{name} is not an ISO 8601 duration such as {default}: {text!r}.")
        return value
