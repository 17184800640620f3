"""The set-up before anything is installed: done once, whole or not at all, and it says what is missing."""

import fcntl
import itertools
import os
import re
import sys
import threading
from pathlib import Path

import pytest

from idp_project import setup_environment as setup


class Machine:
    """A machine on which commands are recorded and not run."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.versions = {sys.executable: (3, 12)}
        self.modules: dict[str, set[str]] = {sys.executable: {"ensurepip"}}
        self.failing = ""
        self.sudo = False

    def succeeds(self, *command: str, quiet: bool = False) -> bool:
        if command[:2] == ("sudo", "-n") and quiet:
            return self.sudo
        self.commands.append(list(command))
        if "venv" in command:
            setup.VENV.mkdir(exist_ok=True)
            (setup.VENV / "pyvenv.cfg").touch()
            self.versions[setup.VENV_PYTHON] = self.versions[command[0]]
            self.modules[setup.VENV_PYTHON] = {"pip"}
        return self.failing not in command

    def has_module(self, python: str, module: str) -> bool:
        return module in self.modules.get(python, set())

    def version_of(self, python: str) -> tuple[int, int]:
        return self.versions.get(python, (0, 0))

    def ran(self, word: str) -> int:
        return sum(word in command for command in self.commands)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with Python 3.12, and a checkout with a lock file."""
    made = Machine()
    (tmp_path / "lock.txt").write_text("a==1\n")
    monkeypatch.setattr(setup, "CHECKOUT", tmp_path)
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(setup, "VENV_PYTHON", str(tmp_path / ".venv/bin/python"))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name in {"apt-get", "sudo"} else None)
    for name in ("succeeds", "has_module", "version_of"):
        monkeypatch.setattr(setup, name, getattr(made, name))
    return made


def test_the_environment_is_made_once_and_filled_with_hashes_checked(machine: Machine) -> None:
    assert setup.main("lock.txt") == 0
    assert (machine.ran("venv"), machine.ran("--require-hashes")) == (1, 1)
    assert setup.main("lock.txt") == 0
    assert (machine.ran("venv"), machine.ran("--require-hashes")) == (1, 1)


def test_a_changed_lock_file_is_installed_again_into_the_same_environment(machine: Machine, tmp_path: Path) -> None:
    setup.main("lock.txt")
    (tmp_path / "lock.txt").write_text("a==2\n")
    assert setup.main("lock.txt") == 0
    assert (machine.ran("venv"), machine.ran("--require-hashes")) == (1, 2)


def test_an_installation_that_failed_is_tried_again(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.failing = "pip"
    assert setup.main("lock.txt") == 1
    assert "signet: pip could not install lock.txt: the lines above say why.\n" in capsys.readouterr().err
    machine.failing = ""
    assert setup.main("lock.txt") == 0


def test_an_environment_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    setup.main("lock.txt")
    del machine.versions[setup.VENV_PYTHON]
    assert setup.main("lock.txt") == 0
    assert machine.ran("--clear") == 2


def test_a_folder_that_is_no_environment_is_left_alone(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    setup.VENV.mkdir()
    (setup.VENV / "precious").touch()
    assert setup.main("lock.txt") == 1
    assert capsys.readouterr().err.endswith(".venv is there and is no virtual environment: move it away.\n")
    assert machine.commands == []


def test_a_venv_that_cant_be_made_is_one_sentence(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.failing = "venv"
    assert setup.main("lock.txt") == 1
    assert "-m venv failed" in capsys.readouterr().err


def test_a_python_that_is_too_old_is_one_sentence(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.versions[sys.executable] = (3, 10)
    assert setup.main("lock.txt") == 1
    assert capsys.readouterr().err.startswith("signet: Signet needs Python 3.11 or newer, and ")


def test_a_python_that_can_make_environments_comes_before_one_that_cant(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.modules = {"/opt/python3.12": {"ensurepip"}}
    machine.versions["/opt/python3.12"] = (3, 12)
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}")
    assert setup.find_python() == "/opt/python3.12"


def test_debians_missing_package_is_named_to_those_who_may_not_install_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.modules = {}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert setup.main("lock.txt") == 1
    assert "run apt-get install python3" in capsys.readouterr().err
    assert machine.commands == []


@pytest.mark.parametrize(("uid", "first"), [(0, "env"), (1000, "sudo")])
def test_debians_missing_package_is_installed_by_those_who_may_and_shown(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], uid: int, first: str
) -> None:
    machine.modules, machine.sudo = {}, True
    monkeypatch.setattr(os, "geteuid", lambda: uid)

    def install_second_time(*command: str, quiet: bool = False) -> bool:
        if machine.ran("install") and "update" not in command:
            machine.modules[sys.executable] = {"ensurepip"}
        return machine.succeeds(*command, quiet=quiet)

    monkeypatch.setattr(setup, "succeeds", install_second_time)
    assert setup.main("lock.txt") == 0
    apt = [command for command in machine.commands if "apt-get" in command]
    assert [command[0] for command in apt] == [first] * 3
    assert [("update" in command) for command in apt] == [False, True, False]
    assert "apt-get install --yes" in capsys.readouterr().err


def test_what_apt_cant_install_is_one_sentence(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.modules = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert setup.main("lock.txt") == 1
    assert "can't make virtual environments" in capsys.readouterr().err.splitlines()[-1]


def test_without_apt_the_systems_own_package_is_asked_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.modules = {}
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert setup.main("lock.txt") == 1
    assert "lacks ensurepip" in capsys.readouterr().err


def test_nobody_calls_apt_where_there_is_none(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert setup.apt_get() == []


def test_a_missing_lock_file_is_named(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main("none.txt") == 1
    assert capsys.readouterr().err.endswith("none.txt: No such file or directory.\n")


def test_a_second_setup_waits_for_the_first(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = threading.Event()
    monkeypatch.setattr(setup, "say", lambda line: waiting.set() if "waiting" in line else None)
    with (tmp_path / "lock.txt").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = threading.Thread(target=setup.main, args=["lock.txt"])
        second.start()
        assert waiting.wait(10)
        assert machine.commands == []
        fcntl.flock(held, fcntl.LOCK_UN)
        second.join(10)
    assert machine.ran("--require-hashes") == 1


def test_real_interpreters_are_told_apart() -> None:
    assert setup.version_of(sys.executable) == sys.version_info[:2]
    assert setup.version_of("/no/such/python") == (0, 0)
    assert setup.version_of("/bin/false") == (0, 0)
    assert setup.has_module(sys.executable, "json")
    assert not setup.has_module(sys.executable, "no_such_module")


@pytest.mark.spec("house.md, docs: make test means the same before and after make interop")
def test_every_lock_agrees_with_the_larger_ones_that_share_its_environment() -> None:
    names = ("requirements.txt", "requirements-run.txt", "requirements-dev.txt", "requirements-interop.txt")
    locked = [set(re.findall(r"(?m)^\S+==\S+", (setup.CHECKOUT / name).read_text("utf-8"))) for name in names]
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(locked))
