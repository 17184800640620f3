"""examples/resource_server beside the provider: a service that installed the verifier."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.interop.processes import CHECKOUT, free_port, running
from tests.interop.provider import Provider

PROGRAM = CHECKOUT / "examples" / "resource_server" / "notes.py"
OPTIONS = ("--grant-type", "client_credentials", "--scope", "notes:read", "--scope", "notes:write")


@dataclass(frozen=True)
class Notes:
    """The service, and a client of it.

    Attributes:
        address: of the notes.
        provider: whose tokens it takes.
        client: what `create_client` printed.
    """

    address: str
    provider: Provider
    client: dict[str, Any]

    def token(self) -> str:
        """A new access token for the client itself."""
        answer = requests.post(
            f"{self.provider.issuer}/token",
            data={"grant_type": "client_credentials", "scope": "notes:read notes:write"},
            auth=(self.client["client_id"], self.client["client_secret"]),
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def ask(self, token: str = "", *, method: str = "GET", text: str = "") -> requests.Response:
        """One request to the service."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, self.address, headers=headers, data=text, timeout=20)


@contextmanager
def running_notes(provider: Provider, folder: Path) -> Iterator[Notes]:
    """The service in a process of its own, which finds nothing but the verifier and what that needs.

    Arguments:
        folder: where its log goes.
    """
    port, name = free_port(), f"notes-{os.urandom(4).hex()}"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT / "verifier"),
        "ISSUER": provider.issuer,
        "AUDIENCE": provider.issuer,
        "PORT": str(port),
    }
    client = provider.add_client(name, *OPTIONS)
    with running([sys.executable, str(PROGRAM)], environment, log=folder / "notes.log", port=port):
        yield Notes(f"http://127.0.0.1:{port}/notes", provider, client)
