"""The folder that `make run` keeps everything in: secrets, database, who runs it, which issuer it made."""

import base64
import os
import pwd
import secrets
import stat
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from idp_project.embedded_postgres import Place, hold_lock

DEFAULT_PORT = 8080


class QuickstartError(Exception):
    """`make run` can't go on; the message is one sentence."""


@dataclass(frozen=True)
class DataFolder:
    """One folder, one issuer, one run at a time."""

    path: Path

    @property
    def env_file(self) -> Path:
        """The secrets, made once; every later command reads them through `IDP_ENV_FILE`."""
        return self.path / "signet.env"

    @property
    def demo_login(self) -> Path:
        """The demo person's name and password in netrc form, so that no command line carries them."""
        return self.path / "demo.netrc"

    @property
    def dead_keys(self) -> Path:
        """What is remembered of dead keys, whatever becomes of the database (IDP_DEAD_KEYS_FILE)."""
        return self.path / "dead_keys"

    @property
    def mail(self) -> Path:
        """Where mails are written to instead of being sent, a file each."""
        return self.path / "mail"

    @property
    def mail_url(self) -> str:
        """What has them written there (IDP_EMAIL_URL)."""
        return f"filemail://{quote(str(self.mail))}"

    @property
    def postgres(self) -> Path:
        """Where the bundled database lives."""
        return self.path / "postgres"

    def lock(self) -> AbstractContextManager[None]:
        """Keep a second run off this data."""
        return hold_lock(
            self.path / "lock",
            refusal=f"Signet already runs on the data in {self.path} (process {{pid}}): stop that run first.",
        )

    def stored(self) -> dict[str, str]:
        """What the first run wrote into the env file.

        Returns:
            names and values; nothing before the first run.

        Raises:
            QuickstartError: the file is not ours, or others may read it.
        """
        try:
            found = self.env_file.lstat()
        except FileNotFoundError:
            return {}
        if found.st_uid != os.geteuid():
            raise QuickstartError(
                f"The data in {self.path} belongs to {_account_name(found.st_uid)}: run this as that user, "
                "or set IDP_DATA_DIR to another folder."
            )
        if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
            raise QuickstartError(f"{self.env_file} must be a file that only you can read: chmod 600 it.")
        lines = self.env_file.read_text(encoding="utf-8").splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        return {name.strip(): value.strip() for name, value in pairs}

    def write_env_file(self, values: Mapping[str, str]) -> None:
        """Write the env file, whole or not at all, readable by its owner alone."""
        lines = ["# Made by `make run`. Keep it secret: whoever reads it can sign as this provider."]
        lines += [f"{name}={value}" for name, value in values.items()]
        write_secret(self.env_file, "\n".join(lines) + "\n")


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read; a crash leaves the old one or the new one, never half.

    Arguments:
        path: the file.
        text: its content.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def choose_port(environment: Mapping[str, str], stored: Mapping[str, str], folder: Path) -> int:
    """The port to serve on: `PORT`, else that of the first run, else 8080.

    Arguments:
        environment: of this process.
        stored: what the first run wrote.
        folder: for the message.

    Raises:
        QuickstartError: `PORT` is no port, or would move the issuer, which every token and service names.
    """
    issuer = stored.get("IDP_ISSUER", "")
    asked = environment.get("PORT") or str(urlsplit(issuer).port or DEFAULT_PORT)
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked) <= 65535):  # noqa: PLR2004 - TCP's ports
        raise QuickstartError(f"PORT must be a number from 1 to 65535, not {asked!r}.")
    wanted = issuer_at(int(asked))
    if issuer and issuer != wanted:
        raise QuickstartError(
            f"The issuer can't move from {issuer} to {wanted}, because tokens and services name it: "
            f"start with PORT={urlsplit(issuer).port}, or set IDP_DATA_DIR to a folder other than {folder}."
        )
    return int(asked)


def issuer_at(port: int) -> str:
    """The issuer of a trial on this machine."""
    return f"http://localhost:{port}"


def first_values(*, port: int, database_url: str, bundled: bool) -> dict[str, str]:
    """What the first run writes: fresh secrets, and the settings of a trial on this machine.

    Arguments:
        port: where it serves.
        database_url: the database that it uses from now on.
        bundled: whether that is the bundled PostgreSQL.
    """
    return {
        "IDP_ISSUER": issuer_at(port),
        "PORT": str(port),
        "IDP_SECRET_KEY": secrets.token_urlsafe(60),
        "IDP_MASTER_SECRETS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode("ascii"),
        "IDP_ALLOWED_HOSTS": "127.0.0.1,[::1]",
        "IDP_EXPIRED_TOKENS": "true",
        "IDP_ADMIN_SECOND_FACTOR": "false",
        "IDP_BUNDLED_DATABASE": "true" if bundled else "false",
        "DATABASE_URL": database_url,
    }


def uses_bundled_database(environment: Mapping[str, str], stored: Mapping[str, str], folder: Path) -> bool:
    """Whether this data lives in the bundled PostgreSQL, or in the one that the user named.

    Raises:
        QuickstartError: `DATABASE_URL` names another database than the data was made in.
    """
    named = environment.get("DATABASE_URL", "")
    if not stored:
        return not named
    if named and named != stored.get("DATABASE_URL"):
        raise QuickstartError(
            f"The data in {folder} was made with another database than DATABASE_URL names: unset "
            "DATABASE_URL, or set IDP_DATA_DIR to another folder."
        )
    return stored.get("IDP_BUNDLED_DATABASE") == "true"


def follow_move(stored: dict[str, str], place: Place, folder: DataFolder) -> dict[str, str]:
    """Name the bundled database anew when the data folder was moved since the last run.

    Returns:
        the stored values with the database where it is now.

    Raises:
        QuickstartError: root's cluster lies elsewhere, under a name made from the old path.
    """
    if stored["DATABASE_URL"] == place.url:
        return stored
    if place.account is not None:
        raise QuickstartError(
            f"The data folder {folder.path} was moved and its database was not: move it back, or set "
            "IDP_DATA_DIR to a new folder."
        )
    moved = {**stored, "DATABASE_URL": place.url}
    folder.write_env_file(moved)
    return moved


def follow_dead_keys(stored: dict[str, str], folder: DataFolder) -> dict[str, str]:
    """Name the file of dead keys where the data folder is now; one from before this was kept gets a name too.

    Returns:
        the stored values with the file where it is now.
    """
    if stored.get("IDP_DEAD_KEYS_FILE") == str(folder.dead_keys):
        return stored
    moved = {**stored, "IDP_DEAD_KEYS_FILE": str(folder.dead_keys)}
    folder.write_env_file(moved)
    return moved


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"
