"""Worker processes that sign through the front door, over a line to the database that can be cut."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]

# Signs ten times a second, and says for each try when and with which key, or what stood in the way; and looks as
# often whether its JWKS still has the key that it was told of.
_PROGRAM = """
import json, sys, time
import django
django.setup()
from datetime import UTC, datetime
from keys import api
from keys.errors import KeysError
from realms.models import Realm
realm, suspect = Realm.objects.get(slug="default"), sys.argv[1]
while True:
    now = datetime.now(UTC)
    try:
        claims = {"iss": realm.issuer, "exp": int(now.timestamp()) + 60}
        said = api.sign_jwt(claims, realm=realm, typ="at+jwt", now=now).kid
    except KeysError as error:
        said = type(error).__name__
    try:
        trusts = suspect in api.public_jwks("default", now=now).keys
    except KeysError:
        trusts = False
    print(json.dumps({"at": time.monotonic(), "said": said, "trusts": trusts}), flush=True)
    time.sleep(0.1)
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a worker said of one try: when, by the machine's monotonic clock; by which key, or why not."""

    at: float
    said: str
    trusts: bool


@dataclass
class Worker:
    """A process, and all that it has said so far."""

    process: subprocess.Popen[str]
    told: list[Said] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # the last line of one that is killed may be half a line
                    self.told.append(Said(**json.loads(line)))


@contextmanager
def signing_workers(urls: Sequence[str], *, suspect: str) -> Iterator[list[Worker]]:
    """Real processes that sign until the block ends.

    Arguments:
        urls: the `DATABASE_URL` of each.
        suspect: the kid for which each looks in its JWKS.
    """
    workers = []
    try:
        for url in urls:
            environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
            command = [sys.executable, "-c", _PROGRAM, suspect]
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
            workers.append(Worker(process))
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.wait()
            worker.listener.join()


def database_url(server: Mapping[str, Any]) -> str:
    """The `DATABASE_URL` of a database by Django's settings of it."""
    user, host, port = quote(server["USER"]), str(server["HOST"] or "127.0.0.1"), server["PORT"] or 5432
    if host.startswith("/"):
        return f"postgres://{user}@/{quote(host)}/{server['NAME']}"
    return f"postgres://{user}:{quote(server['PASSWORD'])}@{host}:{port}/{server['NAME']}"


class Line:
    """A TCP line to the database that can be cut: afterwards nothing passes, and nobody is let in.

    Arguments:
        server: Django's settings of the database at its other end, which may listen on a socket in a folder.
    """

    def __init__(self, server: Mapping[str, Any]) -> None:
        self._server = server
        self._door = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = database_url({**server, "HOST": "127.0.0.1", "PORT": self._door.getsockname()[1]})
        threading.Thread(target=self._let_in, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and take no other."""
        for end in (self._door, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _reach(self) -> socket.socket:
        host, port = str(self._server["HOST"] or "127.0.0.1"), int(self._server["PORT"] or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{host}/.s.PGSQL.{port}")
        return far

    def _let_in(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = self._reach()
                self._open += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while some := source.recv(65_536):
            target.sendall(some)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
