"""The running server with people and clients, whatever the browser does."""

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from idp_project.quickstart.data_folder import first_values, write_secret
from tests.browser.application import Application, Television, running_callback
from tests.browser.rows import APPLICATION, TELEVISION
from tests.interop.processes import free_port, fresh_database, run_command, running


@dataclass(frozen=True)
class Site:
    """A running provider.

    Attributes:
        issuer: such as http://localhost:4711.
        password: everybody's.
        callback: where the application listens.
        secrets_of: client_id → secret.
        environment: for commands beside the server.
        folder: where the server's secrets and its log are.
    """

    issuer: str
    password: str
    callback: str
    secrets_of: Mapping[str, str]
    environment: Mapping[str, str]
    folder: Path

    @property
    def mail(self) -> Path:
        """Where its mail lies."""
        return self.folder / "mail"

    def application(self) -> Application:
        """An application with a sign-in of its own."""
        secret = self.secrets_of[APPLICATION]
        return Application(issuer=self.issuer, client_id=APPLICATION, secret=secret, address=self.callback)

    def television(self) -> Television:
        """A device."""
        return Television(issuer=self.issuer, client_id=TELEVISION)

    def manage(self, *arguments: str, typed: str = "") -> str:
        """Run a command as an operator does, and give back what it prints."""
        return run_command([sys.executable, "manage.py", *arguments], self.environment, typed=typed)


@contextmanager
def running_site(folder: Path, **settings: str) -> Iterator[Site]:
    """A provider on a port and a database of its own, with the rows of `tests.browser.rows`.

    Arguments:
        folder: where its secrets and its log go.
        settings: what it has in its environment beside, or in place of, what `make run` gives it.
    """
    port, password = free_port(), secrets.token_urlsafe(18)
    with fresh_database() as database_url, running_callback() as callback:
        values = first_values(port=port, database_url=database_url, bundled=False)
        values |= {"IDP_WORKERS": "1", "IDP_EXPIRED_TOKENS": "false", "IDP_EMAIL_URL": f"filemail://{folder}/mail"}
        values |= settings
        write_secret(folder / "signet.env", "".join(f"{name}={value}\n" for name, value in values.items()))
        environment = {"PATH": os.environ["PATH"], "IDP_ENV_FILE": str(folder / "signet.env")}
        for arguments in (["migrate", "--verbosity", "0"], ["bootstrap"]):
            run_command([sys.executable, "manage.py", *arguments], environment)
        asked = json.dumps({"password": password, "callback": callback})
        made = json.loads(run_command([sys.executable, "-m", "tests.browser.rows"], environment, typed=asked))
        site = Site(values["IDP_ISSUER"], password, callback, made, environment, folder)
        with running([sys.executable, "manage.py", "serve"], environment, log=folder / "server.log", port=port):
            yield site
