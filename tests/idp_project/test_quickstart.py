"""`make run`: secrets made once, one issuer a data folder, commands that work when pasted, a clean end."""

import base64
import http.server
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from netrc import netrc
from pathlib import Path

import pytest
from django.db import OperationalError, connections

from accounts.models import User
from idp_project.embedded_postgres import AlreadyRunningError, Place, cluster, find_place
from idp_project.embedded_postgres.children import Account
from idp_project.quickstart import __main__ as quickstart
from idp_project.quickstart import first_rows
from idp_project.quickstart.data_folder import (
    DataFolder,
    QuickstartError,
    choose_port,
    first_values,
    follow_move,
    uses_bundled_database,
    write_secret,
)
from idp_project.quickstart.pasting import Pasting
from idp_project.quickstart.web_server import refuse_taken_port, serve
from realms.models import Realm
from tests.idp_project.test_embedded_postgres import CHECKOUT, forget_clusters_of, mode, wait_for
from tokens.client_auth.secret import digest_of
from tokens.selectors import client_of

STORED = {"IDP_ISSUER": "http://localhost:8080", "DATABASE_URL": "postgres://a/b", "IDP_BUNDLED_DATABASE": "true"}
DATA = Path("/data")


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


def ignore() -> None:
    """An announcement that nobody reads."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class TestDataFolder:
    def test_every_installation_gets_secrets_of_its_own(self) -> None:
        first, second = (first_values(port=8080, database_url="", bundled=True) for _ in range(2))
        for name in ("IDP_SECRET_KEY", "IDP_MASTER_SECRETS"):
            assert first[name] != second[name]
        assert len(first["IDP_SECRET_KEY"]) >= 50
        name, _, key = first["IDP_MASTER_SECRETS"].partition(":")
        assert (name, len(base64.b64decode(key, validate=True))) == ("k1", 32)

    def test_what_is_written_is_read_again_and_only_its_owner_can(self, folder: DataFolder) -> None:
        assert folder.stored() == {}
        values = first_values(port=8080, database_url="postgres://signet@//a%20b/signet", bundled=True)
        folder.write_env_file(values)
        assert folder.stored() == values
        assert mode(folder.env_file) == 0o600

    def test_a_crash_leaves_no_half_file_in_the_way(self, folder: DataFolder) -> None:
        (folder.path / ".signet.env.new").write_text("half")
        write_secret(folder.env_file, "whole")
        assert folder.env_file.read_text() == "whole"
        assert list(folder.path.iterdir()) == [folder.env_file]

    def test_an_env_file_that_others_may_read_is_refused(self, folder: DataFolder) -> None:
        folder.write_env_file(STORED)
        folder.env_file.chmod(0o640)
        with pytest.raises(QuickstartError, match="only you can read"):
            folder.stored()

    @pytest.mark.parametrize(("uid", "name"), [(0, "root"), (987_654, "user id 987654")])
    def test_the_data_of_another_account_is_left_alone(
        self, folder: DataFolder, monkeypatch: pytest.MonkeyPatch, uid: int, name: str
    ) -> None:
        folder.write_env_file(STORED)
        found = list(folder.env_file.lstat())
        found[stat.ST_UID] = uid
        monkeypatch.setattr(Path, "lstat", lambda _path: os.stat_result(found))
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        with pytest.raises(QuickstartError, match=f"belongs to {name}: run this as that user"):
            folder.stored()

    def test_one_run_at_a_time(self, folder: DataFolder) -> None:
        running = rf"^Signet already runs on the data in .* \(process {os.getpid()}\): stop that run first\.$"
        with folder.lock(), pytest.raises(AlreadyRunningError, match=running), folder.lock():
            pytest.fail("two runs on one data folder")


class TestIssuer:
    @pytest.mark.parametrize(
        ("environment", "stored", "port"),
        [
            ({}, {}, 8080),
            ({"PORT": "9090"}, {}, 9090),
            ({}, {"IDP_ISSUER": "http://localhost:9090"}, 9090),
            ({"PORT": "8080"}, STORED, 8080),
        ],
    )
    def test_the_first_run_chooses_the_port_and_later_ones_follow(
        self, environment: dict[str, str], stored: dict[str, str], port: int
    ) -> None:
        assert choose_port(environment, stored, DATA) == port

    def test_the_issuer_never_moves(self) -> None:
        sentence = r"^The issuer can't move from http://localhost:8080 to http://localhost:9090, .*\.$"
        with pytest.raises(QuickstartError, match=sentence):
            choose_port({"PORT": "9090"}, STORED, DATA)

    @pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "８０８０", "80 "])
    def test_a_port_is_a_port(self, port: str) -> None:
        with pytest.raises(QuickstartError, match="PORT must be a number from 1 to 65535"):
            choose_port({"PORT": port}, {}, DATA)


class TestDatabase:
    def test_the_bundled_one_is_for_those_who_name_none(self) -> None:
        assert uses_bundled_database({}, {}, DATA)
        assert uses_bundled_database({}, STORED, DATA)
        assert not uses_bundled_database({"DATABASE_URL": "postgres://a/b"}, {}, DATA)
        assert not uses_bundled_database({}, {**STORED, "IDP_BUNDLED_DATABASE": "false"}, DATA)

    def test_data_made_in_one_database_is_not_taken_to_another(self) -> None:
        with pytest.raises(QuickstartError, match="made with another database") as refusal:
            uses_bundled_database({"DATABASE_URL": "postgres://u:hush@c/d"}, STORED, DATA)
        assert "hush" not in str(refusal.value)

    def test_it_follows_a_folder_that_was_moved(self, folder: DataFolder) -> None:
        moved = Place(folder.postgres, folder.postgres / "socket", Path("/bin"), account=None)
        assert follow_move(STORED, moved, folder)["DATABASE_URL"] == moved.url
        assert folder.stored()["DATABASE_URL"] == moved.url
        assert follow_move(folder.stored(), moved, folder) == folder.stored()

    def test_roots_database_does_not_move_with_the_folder(self, folder: DataFolder) -> None:
        other = Place(Path("/var/a"), Path("/var/a/socket"), Path("/bin"), account=Account("a", 1, 1))
        with pytest.raises(QuickstartError, match="moved and its database was not"):
            follow_move(STORED, other, folder)


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers like the endpoints that the pasted commands call, and checks what they send."""

    def do_GET(self) -> None:
        self.answer(b'{"keys": []}' if self.path == "/.well-known/jwks.json" else None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/auth":
            basic = base64.b64encode(b"demo:p-_ss").decode()
            signed_in = self.headers["Authorization"] == f"Basic {basic}" and not body
            self.answer(b'{"refresh_token": "r+/=1"}' if signed_in else None)
        else:
            sent = urllib.parse.parse_qs(body.decode())
            self.answer(b'{"token": "new"}' if sent == {"refresh_token": ["r+/=1"]} else None)

    def answer(self, content: bytes | None) -> None:
        self.send_response(200 if content else 400)
        self.end_headers()
        self.wfile.write(content or b"refused")

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def provider() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("curl", [True, False])
def test_the_commands_work_when_pasted(
    provider: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curl: bool
) -> None:
    if curl and not shutil.which("curl"):
        pytest.skip("no curl here")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a shell behind a proxy still reaches localhost
    path = tmp_path / "a folder's $HOME"
    path.mkdir()
    write_secret(path / "demo.netrc", "machine localhost login demo password p-_ss\n")
    pasting = Pasting(
        base=f"http://localhost:{provider}",
        host="localhost",
        login=path / "demo.netrc",
        python=Path(sys.executable),
        manage=path / "manage.py",
        env_file=path / "signet.env",
        curl=curl,
        proxy=True,
    )
    commands = [command for _, command in pasting.commands()]
    answers = [subprocess.check_output(["sh", "-c", command], text=True).strip() for command in commands[:3]]
    assert answers == ['{"keys": []}', '{"refresh_token": "r+/=1"}', '{"token": "new"}']
    assert "p-_ss" not in " ".join(commands)
    (path / "manage.py").write_text("import os, sys; print(os.environ['IDP_ENV_FILE'], *sys.argv[1:])")
    said = subprocess.check_output(["sh", "-c", commands[3]], text=True, cwd="/")
    assert said == f"{path}/signet.env rotate_keys --force\n"


class TestWebServer:
    def test_a_taken_port_is_one_sentence(self, provider: int) -> None:
        with pytest.raises(QuickstartError, match=rf"^Port {provider} on 127\.0\.0\.1 can't be served \(.*\.$"):
            refuse_taken_port("127.0.0.1", provider)

    def test_a_free_port_is_served_even_where_connections_linger(self) -> None:
        refuse_taken_port("127.0.0.1", free_port())

    def test_a_server_that_ends_before_it_answers_is_an_error(self) -> None:
        with pytest.raises(QuickstartError, match="ended with exit code 3"):
            serve([sys.executable, "-c", "raise SystemExit(3)"], host="127.0.0.1", port=free_port(), announce=ignore)

    def test_a_server_that_ends_by_itself_is_an_error(self, provider: int) -> None:
        with pytest.raises(QuickstartError, match="ended by itself with exit code 0"):
            serve(["sleep", "0.5"], host="127.0.0.1", port=provider, announce=ignore)

    def test_a_signal_ends_it_even_if_it_resists(self, provider: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("idp_project.quickstart.web_server._SECONDS_TO_STOP", 0.1)
        started: list[int] = []

        def announce() -> None:
            started.extend(int(pid) for pid in children_of(os.getpid()))
            signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            serve(["sh", "-c", "trap '' TERM; sleep 60"], host="127.0.0.1", port=provider, announce=announce)
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


class Run:
    """One `make run` without make: the process, and what it printed until it served or ended."""

    def __init__(self, data: Path, **environment: str) -> None:
        # A fresh shell: nothing of this suite's own environment.
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("IDP_", "DATA", "DJANGO", "PORT"))
        }
        self.shell = kept
        self.process = subprocess.Popen(
            [sys.executable, "-m", "idp_project.quickstart"],
            cwd=CHECKOUT,
            env={**kept, "IDP_DATA_DIR": str(data), "IDP_WORKERS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.answers: list[subprocess.CompletedProcess[bytes]] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if "manage.py rotate_keys" in line:
                break

    @property
    def credentials(self) -> list[str]:
        return [line.split()[0] for line in self.lines if "(shown this once)" in line]

    @property
    def commands(self) -> list[str]:
        return [command for title, command in zip(self.lines, self.lines[1:], strict=False) if title[:2] == "# "]

    def paste(self) -> None:
        for command in self.commands:
            self.answers.append(subprocess.run(["sh", "-c", command], env=self.shell, capture_output=True, check=False))

    def end(self, signum: signal.Signals | None = None) -> int:
        if signum is not None:
            self.process.send_signal(signum)
        output, _ = self.process.communicate(timeout=60)
        self.lines += output.splitlines()
        return self.process.returncode


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, Run]]:
    """A data folder with its port, and the first run on it, ended."""
    data, port = tmp_path_factory.mktemp("data"), free_port()
    run = Run(data, PORT=str(port))
    run.paste()
    run.end(signal.SIGINT)
    yield data, port, run
    forget_clusters_of(data)


class TestTheWholeRun:
    """On a real data folder; the tests follow each other in this order."""

    def test_the_first_one_makes_everything_and_what_it_prints_works(self, first_run: tuple[Path, int, Run]) -> None:
        data, port, run = first_run
        assert run.credentials == ["Person", "Client", "Operator"], run.lines
        assert any(f"http://localhost:{port}/admin/" in line for line in run.lines)
        answers = run.answers
        assert [answer.returncode for answer in answers] == [0, 0, 0, 0], answers
        assert b'"keys"' in answers[0].stdout
        assert b'"access_token"' in answers[1].stdout
        assert b'"access_token"' in answers[2].stdout
        assert answers[1].stdout != answers[2].stdout
        assert {mode(path) for path in data.iterdir() if path.is_file()} == {0o600}

    def test_ctrl_c_ended_it_cleanly(self, first_run: tuple[Path, int, Run]) -> None:
        data, _, run = first_run
        assert run.process.returncode == 0
        assert run.lines[-2:] == ["→ stopping …", f"Stopped. The data stays in {data}."]
        assert not cluster._processes_in(find_place(data / "postgres").cluster)

    def test_another_port_is_refused_before_anything_starts(self, first_run: tuple[Path, int, Run]) -> None:
        data, port, _ = first_run
        run = Run(data, PORT=str(port + 1 if port < 65535 else port - 1))
        assert run.end() == 1
        assert len(run.lines) == 1
        assert run.lines[0].startswith(f"signet: The issuer can't move from http://localhost:{port} to ")

    def test_the_second_one_makes_nothing_new_and_survives_a_kill(self, first_run: tuple[Path, int, Run]) -> None:
        data, port, _ = first_run
        before = (data / "signet.env").read_bytes(), (data / "demo.netrc").read_bytes()
        killed = Run(data)
        assert killed.credentials == []
        started = time.monotonic()
        beside = Run(data)
        assert beside.end() == 1
        assert f"process {killed.process.pid}" in beside.lines[-1]
        assert time.monotonic() - started < 20
        killed.end(signal.SIGKILL)
        with socket.socket() as probe:
            wait_for(lambda: probe.connect_ex(("127.0.0.1", port)) != 0)
        next_one = Run(data)
        assert next_one.credentials == []
        assert subprocess.check_output(["sh", "-c", next_one.commands[1]], env=next_one.shell).startswith(b'{"token"')
        assert next_one.end(signal.SIGTERM) == 0
        assert before == ((data / "signet.env").read_bytes(), (data / "demo.netrc").read_bytes())


class TestRows:
    """What a trial starts with, each thing once."""

    @pytest.mark.usefixtures("es256_ring")
    def test_a_person_a_client_and_an_operator_are_made_and_shown_once(self, realm: Realm, tmp_path: Path) -> None:
        login = tmp_path / "demo.netrc"
        stdin = sys.stdin
        made = {item.kind: item for item in first_rows.make_people_and_client(login, "localhost")}
        assert list(made) == ["Person", "Client", "Operator"]
        assert sys.stdin is stdin
        person, operator = (User.objects.get(username=made[kind].name) for kind in ("Person", "Operator"))
        assert person.check_password(made["Person"].secret)
        assert operator.check_password(made["Operator"].secret)
        assert (person.is_staff, operator.is_staff) == (False, True)
        client = client_of(realm_id=realm.pk, client_id="demo")
        assert client is not None
        assert client.secret_digests == [digest_of(made["Client"].secret)]
        assert netrc(str(login)).authenticators("localhost") == ("demo", "", made["Person"].secret)
        assert mode(login) == 0o600
        assert list(first_rows.make_people_and_client(login, "localhost")) == []

    def test_a_password_that_a_killed_run_had_written_is_used(self, realm: Realm, tmp_path: Path) -> None:
        login = tmp_path / "demo.netrc"
        write_secret(login, "machine localhost login demo password a-password-of-before\n")
        person = next(iter(first_rows.make_people_and_client(login, "localhost")))
        assert person.secret == "a-password-of-before"

    def test_a_file_without_our_host_is_written_anew(self, realm: Realm, tmp_path: Path) -> None:
        login = tmp_path / "demo.netrc"
        write_secret(login, "machine elsewhere login demo password of-elsewhere\n")
        person = next(iter(first_rows.make_people_and_client(login, "localhost")))
        assert person.secret != "of-elsewhere"

    @pytest.mark.django_db
    def test_tables_come_before_keys_and_long_steps_are_announced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        called: list[str] = []
        monkeypatch.setattr(first_rows, "call_command", lambda name, **_options: called.append(name))
        monkeypatch.setattr(first_rows, "refuse_failed_checks", lambda: called.append("check"))
        monkeypatch.setattr(first_rows, "refuse_other_issuer", lambda: called.append("issuer"))
        said: list[str] = []
        first_rows.make_tables_and_keys(said.append)
        assert called == ["migrate", "bootstrap", "check", "issuer"]
        assert "RSA" in said[-1]

    def test_keys_that_are_there_are_not_announced(self, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(first_rows, "call_command", lambda _name, **_options: None)
        monkeypatch.setattr(first_rows, "refuse_failed_checks", lambda: None)
        said: list[str] = []
        first_rows.make_tables_and_keys(said.append)
        assert said == ["bringing the tables up to date"]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a run in this process, which leaves ours and our signal handlers as they were."""
    environment = {"IDP_DATA_DIR": str(tmp_path / "data"), "PORT": str(free_port()), "PATH": os.environ["PATH"]}
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(signum) for signum in watched]
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(quickstart, "make_rows", lambda _folder: None)
    yield environment
    for signum, handler in zip(watched, before, strict=True):
        signal.signal(signum, handler)
    forget_clusters_of(tmp_path)


class TestMain:
    """The order of things, and one sentence for what goes wrong."""

    def test_a_database_that_was_named_is_used_and_remembered(
        self, shell: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def serve(command: list[str], *, host: str, port: int, announce: Callable[[], None]) -> None:
            assert (host, port) == ("127.0.0.1", int(shell["PORT"]))
            announce()

        monkeypatch.setattr(quickstart, "serve", serve)
        shell |= {"DATABASE_URL": "postgres://somewhere/else", "IDP_SECRET_KEY_FILE": "/another/secret"}
        assert quickstart.main() == 0
        folder = DataFolder(Path(shell["IDP_DATA_DIR"]))
        assert folder.stored()["DATABASE_URL"] == "postgres://somewhere/else"
        assert not folder.postgres.exists()
        assert shell["IDP_ENV_FILE"] == str(folder.env_file)
        assert "IDP_SECRET_KEY_FILE" not in shell
        assert "Paste into another terminal:" in capsys.readouterr().out

    @pytest.mark.parametrize("named", ["", "consolemail://"])
    def test_mail_is_said_to_be_written_only_where_it_is(
        self, named: str, shell: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(quickstart, "serve", lambda *_, announce, **__: announce())
        shell |= {"DATABASE_URL": "postgres://somewhere/else"} | ({"IDP_EMAIL_URL": named} if named else {})
        assert quickstart.main() == 0
        folder = DataFolder(Path(shell["IDP_DATA_DIR"]))
        assert shell["IDP_EMAIL_URL"] == (named or f"filemail://{folder.mail}")
        assert (f"Mail      {folder.mail}" in capsys.readouterr().out) is not bool(named)

    def test_the_bundled_database_runs_while_the_server_does(
        self, shell: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served: list[list[int]] = []
        place = find_place(Path(shell["IDP_DATA_DIR"]) / "postgres")
        monkeypatch.setattr(quickstart, "serve", lambda *_, **__: served.append(cluster._processes_in(place.cluster)))
        assert quickstart.main() == 0
        assert quickstart.main() == 0
        assert len(served) == 2
        assert all(served)
        assert cluster._processes_in(place.cluster) == []

    def test_starting_over_without_the_secrets_sets_their_database_aside(
        self, shell: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(quickstart, "serve", lambda *_, **__: None)
        assert quickstart.main() == 0
        folder = DataFolder(Path(shell["IDP_DATA_DIR"]))
        first = folder.stored()["IDP_MASTER_SECRETS"]
        kept = (find_place(folder.postgres).cluster / "global" / "pg_control").stat().st_ino
        folder.env_file.unlink()
        for name in first_values(port=1, database_url="", bundled=True):
            shell.pop(name, None)
        assert quickstart.main() == 0
        assert folder.stored()["IDP_MASTER_SECRETS"] != first
        (aside,) = find_place(folder.postgres).folder.glob("cluster.*")
        assert (aside / "global" / "pg_control").stat().st_ino == kept
        assert f"is kept in {aside}" in capsys.readouterr().out

    def test_rows_are_made_by_django_and_shown(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: DataFolder
    ) -> None:
        made = [first_rows.Credential("Operator", "operator", "hush")]
        monkeypatch.setattr("django.setup", lambda: None)
        monkeypatch.setattr(connections, "close_all", lambda: None)
        monkeypatch.setattr(first_rows, "make_tables_and_keys", lambda say: say("making"))
        monkeypatch.setattr(first_rows, "make_people_and_client", lambda _login, _host: iter(made))
        quickstart.make_rows(folder)
        said = capsys.readouterr().out.splitlines()
        assert said == ["→ making …", "  Operator  operator  hush   (shown this once)"]

    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            (QuickstartError("No."), "signet: No.\n"),
            (
                OperationalError("connection failed\nDETAIL"),
                "signet: the database can't be reached: connection failed\n",
            ),
            (PermissionError(13, "Permission denied", "/data"), "signet: /data: Permission denied.\n"),
            (OSError(28, "No space left on device"), "signet: the system: No space left on device.\n"),
        ],
    )
    def test_a_failure_is_one_sentence(
        self,
        shell: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        error: Exception,
        sentence: str,
    ) -> None:
        def fail() -> None:
            raise error

        monkeypatch.setattr(quickstart, "run", fail)
        assert quickstart.main() == 1
        assert capsys.readouterr().err == sentence

    def test_a_signal_before_it_serves_ends_it_and_a_second_one_does_not_disturb(
        self, shell: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted() -> None:
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGINT)  # somebody is impatient while we tidy up

        monkeypatch.setattr(quickstart, "run", interrupted)
        assert quickstart.main() == 130

    def test_nohup_stays_in_force(self, shell: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        monkeypatch.setattr(quickstart, "run", lambda: signal.raise_signal(signal.SIGHUP))
        assert quickstart.main() == 0
