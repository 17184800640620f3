"""Reading typed values from the environment, an `.env` file or secret files.

Every failure is an `ImproperlyConfigured` of one sentence that names the variable and says what to
set it to, because that sentence is all that an operator sees when the server refuses to start.
"""

import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.dateparse import parse_duration

# By scheme: the port where the address names none, None where there is no server.
_MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465, "filemail": None, "consolemail": None}


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
        value = self._value_or_file(name)
        if not value:
            raise ImproperlyConfigured(f"{name} (or {name}_FILE) is not set: {hint}")
        return value

    def optional_secret(self, name: str) -> str:
        """As `secret`, for one that not every installation has; empty where neither is set.

        Raises:
            ImproperlyConfigured: both are set, or the file is missing or open to others.
        """
        return self._value_or_file(name)

    def mail(self, name: str) -> dict[str, Any]:
        """Where mail goes, as Django's settings, from an address in `NAME` or in the file that `NAME_FILE` points at.

        Arguments:
            name: the variable: `smtp+tls://user:password@host:587`, `smtp+ssl://…`, `smtp://…`, `filemail:///folder`
                or `consolemail://`.

        Returns:
            The settings; none where the variable isn't set.

        Raises:
            ImproperlyConfigured: the address is no such; the sentence doesn't repeat it, since it may hold a password.
        """
        text = self._value_or_file(name)
        if not text:
            return {}
        try:
            address = urlsplit(text)
            usual = _MAIL_PORTS[address.scheme]  # first: whatever port it names, another scheme would go unencrypted
            port = address.port or usual
        except (KeyError, ValueError):
            raise ImproperlyConfigured(
                f"{name} is no address for mail: give one such as smtp+tls://user:password@mail.example.org:587."
            ) from None
        found: dict[str, Any] = self.email_url_config(text)
        nowhere = port is not None and not address.hostname
        if nowhere or (address.scheme == "filemail" and len(address.path) <= 1):
            raise ImproperlyConfigured(f"{name} names no host, or no folder: give both scheme and place.")
        return {
            "EMAIL_BACKEND": found["EMAIL_BACKEND"],
            "EMAIL_FILE_PATH": unquote(address.path)
            if address.scheme == "filemail"
            else None,  # environ drops its first slash
            "EMAIL_HOST": address.hostname or "",
            "EMAIL_PORT": port or 0,
            "EMAIL_HOST_USER": found["EMAIL_HOST_USER"] or "",
            "EMAIL_HOST_PASSWORD": found["EMAIL_HOST_PASSWORD"] or "",
            "EMAIL_USE_TLS": address.scheme == "smtp+tls",
            "EMAIL_USE_SSL": address.scheme == "smtp+ssl",
        }

    def _value_or_file(self, name: str) -> str:
        value, file_name = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
        if value and file_name:
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one of them.")
        if not file_name:
            return value
        path = Path(file_name)
        refuse_if_readable_by_others(path)
        return path.read_text(encoding="utf-8").strip()

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
