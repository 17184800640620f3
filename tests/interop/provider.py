"""A provider that runs as an operator runs it: commands, several workers, a database of its own."""

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt

from idp_project.quickstart.data_folder import first_values, write_secret
from tests.interop.processes import free_port, fresh_database, run_command, running, wait_until

JWKS = "/.well-known/jwks.json"
PERSON, EMAIL = "ana", "ana@example.org"
# The shortest timetable that the checks allow: a new key may sign nine seconds after it was published.
# Why no client notices is the same as with 48 hours: it knew the key before the key signed.
PROPAGATION = timedelta(seconds=9)
TIMETABLE = {
    "IDP_KEY_PROPAGATION": "PT9S",
    "IDP_KEY_CLOCK_SKEW": "PT1S",
    "IDP_SIGNER_TTL": "PT1S",
    "IDP_JWKS_MAX_AGE": "PT1S",
    "IDP_JWKS_OUTAGE": "PT0S",
}
WORKERS = 2
_JWKS_REFRESH = timedelta(seconds=5)  # how often a worker looks for keys that were published (keys.md)
_SECOND = timedelta(seconds=1)  # commands tell moments to the second


@dataclass(frozen=True)
class Provider:
    """A running provider.

    Attributes:
        issuer: such as http://localhost:4711.
        password: of the person `PERSON`.
        environment: for commands beside the server.
        log: what the server prints; a line a request is among it.
    """

    issuer: str
    password: str
    environment: Mapping[str, str]
    log: Path

    @property
    def discovery(self) -> str:
        """Where clients begin."""
        return f"{self.issuer}/.well-known/openid-configuration"

    @property
    def jwks(self) -> str:
        """Where verifiers find the public keys."""
        return f"{self.issuer}{JWKS}"

    def manage(self, *arguments: str, typed: str = "") -> str:
        """Run a command as an operator does, and give back what it prints."""
        return run_command([sys.executable, "manage.py", *arguments], self.environment, typed=typed)

    def add_client(self, client_id: str, *options: str) -> dict[str, Any]:
        """Register a client; what `create_client` prints."""
        registered: dict[str, Any] = json.loads(self.manage("create_client", client_id, *options))
        return registered

    def publish_standbys(self) -> None:
        """Have every worker show, beside each key that signs, the one that will sign next."""
        rings = json.loads(self.manage("rotate_keys", "--json"))["rings"]
        minted = [step["published_at"] for ring in rings for step in ring["steps"] if step["step"] == "mint"]
        if minted:
            _wait_for(max(map(_moment, minted)) + _JWKS_REFRESH + _SECOND, what="every worker has looked at the rows")

    def rotate(self) -> dict[str, str]:
        """Have the next keys sign, as early as the promise to verifiers allows, and wait until then.

        Returns:
            algorithm → kid of the key that signs from now on.
        """
        rings = json.loads(self.manage("rotate_keys", "--force", "--json"))["rings"]
        _wait_for(max(_moment(ring["next"]["at"]) for ring in rings) + _SECOND, what="the next keys take over")
        return {ring["algorithm"]: ring["next"]["kid"] for ring in rings if ring["purpose"] == "sign"}

    def times_asked_for(self, path: str) -> int:
        """How many GET requests for a path have been answered since the start."""
        return self.log.read_text(encoding="utf-8", errors="replace").count(f'"GET {path} HTTP')


@contextmanager
def running_provider(folder: Path, *, workers: int = WORKERS) -> Iterator[Provider]:
    """A provider with its first keys and one person, on a port of its own.

    Arguments:
        folder: where its secrets and its log go.
        workers: how many processes serve.
    """
    port, password = free_port(), secrets.token_urlsafe(18)
    with fresh_database() as database_url:
        values = first_values(port=port, database_url=database_url, bundled=False)
        values |= TIMETABLE | {"IDP_WORKERS": str(workers), "IDP_EXPIRED_TOKENS": "false"}
        write_secret(folder / "signet.env", "".join(f"{name}={value}\n" for name, value in values.items()))
        environment = {
            "PATH": os.environ["PATH"],
            "IDP_ENV_FILE": str(folder / "signet.env"),
            "GRANIAN_LOG_ACCESS_ENABLED": "true",
        }
        provider = Provider(values["IDP_ISSUER"], password, environment, folder / "server.log")
        provider.manage("migrate", "--verbosity", "0")
        provider.manage("bootstrap")
        provider.manage("create_user", PERSON, "--password-stdin", "--email", EMAIL, typed=password)
        with running([sys.executable, "manage.py", "serve"], environment, log=provider.log, port=port):
            yield provider


def kid_of(token: str) -> str:
    """Which key signed a token, as its header says."""
    return str(jwt.get_unverified_header(token)["kid"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _wait_for(moment: datetime, *, what: str) -> None:
    """Wait for a moment that is near, or past."""
    seconds = (moment - datetime.now(UTC)).total_seconds()
    assert seconds < 3 * PROPAGATION.total_seconds(), f"{what}: only at {moment}"
    wait_until(lambda: datetime.now(UTC) >= moment, seconds=max(seconds, 0) + 1, what=what)
